"""FaceNet's Inception-ResNet-v1 with the module names of facenet-pytorch; blocks as in Szegedy et al. 2017."""

from functools import partial

import torch
from torch import nn


class TorchInceptionResNetV1(nn.Module):
    """From (batch, 3, 160, 160) RGB in -1..1 to embeddings (batch, dim)."""

    def __init__(self, dim: int, epsilon: float):
        super().__init__()
        conv = partial(ConvReLU, epsilon=epsilon)
        self.conv2d_1a = conv(3, 32, 3, stride=2)
        self.conv2d_2a = conv(32, 32, 3)
        self.conv2d_2b = conv(32, 64, 3, padding=1)
        self.maxpool_3a = nn.MaxPool2d(3, 2)
        self.conv2d_3b = conv(64, 80, 1)
        self.conv2d_4a = conv(80, 192, 3)
        self.conv2d_4b = conv(192, 256, 3, stride=2)
        self.repeat_1 = nn.Sequential(*(block35(conv) for _ in range(5)))
        self.mixed_6a = Branches(
            conv(256, 384, 3, stride=2),
            nn.Sequential(conv(256, 192, 1), conv(192, 192, 3, padding=1), conv(192, 256, 3, stride=2)),
            nn.MaxPool2d(3, 2),
        )
        self.repeat_2 = nn.Sequential(*(block17(conv) for _ in range(10)))
        self.mixed_7a = Branches(
            nn.Sequential(conv(896, 256, 1), conv(256, 384, 3, stride=2)),
            nn.Sequential(conv(896, 256, 1), conv(256, 256, 3, stride=2)),
            nn.Sequential(conv(896, 256, 1), conv(256, 256, 3, padding=1), conv(256, 256, 3, stride=2)),
            nn.MaxPool2d(3, 2),
        )
        self.repeat_3 = nn.Sequential(*(block8(conv, 0.2) for _ in range(5)))
        self.block8 = block8(conv, 1, activation=False)
        self.last_linear = nn.Linear(1792, dim, bias=False)
        self.last_bn = nn.BatchNorm1d(dim, epsilon)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Embeddings, not normalised."""
        return self.last_bn(self.last_linear(self.features(x).mean((2, 3))))

    def features(self, x: torch.Tensor) -> torch.Tensor:
        """The feature map (batch, 1792, 3, 3) before the mean over its positions."""
        x = self.maxpool_3a(self.conv2d_2b(self.conv2d_2a(self.conv2d_1a(x))))
        x = self.repeat_1(self.conv2d_4b(self.conv2d_4a(self.conv2d_3b(x))))
        x = self.repeat_3(self.mixed_7a(self.repeat_2(self.mixed_6a(x))))
        return self.block8(x)


def block35(conv: partial) -> nn.Module:
    """A block for maps of 17x17."""
    return Residual(
        nn.Conv2d(96, 256, 1),
        conv(256, 32, 1),
        nn.Sequential(conv(256, 32, 1), conv(32, 32, 3, padding=1)),
        nn.Sequential(conv(256, 32, 1), conv(32, 32, 3, padding=1), conv(32, 32, 3, padding=1)),
        scale=0.17,
    )


def block17(conv: partial) -> nn.Module:
    """A block for maps of 8x8."""
    return Residual(
        nn.Conv2d(256, 896, 1),
        conv(896, 128, 1),
        nn.Sequential(
            conv(896, 128, 1), conv(128, 128, (1, 7), padding=(0, 3)), conv(128, 128, (7, 1), padding=(3, 0))
        ),
        scale=0.1,
    )


def block8(conv: partial, scale: float, *, activation: bool = True) -> nn.Module:
    """A block for maps of 3x3."""
    return Residual(
        nn.Conv2d(384, 1792, 1),
        conv(1792, 192, 1),
        nn.Sequential(
            conv(1792, 192, 1), conv(192, 192, (1, 3), padding=(0, 1)), conv(192, 192, (3, 1), padding=(1, 0))
        ),
        scale=scale,
        activation=activation,
    )


class ConvReLU(nn.Module):
    """A convolution without bias, BatchNorm, ReLU."""

    def __init__(
        self,
        channels: int,
        width: int,
        size: int | tuple[int, int],
        *,
        stride: int = 1,
        padding: int | tuple[int, int] = 0,
        epsilon: float,
    ):
        super().__init__()
        self.conv = nn.Conv2d(channels, width, size, stride, padding, bias=False)
        self.bn = nn.BatchNorm2d(width, epsilon)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(batch, channels, height, width) to (batch, width, new height, new width)."""
        return self.bn(self.conv(x)).relu()


class Branches(nn.Module):
    """Modules named branch0, branch1, ... with the same input; their outputs are concatenated."""

    def __init__(self, *branches: nn.Module):
        super().__init__()
        self.names = [f"branch{number}" for number in range(len(branches))]
        for name, branch in zip(self.names, branches, strict=True):
            self.add_module(name, branch)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(batch, channels, height, width) to (batch, channels of all branches, new height, new width)."""
        return torch.cat([self.get_submodule(name)(x) for name in self.names], 1)


class Residual(Branches):
    """Branches whose projected output is scaled and added to the input; then, with ``activation``, a ReLU."""

    def __init__(self, projection: nn.Conv2d, *branches: nn.Module, scale: float, activation: bool = True):
        super().__init__(*branches)
        self.conv2d = projection
        self.scale = scale
        self.activation = activation

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(batch, channels, height, width) to the same shape."""
        x = x + self.scale * self.conv2d(super().forward(x))
        return x.relu() if self.activation else x
