"""What a result says, drawn into the video it was found in."""
