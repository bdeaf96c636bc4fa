"""SFace in PyTorch with a recogniser's weights: an independent implementation for tests and comparisons of speed."""

import numpy as np
import torch
from torch import nn

from pfiq_jax import Recognizer
from pfiq_jax.recognizers.modules import list_key

STRIDES = (1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1)  # of the thirteen depthwise layers


class TorchSFace(nn.Module):
    """RGB pixels in 0..255, (batch, 3, 112, 112), to embeddings (batch, 128)."""

    def __init__(self, recognizer: Recognizer):
        super().__init__()
        trunk, head = recognizer.parameters["trunk"]["layers"], recognizer.parameters["head"]
        strides = [1] + [stride for pair in zip(STRIDES, (1,) * 13, strict=True) for stride in pair]
        self.trunk = nn.Sequential(*(_layer(trunk[list_key(index)], stride) for index, stride in enumerate(strides)))
        channels, dim = head["kernel"].shape[-2:]
        self.bn1 = _filled(nn.BatchNorm2d(channels, eps=2e-5), head["input_norm"])
        self.fc = nn.Linear(49 * channels, dim)
        self.fc.weight.data = _tensor(np.transpose(head["kernel"], (3, 2, 0, 1)).reshape(dim, -1))
        self.fc.bias.data = _tensor(head["bias"])
        self.features = _filled(nn.BatchNorm1d(dim, eps=2e-5), head["output_norm"])
        self.eval().requires_grad_(False)

    def units(self, images: torch.Tensor) -> torch.Tensor:
        """The units, on which dropout acts, (batch, 50176) in CHW order."""
        return self.bn1(self.trunk((images - 127.5) / 128)).flatten(1)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.features(self.fc(self.units(images)))


def _layer(parameters, stride: int) -> nn.Sequential:
    kernel = np.asarray(parameters["conv"]["kernel"])
    if kernel.ndim == 4:  # stem, HWIO
        weight = np.transpose(kernel, (3, 2, 0, 1))
    elif kernel.ndim == 3:  # depthwise, HWC
        weight = np.transpose(kernel, (2, 0, 1))[:, None]
    else:  # pointwise, IO
        weight = kernel.T[:, :, None, None]
    width, channels, size, _ = weight.shape
    groups = width if kernel.ndim == 3 else 1
    conv = nn.Conv2d(channels * groups, width, size, stride, size // 2, groups=groups, bias=False)
    conv.weight.data = _tensor(weight)
    prelu = nn.PReLU(width)
    prelu.weight.data = _tensor(parameters["prelu"]["slope"])
    return nn.Sequential(conv, _filled(nn.BatchNorm2d(width, eps=1e-3), parameters["norm"]), prelu)


def _filled(norm, parameters):
    norm.weight.data, norm.bias.data = _tensor(parameters["scale"]), _tensor(parameters["bias"])
    norm.running_mean, norm.running_var = _tensor(parameters["mean"]), _tensor(parameters["var"])
    return norm


def _tensor(array) -> torch.Tensor:
    return torch.tensor(np.array(array))
