"""The networks and faces that are measured, from files of the repository only."""

import dataclasses

import jax
import numpy as np
from flax import nnx
from jaxtyping import Shaped
from PIL import Image
from scipy.ndimage import gaussian_filter, shift, zoom

from pfiq_jax import ARCFACE_TORCH, IResNet, Recognizer, SFace, demo_face
from pfiq_jax.recognizers import layers

BRANCH_SCALE = 0.2  # scale of the last BatchNorm of residual branches, about as in trained networks


def disturbed_faces(count: int) -> Shaped[np.ndarray, "{count} 112 112 3"]:
    """The bundled face as it is, then shifted, blurred, shrunk, darkened and with noise, each by random amounts."""
    generator = np.random.default_rng(0)
    face = demo_face()
    faces = [face]
    for _ in range(count - 1):
        pixels = shift(face.astype(np.float32), (*generator.uniform(-4, 4, 2), 0), order=1, mode="nearest")
        pixels = gaussian_filter(pixels, (*[generator.uniform(0, 2.5)] * 2, 0))
        if generator.random() < 0.3:
            pixels = zoom(zoom(pixels, (0.25, 0.25, 1), order=1), (4, 4, 1), order=1)
        pixels = (pixels - 128) * generator.uniform(0.4, 1.2) + 128 * generator.uniform(0.4, 1.3)
        pixels += generator.normal(0, generator.uniform(0, 15), pixels.shape)
        faces.append(np.clip(np.rint(pixels), 0, 255).astype(np.uint8))
    return np.stack(faces)


def photographs(count: int, side: int = 640) -> Shaped[np.ndarray, "{count} {side} {side} 3"]:
    """Photographs of the bundled face in four sizes, each on a grey ground with noise, uint8."""
    generator = np.random.default_rng(0)
    photos = []
    for _ in range(count):
        photo = Image.fromarray(generator.integers(110, 130, (side, side, 3), np.uint8))
        for place, share in enumerate((0.15, 0.2, 0.3, 0.4)):
            width = int(share * side)
            corner = generator.integers(0, side // 2 - width + 1, 2) + side // 2 * np.array(divmod(place, 2))
            photo.paste(Image.fromarray(demo_face()).resize((width, width)), (int(corner[0]), int(corner[1])))
        photos.append(np.asarray(photo))
    return np.stack(photos)


def random_iresnet(depth: int) -> Recognizer:
    """An IResNet with random weights. Its residual branches are as small as those of trained networks."""
    network, generator = IResNet(depth), np.random.default_rng(0)

    def leaf(path: jax.tree_util.KeyPath, shape: jax.ShapeDtypeStruct) -> np.ndarray:
        name = path[-1].key
        if name == "kernel":
            deviation = (2 * shape.shape[-1] / shape.size) ** 0.5
            return deviation * generator.standard_normal(shape.shape, np.float32)
        if name == "scale":
            return np.full(shape.shape, BRANCH_SCALE if path[-2].key == "norm3" else 1.0, np.float32)
        return np.full(shape.shape, {"slope": 0.25, "var": 1.0}.get(name, 0.0), np.float32)

    parameters = jax.tree_util.tree_map_with_path(leaf, network.shapes())
    return Recognizer(jax.device_put(parameters), network, ARCFACE_TORCH)


class GroupedConv(layers.DepthwiseConv):
    """A depthwise layer as one grouped convolution, with the same parameters."""

    def __call__(self, x: jax.Array) -> jax.Array:
        return jax.lax.conv_general_dilated(
            x,
            self.kernel[...][:, :, None],
            (self.stride, self.stride),
            ((1, 1), (1, 1)),
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
            feature_group_count=x.shape[-1],
        )


@dataclasses.dataclass(frozen=True)
class GroupedSFace(SFace):
    """SFace with grouped convolutions instead of the shifted multiply-adds of its depthwise layers."""

    def build_trunk(self, rngs: nnx.Rngs) -> nnx.Module:
        trunk = super().build_trunk(rngs)
        for layer in trunk.layers:
            if isinstance(layer.conv, layers.DepthwiseConv):
                channels = layer.conv.kernel[...].shape[-1]
                layer.conv = GroupedConv(channels, stride=layer.conv.stride, rngs=rngs)
        return trunk


def grouped_sface(recognizer: Recognizer) -> Recognizer:
    """``GroupedSFace`` with the weights of the bundled SFace."""
    return Recognizer(**{**vars(recognizer), "network": GroupedSFace()})
