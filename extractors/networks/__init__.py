"""Published convolutional networks, built to fit the files their weights come in."""
