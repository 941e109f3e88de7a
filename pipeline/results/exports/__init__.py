"""Files that other tools read, made from a result alone, one format a file."""
