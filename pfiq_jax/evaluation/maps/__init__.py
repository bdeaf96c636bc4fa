"""Evaluation of maps: whether a map ranks pixels by how much recognition depends on them."""
