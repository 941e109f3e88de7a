"""The 74 voice measures of COVAREP, computed from the published methods."""
