"""Random crops for the readout: torchvision's rule, on the whole image, in every thread alike."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms import RandomResizedCrop
from torchvision.transforms.functional import pil_to_tensor

from helpers.stimuli.image_sets import image_folder
from helpers.training.random_crops import RandomCrops, draw_crop


@pytest.mark.slow
@pytest.mark.parametrize("shape", [(50, 50), (100, 40), (30, 90)])
@pytest.mark.parametrize("fraction", [0.08, 0.6])
def test_crops_are_distributed_as_torchvisions(shape, fraction):
    """Where large crops of a wide image do not fit they are drawn again, not squeezed."""
    width, height = shape
    rng, n = np.random.default_rng(0), 3000
    boxes = np.array([draw_crop(width, height, fraction, rng) for _ in range(n)])
    ours = np.column_stack([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]])
    blank = torch.zeros(1, height, width)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        theirs = np.array([RandomResizedCrop.get_params(blank, [fraction, 1.0], [3 / 4, 4 / 3])
                           for _ in range(n)])[:, [1, 0, 3, 2]]
    error = np.sqrt((ours.var(0) + theirs.var(0)) / n)
    assert (np.abs(ours.mean(0) - theirs.mean(0)) <= 4.5 * error + 0.01).all()
    assert (boxes[:, :2] >= 0).all() and (boxes[:, 2:] <= (width, height)).all()


@pytest.fixture
def wide(tmp_path):
    """One image, red on the left, blue on the right, a grey square in the middle."""
    pixels = np.full((32, 96, 3), 128, np.uint8)
    pixels[:, :32], pixels[:, 64:] = (255, 0, 0), (0, 0, 255)
    (tmp_path / "a").mkdir()
    Image.fromarray(pixels).save(tmp_path / "a" / "0.png")
    return image_folder(tmp_path).select([0] * 40)


def test_the_whole_image_is_cropped_not_its_central_square(wide):
    views = [np.asarray(RandomCrops(wide, 16, 0.08, (0, 0)).open(i)) for i in range(len(wide))]
    assert all(view.shape == (16, 16, 3) for view in views)
    means = np.array([view.reshape(-1, 3).mean(0) for view in views])
    assert (means[:, 0] > 200).any() and (means[:, 2] > 200).any()
    assert len(np.unique(means.round(), axis=0)) > 20, "each image has its own crop"


def test_views_depend_on_seed_and_epoch_alone(wide):
    batches = lambda seed: torch.cat(list(  # noqa: E731
        RandomCrops(wide, 16, 0.08, seed).batches([range(20), range(20, 40)], pil_to_tensor)))
    first = batches((0, 0))
    assert torch.equal(first, batches((0, 0)))
    one = RandomCrops(wide, 16, 0.08, (0, 0))
    assert torch.equal(first[7], pil_to_tensor(one.open(7)))
    assert not torch.equal(first, batches((0, 1))) and not torch.equal(first, batches((1, 0)))
    assert one.digest != RandomCrops(wide, 16, 0.08, (0, 1)).digest
