"""One runtime per file format: each runs the source network, to compare its conversion with it.

Each module has a function ``run(source, pixels, ..., layers=False)``, which takes the network as well for state dicts.
It returns the embeddings and, with ``layers``, the outputs of the layers with parameters, by the name of each layer's
first array. Runtimes are imported only to verify conversions.
"""
