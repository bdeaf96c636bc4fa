"""One runtime a file format: the source network by its own graph, to compare its conversion with.

Each is a module with a ``run(source, pixels, ..., layers=False)``, which state dicts give their network too. It gives
the embeddings, and with ``layers`` what the operations with parameters give, by the name of the first array that each
reads. They are imported to verify only.
"""
