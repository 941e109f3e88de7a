"""Training many small models at once, as one batched model: `training.train_stacked`."""
