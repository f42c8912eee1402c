"""Networks that were trained with captions: images and texts in one space."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from helpers.core.console import progress
from helpers.core.digest import text_digest
from helpers.core.errors import LabError
from helpers.networks.network import Network
from helpers.networks.open_clip_encoders import build_open_clip_text_encoder, tokenize_open_clip
from helpers.networks.text_encoder import TextEncoder, read_vocabulary
from helpers.networks.weights import load_weights, read_state_dict, state_digest
from helpers.stimuli.image_source import ImageSource

TEXT_BATCH_SIZE = 256
"""Texts at a time."""


@dataclass(frozen=True)
class ClipModel:
    """Two encoders, one space.

    Attributes
    ----------
    image : Network
    text : nn.Module
        Tokens -> embeddings.
    tokens : callable
        Texts -> tokens, int64 (n_texts, context).
    digest : str
        Of the weights of both encoders.
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
        parts = [texts[start:start + TEXT_BATCH_SIZE] for start in range(0, len(texts),
                                                                         TEXT_BATCH_SIZE)]
        with torch.inference_mode():
            return np.concatenate([self.text(self.tokens(part).to(device)).float().cpu().numpy()
                                   for part in parts])

    def embed_images(self, stimuli: ImageSource, *, batch_size: int) -> NDArray[np.float32]:
        """Return the embeddings of all images, float32 (n_images, n_dims), not normalised."""
        device = next(self.image.model.parameters()).device
        batch_rows = [range(start, min(start + batch_size, len(stimuli)))
                      for start in range(0, len(stimuli), batch_size)]
        embeddings = []
        with torch.inference_mode():
            for batch in progress(stimuli.batches(batch_rows, self.image.preprocessing),
                                  f"{self.name} looks", len(batch_rows)):
                embeddings.append(self.image.model(batch.to(device)).float().cpu().numpy())
        return np.concatenate(embeddings)


def load_clip(network: Network, image_file: Path, folder: Path) -> ClipModel:
    """Give a network the text encoder.

    Parameters
    ----------
    network : Network
        Whose entry in the registry has ``text``.
    image_file : Path
        Its weights; those of the text encoder, too, where the entry names no other file.
    folder : Path
        Holds the files that the entry names.

    Raises
    ------
    LabError
        If the network was not trained with captions, or a file is absent or does not fit.
    """
    text_entry = network.entry.text
    if text_entry is None:
        raise LabError(f"{network.name} was not trained with captions",
                       expected="a network of the registry with a table `text`",
                       remedy="name another network in the table [decoding] of the profile")
    device = next(network.model.parameters()).device
    if not text_entry.words:
        architecture = network.entry.architecture
        state = read_state_dict(image_file, keys="open_clip_text")
        text_encoder = build_open_clip_text_encoder(architecture, network.entry.options, state)
        return _build_clip_model(network, text_encoder.to(device),
                                 lambda texts: tokenize_open_clip(architecture, texts))
    state = read_state_dict(folder / text_entry.file)
    words = read_vocabulary(folder / text_entry.words, context=_n_rows(state, "places"))
    layers = {key.split(".")[2] for key in state if key.startswith("encoder.layers.")}
    text_encoder = TextEncoder(len(words), context=words.context, layers=len(layers),
                               output=_n_rows(state, "project.weight"))
    load_weights(text_encoder, state,
                 f"{folder / text_entry.file} does not fit the words in {text_entry.words}")
    return _build_clip_model(network, text_encoder.to(device), words.tokens)


def _n_rows(state: dict[str, Tensor], key: str) -> int:
    """Return the first size of a tensor, 1 where it is absent: `load_weights` then names it."""
    return len(state[key]) if key in state else 1


def _build_clip_model(network: Network, text_encoder: nn.Module,
                      tokens: Callable[[Sequence[str]], Tensor]) -> ClipModel:
    return ClipModel(network, text_encoder.eval(), tokens,
                     text_digest(network.digest + state_digest(text_encoder.state_dict())))
