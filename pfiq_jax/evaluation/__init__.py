"""Is the score right, is the map right."""
