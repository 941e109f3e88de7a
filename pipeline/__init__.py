"""Raw video to features in the cache and results on disk: records, media, segmentation, running."""
