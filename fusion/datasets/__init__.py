"""Readers of published corpora: a data folder to frozen records, nothing computed."""
