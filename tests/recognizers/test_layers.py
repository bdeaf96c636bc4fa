"""The depthwise convolution and its hand-written backward against XLA's grouped convolution."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pfiq_jax.recognizers.layers import depthwise_conv


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


def test_vmap(case):
    x, kernel, stride = case
    np.testing.assert_allclose(
        jax.vmap(lambda image: depthwise_conv(image[None], kernel, stride)[0])(x),
        grouped_conv(x, kernel, stride),
        atol=1e-5,
    )
