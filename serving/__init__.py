"""A local web page: videos are dropped on it, analysed here, and their reports opened."""
