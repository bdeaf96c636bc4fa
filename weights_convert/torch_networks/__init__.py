"""Networks in torch, with the module names of their published weights: what conversions are compared with.

Written from descriptions of the architectures, and imported only to verify.
"""
