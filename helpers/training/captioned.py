"""Pictures with captions in memory, and two towers taught with them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from helpers.ground.errors import LabError
from helpers.ground.text import read_text
from helpers.networks.text_towers import TextTower, Vocabulary, learn_vocabulary
from helpers.stimuli.decode import decoded
from helpers.training.loop import OnStep, Recipe, Record, train

LEAST = 10
"""A word that occurs more rarely is no word to the text tower."""


@dataclass(frozen=True)
class Captioned:
    """Pictures with captions.

    Parameters
    ----------
    images : Tensor
        uint8 (n_images, 3, height, width).
    captions : tuple of tuples of str
        As many for each picture.
    """

    images: Tensor
    captions: tuple[tuple[str, ...], ...]

    def __len__(self) -> int:
        return len(self.images)

    def select(self, rows: Sequence[int] | Tensor) -> Captioned:
        """Keep some of the pictures, in the order given."""
        rows = torch.as_tensor(rows)
        return Captioned(self.images[rows], tuple(self.captions[row] for row in rows.tolist()))

    def first(self, n: int) -> Captioned:
        """Keep the first pictures."""
        return self.select(range(n))

    def shuffled(self, seed: int) -> Captioned:
        """Give every picture the captions of another, for good."""
        order = np.random.default_rng(seed).permutation(len(self))
        given = dict(zip(order, np.roll(order, 1)))
        return Captioned(self.images, tuple(self.captions[given[i]] for i in range(len(self))))


def read_captioned(folders: Sequence[Path], *, but: str = "") -> Captioned:
    """Read pictures and captions of some folders with ``captions.json``, as COCO arranges them.

    Parameters
    ----------
    folders : sequence of Path
    but : str
        Pictures whose path begins so are left out.

    Raises
    ------
    LabError
        If a folder has no captions, or pictures differ in size or in their number of captions.
    """
    files: list[tuple[Path, tuple[str, ...]]] = []
    for folder in folders:
        path = folder / "captions.json"
        if not path.is_file():
            raise LabError(f"no {path}", expected="captions, as COCO arranges them",
                           remedy="put it there, or move the folder away: it is made again")
        content = json.loads(read_text(path))
        said: dict[int, list[str]] = {}
        for line in content["annotations"]:
            said.setdefault(line["image_id"], []).append(line["caption"])
        files += [(folder / one["file_name"], tuple(said.get(one["id"], ())))
                  for one in content["images"] if not but or not one["file_name"].startswith(but)]
    with ThreadPoolExecutor() as pool:
        pixels = list(map(np.asarray, pool.map(decoded, [path for path, _ in files])))
    if len({(picture.shape, len(said)) for picture, (_, said) in zip(pixels, files)}) != 1:
        raise LabError(f"pictures of several sizes or numbers of captions in {folders[0]}, …",
                       expected="pictures of one size, as many captions of each",
                       remedy="correct the pictures, or move the folders away: they are made "
                              "again")
    images = torch.from_numpy(np.stack(pixels)).permute(0, 3, 1, 2).contiguous()
    return Captioned(images, tuple(said for _, said in files))


def train_towers(model: nn.Module, pictures: Captioned, recipe: Recipe, *, width: int, seed: int,
                 words: Vocabulary | None = None, layers: int = 1,
                 device: torch.device | str = "cpu",
                 steps: int | None = None, mixed_precision: bool | None = None,
                 on_step: OnStep | None = None) -> tuple[TextTower, Vocabulary, Record]:
    """Train a network in place, with a text tower of its own, to match pictures and captions.

    Parameters
    ----------
    model : nn.Module
        Maps (n, 3, size, size) to (n, width).
    pictures : Captioned
    recipe : Recipe
        Of the objective "clip".
    width : int
        Dimensions of the common space.
    seed, device, steps, mixed_precision, on_step
        As for `helpers.training.loop.train`.
    words : Vocabulary, optional
        By default learned from the captions.
    layers : int
        Of the text tower.

    Returns
    -------
    TextTower, Vocabulary, Record
    """
    words = words or learn_vocabulary((line for said in pictures.captions for line in said), LEAST)
    tokens = words.tokens([line for said in pictures.captions for line in said])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        tower = TextTower(len(words), context=words.context, layers=layers, output=width)
    record = train(model, pictures.images, tokens.view(len(pictures), -1, words.context), recipe,
                   seed=seed, device=device, steps=steps, mixed_precision=mixed_precision,
                   on_step=on_step, text=tower)
    return tower.eval(), words, record
