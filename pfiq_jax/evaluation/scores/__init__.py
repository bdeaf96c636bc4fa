"""Is the score right: how well quality scores predict which comparisons a recogniser gets wrong."""
