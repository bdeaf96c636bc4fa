"""FaceNet's Inception-ResNet-v1 with the names of facenet-pytorch."""

import dataclasses
from collections.abc import Iterator

from pfiq_jax.recognizers import ARCFACE_MXNET, InceptionResNetV1
from pfiq_jax.recognizers.inception_resnet import BLOCK8, BLOCK17, BLOCK35, MIXED_6A, MIXED_7A, REPEATS, Branches
from pfiq_jax.recognizers.modules import list_key
from weights_convert.mappings.conventions import CLASSIFIERS
from weights_convert.mappings.layer_kinds import BIASED_POINTWISE, CONV, NORM, POINTWISE, UNBIASED_POOLED_DENSE, Kind
from weights_convert.mappings.mapping import Mapping, Part


def layer(source: str, target: str, kind: Kind) -> Iterator[Part]:
    """A convolution and its BatchNorm."""
    yield Part(f"{source}.conv", f"{target}.conv", kind)
    yield Part(f"{source}.bn", f"{target}.norm", NORM)


def branches(name: str, target: str, layout: Branches) -> Iterator[Part]:
    """In the source, a branch of one layer is that layer, and a branch of several layers is a Sequential."""
    for number, branch in enumerate(layout):
        for place, conv in enumerate(branch):
            source = f"{name}.branch{number}" + (f".{place}" if len(branch) > 1 else "")
            kind = POINTWISE if conv.size == (1, 1) else CONV
            yield from layer(source, f"trunk.{target}.branches.{list_key(number)}.{list_key(place)}", kind)


def block(name: str, target: str, layout: Branches) -> Iterator[Part]:
    """The branches and their projection."""
    yield from branches(name, target, layout)
    yield Part(f"{name}.conv2d", f"trunk.{target}.projection", BIASED_POINTWISE)


def repeat(name: str, layout: Branches) -> Iterator[Part]:
    """Several blocks of the same layout."""
    for number in range(REPEATS[name]):
        yield from block(f"{name}.{number}", f"{name}.{list_key(number)}", layout)


def parts(network: InceptionResNetV1) -> Iterator[Part]:
    """The names are those of the library, except for the last layers."""
    for name in ("conv2d_1a", "conv2d_2a", "conv2d_2b", "conv2d_3b", "conv2d_4a", "conv2d_4b"):
        yield from layer(name, f"trunk.{name}", POINTWISE if name == "conv2d_3b" else CONV)
    yield from repeat("repeat_1", BLOCK35)
    yield from branches("mixed_6a", "mixed_6a", MIXED_6A)
    yield from repeat("repeat_2", BLOCK17)
    yield from branches("mixed_7a", "mixed_7a", MIXED_7A)
    yield from repeat("repeat_3", BLOCK8)
    yield from block("block8", "block8", BLOCK8)
    yield Part("last_linear", "head", UNBIASED_POOLED_DENSE)
    yield Part("last_bn", "head.output_norm", NORM)


FACENET = Mapping(
    {"facenet": InceptionResNetV1()},
    parts,
    ignored=(r"logits\.(weight|bias)", *CLASSIFIERS),  # the classifier over the training identities
    preprocessing=dataclasses.replace(ARCFACE_MXNET, size=(160, 160), template=None),  # trained on boxes from MTCNN
    dropout_rate=0.6,
)
