"""The AlexNet with GroupNorm of Konkle & Alvarez (2022) and Prince, Alvarez & Konkle (2024)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch import Tensor, nn
from torch.nn import functional

from helpers.networks.pooling import MaxPool2d

POOLED_BLOCKS = (1, 2, 5)
"""The blocks that end with a 3 × 3 maximum over steps of two."""

LAYERS = ("conv1 groupnorm1 relu1 maxpool1 conv2 groupnorm2 relu2 maxpool2 "
          "conv3 groupnorm3 relu3 conv4 groupnorm4 relu4 conv5 groupnorm5 relu5 maxpool5 "
          "avgpool5 flatten fc6 batchnorm6 relu6 fc7 batchnorm7 relu7 fc8").split()
"""Names of the layers before the head, in order."""


class L2Norm(nn.Module):
    """Scale each row to unit length, ``x / max(||x||, 1e-12)``."""

    def forward(self, x: Tensor) -> Tensor:
        """Return ``x`` of shape (n, features) with rows of length one."""
        return functional.normalize(x, dim=1)


HEADS: dict[str, Callable[[int], nn.Module]] = {
    "batchnorm": lambda width: nn.BatchNorm1d(width, affine=False), "l2norm": lambda _: L2Norm(),
    "none": lambda _: nn.Identity()}


class AlexNetGN(nn.Module):
    """AlexNet with GroupNorm and a three-layer projector; every layer's output can be read.

    Five blocks (convolution without bias, GroupNorm of 32 groups, ReLU, maximum pooling after
    blocks 1, 2, 5), average pooling, and the projector whose layers the paper calls fc6, fc7
    and fc8. At 224 px and full size: 28 layers, 2,123,904 units.

    Parameters
    ----------
    channels : sequence of 5 int
        Channels of the convolutions, each a multiple of ``groups``.
    stem_stride : int
        Step of the first convolution, px.
    groups : int
        Groups of each GroupNorm.
    pool : int
        Side of the map that reaches the projector.
    projector : sequence of 3 int
        Widths of fc6, fc7 and fc8.
    fc_bias : bool
        Whether fc6, fc7 and fc8 have a bias (open_ipcl: yes; Barlow Twins: no).
    head : {"batchnorm", "l2norm", "none"}
        What follows fc8: a BatchNorm without affine terms, unit length, or nothing.

    Notes
    -----
    Prince, Alvarez & Konkle (2024), model ``alexnet-barlow-twins``.
    """

    def __init__(self, *, channels: Sequence[int] = (96, 256, 384, 384, 256),
                 stem_stride: int = 4, groups: int = 32, pool: int = 6,
                 projector: Sequence[int] = (4096, 4096, 4096), fc_bias: bool = False,
                 head: str = "batchnorm") -> None:
        super().__init__()
        inputs = (3, *channels[:-1])
        kernels = ((11, stem_stride, 2), (5, 1, 2), *[(3, 1, 1)] * 3)
        self.backbone = nn.Sequential(*(
            _conv_block(inputs[i], channels[i], kernels[i], groups, pooled=i + 1 in POOLED_BLOCKS)
            for i in range(5)))
        self.pool = nn.AdaptiveAvgPool2d(pool)
        self.flatten = nn.Flatten()
        fc6, fc7, fc8 = projector
        self.projector = nn.Sequential(
            nn.Linear(channels[-1] * pool**2, fc6, bias=fc_bias), nn.BatchNorm1d(fc6), nn.ReLU(),
            nn.Linear(fc6, fc7, bias=fc_bias), nn.BatchNorm1d(fc7), nn.ReLU(),
            nn.Linear(fc7, fc8, bias=fc_bias))
        if head not in HEADS:
            raise ValueError(f"the head {head!r} is unknown; there are {', '.join(HEADS)}")
        self.bn = HEADS[head](fc8)

    @property
    def published_layer_names(self) -> list[str]:
        """The field's names of its layers, in order."""
        return [*LAYERS, "l2norm8" if isinstance(self.bn, L2Norm) else "batchnorm8"]

    def forward(self, x: Tensor) -> Tensor:
        """Map images (n, 3, height, width) float32, normalised, to embeddings (n, fc8)."""
        return self.bn(self.projector(self.flatten(self.pool(self.backbone(x)))))


def _conv_block(in_channels: int, out_channels: int, kernel: tuple[int, int, int], groups: int, *,
                pooled: bool) -> nn.Sequential:
    size, stride, padding = kernel
    layers = [nn.Conv2d(in_channels, out_channels, size, stride, padding, bias=False),
              nn.GroupNorm(groups, out_channels), nn.ReLU()]
    return nn.Sequential(*layers, *([MaxPool2d(3, 2)] if pooled else []))


def build(_model: str, options: Mapping[str, Any]) -> AlexNetGN:
    """Build an untrained network, from the global random state."""
    return AlexNetGN(**options)
