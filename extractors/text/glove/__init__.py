"""Word vectors from a published table."""
