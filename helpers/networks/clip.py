"""Networks that were trained with captions: images and texts in one space."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from helpers.core.console import progress
from helpers.core.digest import text_digest
from helpers.core.errors import LabError
from helpers.networks.builders import BUILDERS
from helpers.networks.network import Network
from helpers.networks.text_encoder import TextEncoder, read_vocabulary
from helpers.networks.weights import load_weights, read_state_dict, state_digest
from helpers.stimuli.image_source import ImageSource

TEXT_BATCH_SIZE = 256
"""Texts at a time."""
Tokenize = Callable[[Sequence[str]], Tensor]


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
    tokens: Tokenize
    digest: str

    @property
    def name(self) -> str:
        """Name of the network in the registry."""
        return self.image.name

    def embed_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return the embeddings of some texts, float32 (n_texts, n_dims), not normalised."""
        device = next(self.text.parameters()).device
        tokens = (self.tokens(texts[start:start + TEXT_BATCH_SIZE]).to(device)
                  for start in range(0, len(texts), TEXT_BATCH_SIZE))
        with torch.inference_mode():
            return np.concatenate([self.text(batch).float().cpu().numpy() for batch in tokens])

    def embed_images(self, stimuli: ImageSource, *, batch_size: int) -> NDArray[np.float32]:
        """Return the embeddings of all images, float32 (n_images, n_dims), not normalised."""
        device = next(self.image.model.parameters()).device
        batch_rows = [range(start, min(start + batch_size, len(stimuli)))
                      for start in range(0, len(stimuli), batch_size)]
        batches = progress(stimuli.batches(batch_rows, self.image.preprocessing),
                           f"{self.name} embeds images", len(batch_rows))
        with torch.inference_mode():
            return np.concatenate([self.image.model(batch.to(device)).float().cpu().numpy()
                                   for batch in batches])


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
    if text_entry.words:
        text_encoder, tokens = _load_text_encoder(folder / text_entry.file,
                                                  folder / text_entry.words)
    else:
        open_clip, entry = importlib.import_module(BUILDERS["open_clip"]), network.entry
        tokens = partial(open_clip.tokenize, entry.architecture)
        text_encoder = open_clip.build_text_encoder(
            entry.architecture, entry.options, read_state_dict(image_file, keys="open_clip_text"))
    text_encoder.to(next(network.model.parameters()).device).eval()
    return ClipModel(network, text_encoder, tokens,
                     text_digest(network.digest + state_digest(text_encoder.state_dict())))


def _load_text_encoder(weights: Path, vocabulary: Path) -> tuple[nn.Module, Tokenize]:
    """Open a text encoder of `helpers.networks.text_encoder`; its sizes are those of its tensors.
    """
    state = read_state_dict(weights)
    n_rows = {name: len(tensor) for name, tensor in state.items() if tensor.ndim}
    words = read_vocabulary(vocabulary, context=n_rows.get("places", 1))
    layers = {name.split(".")[2] for name in state if name.startswith("encoder.layers.")}
    text_encoder = TextEncoder(len(words), context=words.context, layers=len(layers),
                               output=n_rows.get("project.weight", 1))
    load_weights(text_encoder, state, f"{weights} does not fit the words in {vocabulary.name}")
    return text_encoder, words.tokens
