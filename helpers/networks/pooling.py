"""Maximum pooling that is fast on the CPU, too."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional


class MaxPool2d(nn.MaxPool2d):
    """torch's maximum pooling, with maxima found with channels last in memory.

    On a CPU torch vectorises the forward pass in this layout alone, and the backward pass is fast
    in the other. Outputs and gradients are the same numbers, and lie in memory as the input does.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Map (n, channels, height, width) to the same, smaller."""
        if x.device.type != "cpu" or not x.is_contiguous():
            return super().forward(x)
        return _MaximaWithChannelsLast.apply(x, (self.kernel_size, self.stride, self.padding,
                                                 self.dilation, self.ceil_mode))


class _MaximaWithChannelsLast(torch.autograd.Function):

    @staticmethod
    def forward(ctx: Any, x: Tensor, settings: tuple) -> Tensor:
        maxima, places = functional.max_pool2d_with_indices(
            x.contiguous(memory_format=torch.channels_last), *settings)
        if x.requires_grad:
            ctx.save_for_backward(x, places.contiguous())
        ctx.settings = [(value, value) if type(value) is int else value for value in settings]
        return maxima.contiguous()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        x, places = ctx.saved_tensors
        return torch.ops.aten.max_pool2d_with_indices_backward(
            gradient.contiguous(), x, *ctx.settings, places), None
