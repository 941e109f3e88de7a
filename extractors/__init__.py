"""Extractors: media and utterances in, feature blocks out."""
