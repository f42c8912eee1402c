"""Networks that were taught with captions: pictures and texts in one space."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from helpers.ground.console import progress
from helpers.ground.digest import text_digest
from helpers.ground.errors import LabError
from helpers.networks.network import Network
from helpers.networks.open_clip_towers import open_clip_text, open_clip_tokens
from helpers.networks.text_towers import TextTower, read_vocabulary
from helpers.networks.weights import fill, read_state_dict, state_digest
from helpers.stimuli.album import Album

BATCH = 256
"""Texts at a time."""


@dataclass(frozen=True)
class Clip:
    """Two towers, one space.

    Attributes
    ----------
    image : Network
    text : nn.Module
        Tokens -> embeddings.
    tokens : callable
        Texts -> tokens, int64 (n_texts, context).
    digest : str
        Of the weights of both towers.
    """

    image: Network
    text: nn.Module
    tokens: Callable[[Sequence[str]], Tensor]
    digest: str

    @property
    def name(self) -> str:
        """Name of the network in the registry."""
        return self.image.name

    def embed_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return the embeddings of some texts, float32 (n_texts, n_dims), not normalised."""
        device = next(self.text.parameters()).device
        parts = [texts[start:start + BATCH] for start in range(0, len(texts), BATCH)]
        with torch.inference_mode():
            return np.concatenate([self.text(self.tokens(part).to(device)).float().cpu().numpy()
                                   for part in parts])

    def embed_pictures(self, album: Album, *, batch_size: int) -> NDArray[np.float32]:
        """Return the embeddings of all pictures, float32 (n_pictures, n_dims), not normalised."""
        device = next(self.image.model.parameters()).device
        rows = [range(start, min(start + batch_size, len(album)))
                for start in range(0, len(album), batch_size)]
        found = []
        with torch.inference_mode():
            for batch in progress(album.batches(rows, self.image.preprocessing),
                                  f"{self.name} looks", len(rows)):
                found.append(self.image.model(batch.to(device)).float().cpu().numpy())
        return np.concatenate(found)


def load_clip(network: Network, image_file: Path, folder: Path) -> Clip:
    """Give a network the tower that reads.

    Parameters
    ----------
    network : Network
        Whose entry in the registry has ``text``.
    image_file : Path
        Its weights; those of the text tower, too, where the entry names no other file.
    folder : Path
        Holds the files that the entry names.

    Raises
    ------
    LabError
        If the network was not taught with captions, or a file is absent or does not fit.
    """
    listed = network.entry.text
    if listed is None:
        raise LabError(f"{network.name} was not taught with captions",
                       expected="a network of the registry with a table `text`",
                       remedy="name another network in the table [decoding] of the profile")
    device = next(network.model.parameters()).device
    if not listed.words:
        architecture = network.entry.architecture
        state = read_state_dict(image_file, keys="open_clip_text")
        tower = open_clip_text(architecture, network.entry.options, state)
        return _joined(network, tower.to(device),
                       lambda texts: open_clip_tokens(architecture, texts))
    words = read_vocabulary(folder / listed.words)
    state = read_state_dict(folder / listed.file)
    tower = TextTower(len(words), context=words.context,
                      output=state["project.weight"].shape[0]
                      if "project.weight" in state else 1)
    fill(tower, state, f"{folder / listed.file} does not fit the words in {listed.words}")
    return _joined(network, tower.to(device), words.tokens)


def _joined(network: Network, tower: nn.Module, tokens: Callable[[Sequence[str]], Tensor]) -> Clip:
    return Clip(network, tower.eval(), tokens,
                text_digest(network.digest + state_digest(tower.state_dict())))
