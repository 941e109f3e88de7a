"""Reading what people make in annotation tools: ELAN and Praat."""
