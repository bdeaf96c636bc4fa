"""IResNet with the module names of insightface's ``arcface_torch``; layout as in Deng et al. 2019, section 3.1."""

from collections.abc import Iterator

import torch
from torch import nn

WIDTHS = (64, 128, 256, 512)  # channels per stage
BLOCKS = {  # per stage, by depth
    18: (2, 2, 2, 2),
    34: (3, 4, 6, 3),
    50: (3, 4, 14, 3),
    100: (3, 13, 30, 3),
    200: (6, 26, 60, 6),
}


class Block(nn.Module):
    """BatchNorm, 3x3, BatchNorm, PReLU, 3x3 with stride and BatchNorm, plus the shortcut."""

    def __init__(self, channels: int, width: int, stride: int, epsilon: float):
        super().__init__()
        self.bn1 = nn.BatchNorm2d(channels, epsilon)
        self.conv1 = nn.Conv2d(channels, width, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width, epsilon)
        self.prelu = nn.PReLU(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride, padding=1, bias=False)
        self.bn3 = nn.BatchNorm2d(width, epsilon)
        self.downsample: nn.Module | None = None
        if stride != 1:
            self.downsample = nn.Sequential(
                nn.Conv2d(channels, width, 1, stride, bias=False), nn.BatchNorm2d(width, epsilon)
            )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(batch, channels, height, width) to (batch, width, height / stride, width / stride)."""
        y = self.prelu(self.bn2(self.conv1(self.bn1(x))))
        return self.bn3(self.conv2(y)) + (x if self.downsample is None else self.downsample(x))


class TorchIResNet(nn.Module):
    """From (batch, 3, 112, 112) RGB in -1..1 to embeddings (batch, dim), the input of CR-FIQA's quality head ``qs``."""

    def __init__(self, depth: int, dim: int, epsilon: float, quality_head: bool = False):
        super().__init__()
        self.conv1 = nn.Conv2d(3, WIDTHS[0], 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(WIDTHS[0], epsilon)
        self.prelu = nn.PReLU(WIDTHS[0])
        inputs = WIDTHS[:1] + WIDTHS[:-1]
        for number, (blocks, channels, width) in enumerate(zip(BLOCKS[depth], inputs, WIDTHS, strict=True)):
            first = Block(channels, width, 2, epsilon)
            rest = (Block(width, width, 1, epsilon) for _ in range(blocks - 1))
            self.add_module(f"layer{number + 1}", nn.Sequential(first, *rest))
        self.bn2 = nn.BatchNorm2d(WIDTHS[-1], epsilon)
        self.fc = nn.Linear(WIDTHS[-1] * 7 * 7, dim)
        self.features = nn.BatchNorm1d(dim, epsilon)
        if quality_head:
            self.qs = nn.Linear(dim, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Embeddings, not normalised."""
        *_, embedding = self.steps(x)
        return embedding

    def steps(self, x: torch.Tensor) -> Iterator[torch.Tensor]:
        """The outputs of the stem, of each of the four stages, of ``bn2`` and of the rest of the head."""
        x = self.prelu(self.bn1(self.conv1(x)))
        yield x
        for number in (1, 2, 3, 4):
            x = self.get_submodule(f"layer{number}")(x)
            yield x
        x = self.bn2(x)
        yield x
        yield self.features(self.fc(x.flatten(1)))
