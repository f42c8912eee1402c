"""Maximum pooling: torch's numbers, in the layout that it was given."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from helpers.networks.pooling import MaxPool2d

LAYOUTS = (torch.contiguous_format, torch.channels_last)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("settings", [(3, 2, 1), (3, 2), (2,)])
def test_outputs_and_gradients_are_torchs_and_the_layout_is_kept(settings, layout, dtype):
    x = torch.randn(5, 7, 18, 15, generator=torch.Generator().manual_seed(0))
    x = x.relu().to(dtype).contiguous(memory_format=layout)  # half of the values tie at zero
    outputs, gradients = [], []
    for module in (nn.MaxPool2d(*settings), MaxPool2d(*settings)):
        leaf = x.clone().requires_grad_()
        outputs.append(module(leaf))
        weights = torch.arange(outputs[-1].numel(), dtype=dtype).view(outputs[-1].shape)
        (outputs[-1] * weights).sum().backward()
        gradients.append(leaf.grad)
    assert torch.equal(*outputs) and torch.equal(*gradients)
    assert outputs[1].is_contiguous(memory_format=layout)
