"""Thousands of videos: what is due, engines that do it, the ledger that says what happened."""
