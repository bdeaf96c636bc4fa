"""One runtime per file format: each runs the source network, to compare its conversion with it.

Each module has a function ``run(source, pixels, ..., layers=False) -> Outputs``, which takes the network as well for
state dicts. Runtimes are imported only to verify conversions.
"""
