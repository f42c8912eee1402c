"""Images with captions in memory, and two encoders trained with them."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from helpers.core.errors import LabError
from helpers.core.text import read_text
from helpers.networks.text_encoder import TextEncoder, Vocabulary, build_vocabulary
from helpers.stimuli.decode import decode_rgb
from helpers.training.loop import TrainingHistory, TrainingRecipe, train

MIN_WORD_COUNT = 10
"""A word that occurs more rarely is no word to the text encoder."""
CONTEXT = 24
"""Words of a caption that a text encoder reads, unless it comes with its own."""


@dataclass(frozen=True)
class CaptionedImages:
    """Images with captions.

    Parameters
    ----------
    images : Tensor
        uint8 (n_images, 3, height, width).
    captions : tuple of tuples of str
        As many for each image.
    """

    images: Tensor
    captions: tuple[tuple[str, ...], ...]

    def __len__(self) -> int:
        return len(self.images)

    def select(self, rows: Sequence[int] | Tensor) -> CaptionedImages:
        """Keep some of the images, in the order given."""
        rows = torch.as_tensor(rows)
        return CaptionedImages(self.images[rows],
                               tuple(self.captions[row] for row in rows.tolist()))

    def first(self, n: int) -> CaptionedImages:
        """Keep the first images."""
        return self.select(range(n))

    def shuffle_captions(self, seed: int) -> CaptionedImages:
        """Give every image the captions of another, for good."""
        order = np.random.default_rng(seed).permutation(len(self))
        source_row = dict(zip(order, np.roll(order, 1)))
        return CaptionedImages(self.images,
                               tuple(self.captions[source_row[i]] for i in range(len(self))))


def read_captioned_images(folders: Sequence[Path], *, exclude_prefix: str = "") -> CaptionedImages:
    """Read images and captions of some folders with ``captions.json``, as COCO arranges them.

    Parameters
    ----------
    folders : sequence of Path
    exclude_prefix : str
        Images whose path begins so are left out.

    Raises
    ------
    LabError
        If a folder has no captions, or images differ in size or in their number of captions.
    """
    files: list[Path] = []
    captions: list[tuple[str, ...]] = []
    for folder in folders:
        path = folder / "captions.json"
        if not path.is_file():
            raise LabError(f"no {path}", expected="captions, as COCO arranges them",
                           remedy="put it there, or move the folder away: it is made again")
        content, by_image = json.loads(read_text(path)), defaultdict(list)
        for caption in content["annotations"]:
            by_image[caption["image_id"]].append(caption["caption"])
        for image in content["images"]:
            if not exclude_prefix or not image["file_name"].startswith(exclude_prefix):
                files.append(folder / image["file_name"])
                captions.append(tuple(by_image[image["id"]]))
    with ThreadPoolExecutor() as pool:
        pixels = list(map(np.asarray, pool.map(decode_rgb, files)))
    if len({(one.shape, len(its_captions)) for one, its_captions in zip(pixels, captions)}) != 1:
        raise LabError(f"images of several sizes or numbers of captions in {folders[0]}, …",
                       expected="images of one size, as many captions of each",
                       remedy="correct the images, or move the folders away: they are made "
                       "again")
    images = torch.from_numpy(np.stack(pixels)).permute(0, 3, 1, 2).contiguous()
    return CaptionedImages(images, tuple(captions))


def learn_words(captioned: CaptionedImages, *, context: int) -> Vocabulary:
    """Keep the words that captions use ``MIN_WORD_COUNT`` times or more."""
    captions = (caption for image_captions in captioned.captions for caption in image_captions)
    return replace(build_vocabulary(captions, MIN_WORD_COUNT), context=context)


def train_clip(model: nn.Module, captioned: CaptionedImages, recipe: TrainingRecipe, *, width: int,
               seed: int, words: Vocabulary | None = None, text: TextEncoder | None = None,
               layers: int = 1, **settings: Any
               ) -> tuple[TextEncoder, Vocabulary, TrainingHistory]:
    """Train a network in place, with a text encoder of its own, to match images and captions.

    Parameters
    ----------
    model : nn.Module
        Maps (n, 3, size, size) to (n, width).
    captioned : CaptionedImages
    recipe : TrainingRecipe
        Of the objective "clip".
    width : int
        Dimensions of the common space.
    seed, settings
        ``seed, device, steps, mixed_precision, on_step`` as for `helpers.training.loop.train`.
    words : Vocabulary, optional
        By default learned from the captions, of which `CONTEXT` words are read.
    text : TextEncoder, optional
        One that knows ``words`` already, trained further in place; by default a new one.
    layers : int
        Of a new text encoder.

    Returns
    -------
    TextEncoder, Vocabulary, TrainingHistory
    """
    words = words or learn_words(captioned, context=CONTEXT)
    tokens = words.tokens([caption for image_captions in captioned.captions
                           for caption in image_captions])
    if text is None:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            text = TextEncoder(len(words), context=words.context, layers=layers, output=width)
    record = train(model, captioned.images, tokens.view(len(captioned), -1, words.context), recipe,
                   seed=seed, text=text, **settings)
    return text.eval(), words, record
