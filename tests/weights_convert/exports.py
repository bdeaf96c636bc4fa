"""A small torch network with every kind of layer, its random parameters, and both of torch's exporters to ONNX."""

import contextlib
import io
import warnings
from pathlib import Path
from types import ModuleType

import pytest

EXPORTERS = ("legacy", "dynamo")


def small_network(torch: ModuleType):
    """(batch, 3, 8, 8) in 0..255 to (batch, 5), in eval mode."""
    nn = torch.nn

    class Network(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv1, self.bn1, self.prelu1 = (
                nn.Conv2d(3, 4, 3, padding=1, bias=False),
                nn.BatchNorm2d(4),
                nn.PReLU(4),
            )
            self.conv2 = nn.Conv2d(4, 4, 3, padding=1)
            self.pool, self.se1, self.se2 = nn.AdaptiveAvgPool2d(1), nn.Conv2d(4, 2, 1, bias=False), nn.Conv2d(2, 4, 1)
            self.prelu2, self.bn2, self.dropout = nn.PReLU(4), nn.BatchNorm2d(4, 2e-3), nn.Dropout(0.4)
            self.fc1, self.prelu3 = nn.Linear(256, 6, bias=False), nn.PReLU(6)
            self.fc2, self.bn3 = nn.Linear(6, 5), nn.BatchNorm1d(5)

        def forward(self, x):
            x = self.prelu1(self.bn1(self.conv1((x - 127.5) * 0.0078125)))
            y = self.conv2(x)
            y = y * torch.sigmoid(self.se2(torch.relu(self.se1(self.pool(y)))))
            x = self.dropout(self.bn2(self.prelu2(x + 0.17 * y)))
            return self.bn3(self.fc2(self.prelu3(self.fc1(x.flatten(1)))))

    network = Network().eval()
    generator = torch.Generator().manual_seed(0)
    for name, tensor in network.state_dict().items():
        if tensor.is_floating_point():  # no two equal, and no variance negative
            tensor.uniform_(*((0.5, 1.5) if "var" in name else (-0.5, 0.5)), generator=generator)
    return network


def export(network, path: Path, exporter: str, *, side: int = 8, **options):
    """Writes a network that takes (1, 3, side, side) pixels; the options are ``torch.onnx.export``'s."""
    import torch

    pixels = torch.zeros(1, 3, side, side, dtype=next(network.parameters()).dtype)
    if exporter == "dynamo":
        pytest.importorskip("onnxscript")
        options = {"verbose": False, "external_data": False} | options
    with warnings.catch_warnings(action="ignore"), contextlib.redirect_stdout(io.StringIO()):
        torch.onnx.export(network, (pixels,), path, input_names=["pixels"], dynamo=exporter == "dynamo", **options)
    return path


def quantise(path: Path, *, per_channel: bool = False) -> Path:
    """Writes a copy of the small network's export with 8-bit weights and activations, in QDQ format."""
    import numpy as np
    from onnxruntime.quantization import CalibrationDataReader, QuantType, quantize_static

    class Images(CalibrationDataReader):
        def __init__(self):
            images = np.random.default_rng(0).uniform(0, 255, (4, 1, 3, 8, 8)).astype(np.float32)
            self.images = iter([{"pixels": image} for image in images])

        def get_next(self):
            return next(self.images, None)

    quantised = path.with_name("quantised.onnx")
    quantize_static(path, quantised, Images(), per_channel=per_channel, weight_type=QuantType.QInt8)
    return quantised


def quantise_weights(path: Path) -> Path:
    """Writes a copy of an export with 8-bit kernels, which DequantizeLinear multiplies by one scale per channel."""
    import numpy as np
    import onnx

    model = onnx.load(path)
    graph = model.graph
    for tensor in list(graph.initializer):
        array = onnx.numpy_helper.to_array(tensor)
        if array.ndim in (2, 4):
            scales = np.abs(array).reshape(len(array), -1).max(1) / 127
            rounded = np.rint(array / scales.reshape(-1, *[1] * (array.ndim - 1))).astype(np.int8)
            names = [f"{tensor.name}_quantized", f"{tensor.name}_scale"]
            graph.initializer.remove(tensor)
            graph.initializer.extend(map(onnx.numpy_helper.from_array, (rounded, scales), names))
            graph.node.insert(0, onnx.helper.make_node("DequantizeLinear", names, [tensor.name], axis=0))
    quantised = path.with_name("quantised.onnx")
    onnx.save(model, quantised)
    return quantised
