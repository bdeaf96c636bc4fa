"""Strangers' weights to the ``.safetensors`` files that ``pfiq_jax.load_recognizer`` reads.

``readers`` knows file formats, ``mappings`` knows architectures, and neither knows the other; ``convert`` joins them
and ``verify`` runs the source network beside its conversion.
"""
