"""BatchNorm with running statistics, which training updates as in PyTorch."""

import jax
from flax import nnx
from jax.typing import DTypeLike


class BatchNorm(nnx.BatchNorm):
    """BatchNorm (Ioffe and Szegedy 2015, algorithms 1 and 2), by default with its running statistics.

    It computes in the dtype of its statistics unless another dtype is given; the result has the dtype of the input.

    If ``use_running_average`` is False, it uses the mean and variance of the batch, and moves its statistics towards
    them. The variance moves towards the unbiased estimate, as in PyTorch; in Flax, it does not.
    """

    def __init__(self, width: int, epsilon: float, rngs: nnx.Rngs, *, dtype: DTypeLike | None = None):
        super().__init__(
            width, use_running_average=True, use_fast_variance=False, epsilon=epsilon, dtype=dtype, rngs=rngs
        )

    def __call__(self, x: jax.Array) -> jax.Array:  # type: ignore[override]
        kept = self.momentum * self.var[...]
        y = super().__call__(x.astype(self.dtype or self.var[...].dtype)).astype(x.dtype)
        if not self.use_running_average:
            count = x.size // x.shape[-1]
            self.var[...] = kept + (self.var[...] - kept) * (count / (count - 1))
        return y
