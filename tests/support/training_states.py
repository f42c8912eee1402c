"""What training programs save beside a network's tensors."""

from __future__ import annotations

import argparse
from typing import Any

import torch
from torch import Tensor, nn


def readout_training_state(weight: Tensor) -> dict[str, Any]:
    """Return what the authors' training of a readout saves beside the network, after a step.

    jsputils/training.py, ``main_training_loop``: the state of SGD with momentum, that of
    OneCycleLR, and the best accuracies so far in an ``argparse.Namespace``.
    """
    parameter = nn.Parameter(weight.clone())
    optimizer = torch.optim.SGD([parameter], lr=0.05, momentum=0.9)
    scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=0.05, steps_per_epoch=4,
                                                    epochs=10, div_factor=0.05 / 0.001)
    parameter.sum().backward()
    optimizer.step()
    scheduler.step()
    return {"epoch": 10, "best_acc": argparse.Namespace(top1=31.4, top5=55.2),
            "optimizer": optimizer.state_dict(), "scheduler": scheduler.state_dict()}
