"""Recipes that rebuild the shipped checkpoints."""
