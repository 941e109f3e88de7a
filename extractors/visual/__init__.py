"""Visual features: face tracks, the speaking face, facial behaviour."""
