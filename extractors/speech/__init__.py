"""Where the words come from: transcripts, recognisers, alignment and voice activity."""
