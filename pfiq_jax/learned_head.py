"""A linear head that predicts the quality of a face from a recogniser's forward pass.

``adapting/quality_head.py`` fits it; ``quality/learned.py`` computes its inputs and its score. It is not CR-FIQA's
quality head, which is a part of the network, is trained with it, and takes only the embedding.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from pfiq_jax import pytrees
from pfiq_jax.errors import PfiqError

LEAVES = ("kernel", "bias")
Numbers: TypeAlias = Array | np.ndarray


@dataclass(frozen=True, eq=False)
class LearnedHead:
    """A linear function of a forward pass with one value per face. It is saved with the weights.

    A pytree: the numbers are leaves, so a new fit does not recompile a program; ``reference`` is a description.

    Attributes:
        kernel: (inputs,), the factor of each input.
        bias: (1,), added to the sum.
        reference: the faces that it was fitted to, in words.
    """

    kernel: Numbers
    bias: Numbers
    reference: str

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray], reference: str) -> "LearnedHead":
        """The head in a weights file.

        Args:
            arrays: by the names of the attributes.
            reference: the faces that it was fitted to, in words.

        Raises:
            PfiqError: for arrays that are missing or left over, of another shape, or not finite.
        """
        sound = set(arrays) == set(LEAVES) and arrays["kernel"].ndim == 1 and arrays["bias"].shape == (1,)
        if not sound or not all(np.isfinite(each).all() for each in arrays.values()):
            raise PfiqError("its arrays of the learned head are missing, damaged or of another release")
        return cls(arrays["kernel"], arrays["bias"], reference)

    def predict(self, inputs: Float[Array, "batch inputs"]) -> Float[Array, " batch"]:
        """The predicted quality; higher is better.

        Args:
            inputs: as ``head_inputs`` returns them.

        Raises:
            PfiqError: for another number of inputs, such as those of another recogniser.
        """
        if inputs.shape[-1:] != np.shape(self.kernel):
            raise PfiqError(
                f"learned head: was fitted to {np.size(self.kernel)} inputs, but this recogniser has "
                f"{inputs.shape[-1]}; fit it again with `fit_quality_head`."
            )
        own = jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float32), self)
        return jnp.matmul(inputs, own.kernel, precision="highest") + own.bias


pytrees.register(LearnedHead, leaves=LEAVES, static=(), descriptions=("reference",))
