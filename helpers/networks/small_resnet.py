"""A small residual network, of torchvision's blocks, with torchvision's names."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torchvision.models.resnet import BasicBlock

from helpers.networks.pooling import MaxPool2d

CHANNELS_PER_GROUP = 8
"""Channels of a group of GroupNorm."""
NORMS: dict[str, Callable[[int], nn.Module]] = {
    "group": lambda channels: nn.GroupNorm(channels // CHANNELS_PER_GROUP, channels),
    "batch": nn.BatchNorm2d,
}


class SmallResNet(nn.Module):
    """ResNet with one block in each of its four stages.

    Parameters
    ----------
    channels : sequence of 4 int
        Of the stages; each a multiple of 8.
    strides : sequence of 4 int
        Of the stages. The stem before them, a convolution and a maximum, takes two steps of two.
    output : int
        Width of the last, linear layer.
    norm : {"group", "batch"}
        GroupNorm, or BatchNorm.

    Notes
    -----
    He et al. (2016). Stages are called ``layer1`` ... ``layer4``, as in torchvision and in CLIP's
    ResNets. With GroupNorm, as in the AlexNet of this project, a network means the same before
    its first step and after it; BatchNorm in evaluation needs running means first, but learns
    faster, and is computed faster with channels last in memory.
    """

    def __init__(self, *, channels: Sequence[int] = (32, 64, 96, 128),
                 strides: Sequence[int] = (1, 2, 2, 1), output: int = 128,
                 norm: Literal["group", "batch"] = "group") -> None:
        super().__init__()
        if any(width % CHANNELS_PER_GROUP or width < CHANNELS_PER_GROUP for width in channels):
            raise ValueError(f"channels {list(channels)} are no multiples of {CHANNELS_PER_GROUP}")
        if norm not in NORMS:
            raise ValueError(f"no norm {norm!r}; there are {', '.join(NORMS)}")
        self.conv1 = nn.Conv2d(3, channels[0], 5, 2, 2, bias=False)
        self.bn1 = NORMS[norm](channels[0])
        self.relu = nn.ReLU()
        self.maxpool = MaxPool2d(3, 2, 1)
        inputs = (channels[0], *channels)
        self.layer1, self.layer2, self.layer3, self.layer4 = (
            nn.Sequential(_residual_block(*sizes, NORMS[norm]))
            for sizes in zip(inputs, channels, strides))
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.fc = nn.Linear(channels[-1], output)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        if norm == "batch":
            self.to(memory_format=torch.channels_last)

    def forward(self, x: Tensor) -> Tensor:
        """Map images (n, 3, height, width) float32, normalised, to (n, output)."""
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(self.flatten(self.avgpool(x)))


def _residual_block(in_channels: int, out_channels: int, stride: int,
                    norm: Callable[[int], nn.Module]) -> BasicBlock:
    is_identity = stride == 1 and in_channels == out_channels
    shortcut = None if is_identity else nn.Sequential(
        nn.Conv2d(in_channels, out_channels, 1, stride, bias=False), norm(out_channels))
    return BasicBlock(in_channels, out_channels, stride, shortcut, norm_layer=norm)


def build(_model: str, options: Mapping[str, Any]) -> SmallResNet:
    """Build an untrained network, from the global random state."""
    return SmallResNet(**options)
