"""Converts third-party weights to the ``.safetensors`` files that ``pfiq_jax.load_recognizer`` reads.

``readers`` depends on file formats only, and ``mappings`` on architectures only; both use ``source.Source``.
``convert`` joins them, and ``verify`` compares the source network with its conversion.
"""
