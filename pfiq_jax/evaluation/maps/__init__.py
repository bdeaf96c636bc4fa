"""Is the map right: whether a map ranks pixels by what they are worth to the recogniser."""
