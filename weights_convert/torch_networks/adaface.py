"""IResNet with the module names of AdaFace, which are those of TreB1eN's ``InsightFace_Pytorch``."""

import torch
from torch import nn

WIDTHS = (64, 128, 256, 512)  # channels per stage
BLOCKS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 14, 3), 100: (3, 13, 30, 3)}  # per stage, by depth


class TorchAdaFace(nn.Module):
    """From (batch, 3, 112, 112) in -1..1 to embeddings (batch, dim).

    With ``mid_norm`` it is AdaFace's network. Without it, it is that of ``InsightFace_Pytorch`` (``model_ir_se50``),
    which has no BatchNorm between a block's first convolution and its PReLU, and whose last BatchNorm has a scale and a
    bias.
    """

    def __init__(self, depth: int, dim: int, epsilon: float, squeeze_excitation: bool = False, mid_norm: bool = True):
        super().__init__()
        self.input_layer = nn.Sequential(
            nn.Conv2d(3, WIDTHS[0], 3, padding=1, bias=False), nn.BatchNorm2d(WIDTHS[0], epsilon), nn.PReLU(WIDTHS[0])
        )
        self.body = nn.Sequential()
        inputs = WIDTHS[:1] + WIDTHS[:-1]
        for blocks, channels, width in zip(BLOCKS[depth], inputs, WIDTHS, strict=True):
            self.body.append(Block(channels, width, 2, epsilon, squeeze_excitation, mid_norm))
            for _ in range(blocks - 1):
                self.body.append(Block(width, width, 1, epsilon, squeeze_excitation, mid_norm))
        self.output_layer = nn.Sequential(
            nn.BatchNorm2d(WIDTHS[-1], epsilon),
            nn.Dropout(),
            nn.Flatten(),
            nn.Linear(WIDTHS[-1] * 7 * 7, dim),
            nn.BatchNorm1d(dim, epsilon, affine=not mid_norm),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Embeddings, not normalised."""
        return self.output_layer(self.body(self.input_layer(x)))


class Block(nn.Module):
    """BatchNorm, 3x3, optional BatchNorm, PReLU, 3x3 with stride, BatchNorm, optional excitation, plus the shortcut."""

    def __init__(
        self, channels: int, width: int, stride: int, epsilon: float, squeeze_excitation: bool, mid_norm: bool
    ):
        super().__init__()
        self.shortcut_layer: nn.Module = nn.MaxPool2d(1, stride)
        if channels != width:
            self.shortcut_layer = nn.Sequential(
                nn.Conv2d(channels, width, 1, stride, bias=False), nn.BatchNorm2d(width, epsilon)
            )
        self.res_layer = nn.Sequential(
            nn.BatchNorm2d(channels, epsilon),
            nn.Conv2d(channels, width, 3, padding=1, bias=False),
            *([nn.BatchNorm2d(width, epsilon)] if mid_norm else []),
            nn.PReLU(width),
            nn.Conv2d(width, width, 3, stride, padding=1, bias=False),
            nn.BatchNorm2d(width, epsilon),
        )
        if squeeze_excitation:
            name = "se_block" if mid_norm else str(len(self.res_layer))
            self.res_layer.add_module(name, SqueezeExcitation(width))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(batch, channels, height, width) to (batch, width, height / stride, width / stride)."""
        return self.res_layer(x) + self.shortcut_layer(x)


class SqueezeExcitation(nn.Module):
    """Squeeze-and-excitation: weights channels by a function of their means (Hu et al. 2018)."""

    def __init__(self, channels: int):
        super().__init__()
        self.fc1 = nn.Conv2d(channels, channels // 16, 1, bias=False)
        self.fc2 = nn.Conv2d(channels // 16, channels, 1, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(batch, channels, height, width) to the same shape."""
        means = x.mean((2, 3), keepdim=True)
        return x * self.fc2(self.fc1(means).relu()).sigmoid()
