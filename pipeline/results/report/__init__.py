"""Results as pages that people open: one self-contained HTML file a video, and an index of many."""
