"""Multitask fusion models: datasets, training, checkpoints, prediction."""
