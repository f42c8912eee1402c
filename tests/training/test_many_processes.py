"""A training under torchrun, on two processes, against the same training on one."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from support.train_on_processes import losses_of

from helpers.core.paths import ROOT
from helpers.training.augmentation import Augmentation, BatchGenerator, augment

OBJECTIVES = ["barlow_twins", "simclr", "clip", "targets", "supervised"]


@pytest.fixture(scope="module")
def under_torchrun(tmp_path_factory):
    """Losses of each objective and threads, from two processes that torchrun started."""
    target = tmp_path_factory.mktemp("torchrun") / "losses.json"
    paths = [str(ROOT), str(ROOT / "tests"), *filter(None, [os.environ.get("PYTHONPATH")])]
    subprocess.run([sys.executable, "-m", "torch.distributed.run", "--standalone",
                    "--nproc-per-node", "2", str(ROOT / "tests/support/train_on_processes.py"),
                    str(target), *OBJECTIVES], check=True, timeout=300,
                   env=os.environ | {"PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": "1"})
    return json.loads(target.read_text(encoding="utf-8"))


@pytest.mark.slow
@pytest.mark.parametrize("objective", OBJECTIVES)
def test_two_processes_have_the_loss_curve_of_one(under_torchrun, objective):
    alone = losses_of(objective)
    assert len(alone) == 12 and np.ptp(alone) > 1e-3
    np.testing.assert_allclose(under_torchrun["losses"][objective], alone, rtol=2e-4)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="threads are listed by Linux alone")
def test_no_thread_of_a_process_group_outlives_it(under_torchrun):
    assert under_torchrun["threads"] and not under_torchrun["threads_left"]


@pytest.mark.parametrize("world_size", [2, 3])
def test_views_do_not_depend_on_the_number_of_processes(world_size):
    images = torch.randint(0, 256, (12, 3, 20, 20), dtype=torch.uint8,
                           generator=torch.Generator().manual_seed(0))
    settings = Augmentation(size=16, blur=0.5)
    seeded = lambda: torch.Generator().manual_seed(7)  # noqa: E731
    whole = augment(images, settings, generator=BatchGenerator(seeded()))
    for rank in range(world_size):
        part = augment(images[rank::world_size], settings,
                       generator=BatchGenerator(seeded(), rank, world_size))
        torch.testing.assert_close(part, whole[rank::world_size], rtol=1e-5, atol=1e-5)


def test_drawn_integers_are_those_of_the_whole_batch():
    seeded = lambda: torch.Generator().manual_seed(7)  # noqa: E731
    like = torch.zeros(0)
    whole = BatchGenerator(seeded()).integers(10, 5, like)
    parts = [BatchGenerator(seeded(), rank, 2).integers(5, 5, like) for rank in range(2)]
    assert torch.equal(torch.stack(parts, 1).flatten(), whole) and len(set(whole.tolist())) > 2
