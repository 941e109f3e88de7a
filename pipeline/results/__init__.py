"""Writers of results, one format a file."""
