"""How useful a face image is for recognition, and which of its pixels determine its quality.

The public names are listed in ``__init__.pyi``. Each is imported when it is first used.

The examples of the functions run after these lines::

    >>> import jax
    >>> import jax.numpy as jnp
    >>> import numpy as np
    >>> import pfiq_jax
    >>> recognizer = pfiq_jax.load_recognizer()
    >>> face = pfiq_jax.demo_face()  # (112, 112, 3), RGB, 0..255
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
