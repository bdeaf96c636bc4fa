"""The depthwise convolution and its derivatives against XLA's grouped convolution and finite differences."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType, PartitionSpec
from jax.test_util import check_grads

from pfiq_jax.recognizers.depthwise_conv import depthwise_conv


def grouped_conv(x, kernel, stride):
    return jax.lax.conv_general_dilated(
        x,
        kernel[:, :, None],
        (stride, stride),
        [(1, 1), (1, 1)],
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
        feature_group_count=x.shape[-1],
        precision="highest",
    )


def check_derivatives(found, expected, arguments):
    """The derivatives of a function of images and kernels are those of another, in both modes."""

    @functools.partial(jax.jit, static_argnums=0)
    def derivatives(function, arguments):
        tangent = jax.jvp(function, arguments, [jnp.cos(argument) for argument in arguments])
        return tangent, jax.grad(lambda arguments: jnp.sum(function(*arguments)))(arguments)

    both = (jax.tree.leaves(derivatives(function, arguments)) for function in (found, expected))
    for found_leaf, expected_leaf in zip(*both, strict=True):
        np.testing.assert_allclose(found_leaf, expected_leaf, rtol=1e-4, atol=1e-3)


@pytest.fixture(params=[1, 2])
def case(request):
    x, kernel = jax.random.key(0), jax.random.key(1)
    return jax.random.normal(x, (2, 8, 12, 5)), jax.random.normal(kernel, (3, 3, 5)), request.param


def test_forward(case):
    x, kernel, stride = case
    np.testing.assert_allclose(depthwise_conv(x, kernel, stride), grouped_conv(x, kernel, stride), atol=1e-5)


@pytest.mark.parametrize("argument", [0, 1])
@pytest.mark.parametrize("order", [1, 2])
def test_gradients_of_first_and_second_order(case, argument, order):
    x, kernel, stride = case

    def gradient_of(conv):
        def loss(x, kernel):
            return jnp.sum(jnp.sin(conv(x, kernel, stride)))

        def slope(x, kernel):
            return jnp.sum(jnp.square(jax.grad(loss)(x, kernel)))

        return jax.grad(loss if order == 1 else slope, argument)(x, kernel)

    np.testing.assert_allclose(gradient_of(depthwise_conv), gradient_of(grouped_conv), rtol=1e-5, atol=2e-4)


def test_both_modes_agree_with_finite_differences(case):
    x, kernel, stride = case
    with jax.enable_x64(True):
        arguments = x.astype(jnp.float64), kernel.astype(jnp.float64)
        function = jax.jit(lambda x, kernel: jnp.sin(depthwise_conv(x, kernel, stride)))
        check_grads(function, arguments, order=2, rtol=1e-6)


@pytest.mark.parametrize("axes", [(0, None), (None, 0), (0, 0)])
def test_vmap_and_its_derivatives(case, axes):
    x, kernel, stride = case
    arguments = [
        argument if axis is None else jnp.stack([argument, 2 * argument])
        for argument, axis in zip((x, kernel), axes, strict=True)
    ]

    def mapped(conv):
        return jax.vmap(lambda x, kernel: jnp.sin(conv(x, kernel, stride)), axes)

    check_derivatives(mapped(depthwise_conv), mapped(grouped_conv), arguments)


@pytest.mark.parametrize("axes", [(0, None), (None, 0)])
def test_derivatives_inside_shard_map(case, axes):
    """Of images that are distributed, and of the same images by kernels that are."""
    x, kernel, stride = case
    mesh = jax.make_mesh((8,), ("batch",), axis_types=(AxisType.Auto,))
    arguments = [
        argument if axis is None else jnp.stack([argument * factor for factor in range(1, 9)])
        for argument, axis in zip((x, kernel), axes, strict=True)
    ]
    specs = tuple(PartitionSpec() if axis is None else PartitionSpec("batch") for axis in axes)

    def on_one_device(x, kernel):
        own = [argument if axis is None else argument[0] for argument, axis in zip((x, kernel), axes, strict=True)]
        return jnp.sin(depthwise_conv(*own, stride))[None]

    mapped = jax.shard_map(on_one_device, mesh=mesh, in_specs=specs, out_specs=PartitionSpec("batch"))
    expected = jax.vmap(lambda x, kernel: jnp.sin(grouped_conv(x, kernel, stride)), axes)
    check_derivatives(mapped, expected, arguments)
