"""Fusion backbones."""
