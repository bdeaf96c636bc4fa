"""Networks in torch with the module names of their published weights, to compare conversions with.

They are written from descriptions of the architectures and share no code or constants with ``pfiq_jax``, so that an
error there shows up as a difference. They are imported only to verify conversions.
"""
