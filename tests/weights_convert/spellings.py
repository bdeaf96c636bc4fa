"""The arrays of a ``TorchIResNet`` as files of MXNet, MMdnn and Keras contain them, and its MXNet graph.

Names and graph are those of insightface's ``symbol/fresnet.py`` (``residual_unit_version3``, ``fc_type`` E).
"""

import re
from collections.abc import Iterator, Sequence

import numpy as np

from tests.weights_convert.mxnet_files import NORM, Node

LAYERS = {"conv1": "conv0", "bn1": "bn0", "prelu": "relu0", "bn2": "bn1", "fc": "pre_fc1", "features": "fc1"}
LAYERS_OF_UNITS = {"prelu": "relu1", "downsample.0": "conv1sc", "downsample.1": "sc"}  # other layers keep their names
WEIGHTS = {"mxnet": ("weight", "bias"), "mmdnn": ("weights", "bias"), "keras": ("kernel", "bias")}
ARRAYS = {  # in torch's order
    "mxnet": {"BatchNorm": NORM, "PReLU": ("gamma",)},
    "mmdnn": {"BatchNorm": ("scale", "bias", "mean", "var"), "PReLU": ("gamma",)},
    "keras": {"BatchNorm": ("gamma", "beta", "moving_mean", "moving_variance"), "PReLU": ("alpha",)},
}


def names(model, framework: str) -> dict[str, tuple[str, str]]:
    """Maps the names of a network's arrays in torch to the names of layer and array in a framework."""
    result = {}
    for module_name, module in model.named_modules():
        kind = type(module).__name__.removesuffix("1d").removesuffix("2d")
        theirs = (*module._parameters, *module._buffers)
        ours = ARRAYS[framework].get(kind, WEIGHTS[framework])
        result |= {f"{module_name}.{t}": (_layer(module_name), o) for t, o in zip(theirs, ours, strict=False)}
    return result


def _layer(name: str) -> str:
    if unit := re.fullmatch(r"layer(\d)\.(\d)\.(.*)", name):
        return f"stage{unit[1]}_unit{int(unit[2]) + 1}_{LAYERS_OF_UNITS.get(unit[3], unit[3])}"
    return LAYERS.get(name, name)


def mxnet_arrays(model) -> dict[str, np.ndarray]:
    """The arrays that a ``.params`` file contains."""
    arrays = {name: tensor.numpy() for name, tensor in model.state_dict().items()}
    return {
        f"{layer}_{array}": arrays[name] for name, (layer, array) in names(model, "mxnet").items() if name in arrays
    }


def channels_last(model, framework: str) -> dict[str, dict[str, np.ndarray]]:
    """The arrays of each layer in Keras's layouts, without the scale of the last BatchNorm, which is 1."""
    layers: dict[str, dict[str, np.ndarray]] = {}
    state = model.state_dict()
    for name, (layer, array) in names(model, framework).items():
        if name in state and name != "features.weight":
            layers.setdefault(layer, {})[array] = _in_keras_layout(layer, state[name].numpy())
    return layers


def _in_keras_layout(layer: str, array: np.ndarray) -> np.ndarray:
    if array.ndim == 2:  # from (out, channels x rows x columns) to (rows x columns x channels, out)
        array = array.reshape(len(array), -1, 7, 7)
        return array.transpose(2, 3, 1, 0).reshape(-1, len(array))
    if "relu" in layer:  # by default Keras's PReLU has one slope per position
        unit = re.match(r"stage(\d)_unit(\d)", layer)
        side = 112 >> (int(unit[1]) - (unit[2] == "1") if unit else 0)
        return np.broadcast_to(array, (side, side, len(array)))
    return array.transpose(2, 3, 1, 0) if array.ndim == 4 else array


def symbol_nodes(blocks: Sequence[int], dim: int) -> Iterator[Node]:
    """The nodes of LResNet-E-IR."""
    yield "_minus_scalar", "minus", ["data"], {"scalar": 127.5}
    yield "_mul_scalar", "times", ["minus"], {"scalar": 0.0078125}
    yield _conv("conv0", "times", 64)
    yield _norm("bn0", "conv0")
    yield _prelu("relu0", "bn0")
    x = "relu0"
    for stage, units in enumerate(blocks):
        for number in range(units):
            unit, stride, width = f"stage{stage + 1}_unit{number + 1}", 1 if number else 2, 64 << stage
            yield _norm(f"{unit}_bn1", x)
            yield _conv(f"{unit}_conv1", f"{unit}_bn1", width)
            yield _norm(f"{unit}_bn2", f"{unit}_conv1")
            yield _prelu(f"{unit}_relu1", f"{unit}_bn2")
            yield _conv(f"{unit}_conv2", f"{unit}_relu1", width, stride=stride)
            yield _norm(f"{unit}_bn3", f"{unit}_conv2")
            if number == 0:
                yield _conv(f"{unit}_conv1sc", x, width, size=1, stride=stride)
                yield _norm(f"{unit}_sc", f"{unit}_conv1sc")
                x = f"{unit}_sc"
            yield "elemwise_add", f"{unit}_plus", [f"{unit}_bn3", x], {}
            x = f"{unit}_plus"
    yield _norm("bn1", x)
    yield "Dropout", "dropout0", ["bn1"], {"p": 0.4}
    yield "FullyConnected", "pre_fc1", ["dropout0", "pre_fc1_weight", "pre_fc1_bias"], {"num_hidden": dim}
    yield _norm("fc1", "pre_fc1", fix_gamma=True)


def _conv(name: str, x: str, width: int, *, size: int = 3, stride: int = 1) -> Node:
    pairs = {"kernel": (size, size), "stride": (stride, stride), "pad": (size // 2, size // 2)}
    return "Convolution", name, [x, f"{name}_weight"], {**pairs, "num_filter": width, "no_bias": True}


def _norm(name: str, x: str, *, fix_gamma: bool = False) -> Node:
    arrays = [f"{name}_{array}" for array in NORM]
    return "BatchNorm", name, [x, *arrays], {"fix_gamma": fix_gamma, "eps": 2e-5, "momentum": 0.9}


def _prelu(name: str, x: str) -> Node:
    return "LeakyReLU", name, [x, f"{name}_gamma"], {"act_type": "prelu"}
