"""The highest rates of the default device: floating-point operations of products, and bytes of copies."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from benchmarks.accelerator.programs import time_calls
from benchmarks.accelerator.report import Report

NOTES = """\
Measured in this run: the product of two square matrices, and `x + 1` of a large array, whose bytes are read and
written."""


class Ceilings(NamedTuple):
    """The highest rates.

    Attributes:
        products: floating-point operations per second, by the precision of a program's trunk.
        copies: bytes per second.
    """

    products: dict[str, float]
    copies: float


def report_ceilings(report: Report, *, side: int, megabytes: int) -> Ceilings:
    """Measures both rates, and adds a table.

    Args:
        report: the table is added to it.
        side: rows and columns of the matrices.
        megabytes: size of the array that is copied.
    """
    products = {
        name: product_rate(side, dtype) for name, dtype in (("float32", jnp.float32), ("bfloat16", jnp.bfloat16))
    }
    ceilings = Ceilings(products, copy_rate(megabytes))
    rows = [
        [f"products of {side}x{side} matrices, {name}", f"{rate / 1e12:.1f} TFLOP/s"] for name, rate in products.items()
    ]
    rows.append([f"copies of {megabytes} MB", f"{ceilings.copies / 1e9:,.0f} GB/s"])
    report.table("Ceilings", ["", "rate"], rows, NOTES)
    return ceilings


def product_rate(side: int, dtype: jax.typing.DTypeLike) -> float:
    """Floating-point operations per second in JAX's default precision."""
    matrix = jax.random.normal(jax.random.key(0), (side, side)).astype(dtype)
    multiply = jax.jit(jnp.matmul)
    _, queued = time_calls(lambda: multiply(matrix, matrix), jax.block_until_ready)
    return 2 * side**3 / queued


def copy_rate(megabytes: int) -> float:
    """Bytes read and written per second."""
    array = jnp.zeros(megabytes * 250_000, jnp.float32)
    increment = jax.jit(lambda x: x + 1)
    _, queued = time_calls(lambda: increment(array), jax.block_until_ready)
    return 2 * array.nbytes / queued
