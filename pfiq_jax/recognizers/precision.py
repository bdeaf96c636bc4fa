"""The precision that a network runs in.

The **trunk** runs in float32 or bfloat16; see ``Recognizer.with_precision``. Its convolutions and matrix products have
JAX's default precision. On CPUs this is full float32. NVIDIA GPUs from Ampere on round the inputs of float32 products
to TF32, and TPUs round them to bfloat16; both add in float32. TF32 hardly changes the quality of a face
(``benchmarks/results/h200.md``), so the library keeps this default, the fastest one. For full float32 on every device,
use ``with jax.default_matmul_precision("highest")``, or the environment variable
``JAX_DEFAULT_MATMUL_PRECISION=highest``. ``weights-convert verify`` and the tests that compare devices use it.

The **head** runs in float32 at the highest precision on every device. Scores, deficits, alignment, and distances
between embeddings are computed in the same way.
"""

from typing import Any, Literal

import jax
import jax.numpy as jnp
from jaxtyping import Array, PyTree

Precision = Literal["float32", "bfloat16"]
STATISTICS = ("mean", "var")
"""Names of the leaves that a BatchNorm estimates from images. Gradients should not change them."""


def with_bfloat16_trunk(parameters: PyTree[Array]) -> PyTree[Array]:
    """The parameters of an ``Architecture``, with those of the trunk in bfloat16, except for its BatchNorms.

    BatchNorms stay in float32, since they are small, and rounding them would double the error of embeddings.
    """

    def is_norm(node: Any) -> bool:
        return isinstance(node, dict) and node.keys() >= set(STATISTICS)

    def narrow(node: Any) -> Any:
        return node if is_norm(node) else node.astype(jnp.bfloat16)

    return {**parameters, "trunk": jax.tree.map(narrow, parameters["trunk"], is_leaf=is_norm)}
