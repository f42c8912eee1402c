"""The text encoder of the demo CLIP: its words, and a small transformer over them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from helpers.core.errors import LabError
from helpers.core.paths import atomic_write
from helpers.core.text import read_text

PADDING, UNKNOWN, QUOTED, NUMBER = range(4)
"""Tokens that are no words: nothing, a rare word, a quoted string, a number."""
FIRST_WORD_TOKEN = 4
_WORD_PATTERN = re.compile(r'"[^"]*"|[0-9]+|[a-z]+(?:[-\'][a-z]+)*')


def split_words(text: str) -> list[str]:
    """Split a caption into lower-case words, numbers, and quoted strings with their quotes."""
    return _WORD_PATTERN.findall(text.lower())


@dataclass(frozen=True)
class Vocabulary:
    """The words that a text encoder knows.

    Parameters
    ----------
    words : tuple of str
        Word i has the token ``FIRST_WORD_TOKEN + i``.
    context : int
        Tokens of a caption; longer ones are cut, shorter ones padded.
    """

    words: tuple[str, ...]
    context: int = 24

    def __len__(self) -> int:
        """Number of tokens, the special ones included."""
        return FIRST_WORD_TOKEN + len(self.words)

    def tokens(self, texts: Sequence[str]) -> Tensor:
        """Turn captions into tokens, int64 (n_texts, context).

        Raises
        ------
        LabError
            If a caption has no word at all.
        """
        id_of_word = {word: FIRST_WORD_TOKEN + i for i, word in enumerate(self.words)}
        token_ids = torch.full((len(texts), self.context), PADDING)
        for row, text in enumerate(texts):
            caption_ids = [id_of_word.get(word, _special_token(word))
                           for word in split_words(text)][:self.context]
            if not caption_ids:
                raise LabError(f"text {row} has no word: {text!r}", expected="a caption",
                               remedy="leave it out")
            token_ids[row, :len(caption_ids)] = torch.tensor(caption_ids)
        return token_ids

    def save(self, path: Path) -> None:
        """Write one word a line."""
        atomic_write(path, lambda part: part.write_text("\n".join(self.words) + "\n",
                                                        encoding="utf-8"))


def _special_token(word: str) -> int:
    return QUOTED if word[0] == '"' else NUMBER if word.isdigit() else UNKNOWN


def build_vocabulary(texts: Iterable[str], min_count: int) -> Vocabulary:
    """Keep the words that occur at least ``min_count`` times, in alphabetical order."""
    counts = Counter(word for text in texts for word in split_words(text))
    return Vocabulary(tuple(sorted(word for word, n in counts.items()
                                   if n >= min_count and word[0].isalpha())))


def read_vocabulary(path: Path, *, context: int = 24) -> Vocabulary:
    """Read one word a line; of a caption, ``context`` words are read.

    Raises
    ------
    LabError
        If the file is absent or empty.
    """
    words = read_text(path).split() if path.is_file() else []
    if not words:
        raise LabError(f"no words in {path}", expected="one word a line",
                       remedy="make zoo trains the demo networks again")
    return Vocabulary(tuple(words), context)


class TextEncoder(nn.Module):
    """A small transformer: the mean of its outputs over a caption's words, projected.

    Parameters
    ----------
    n_tokens : int
        Size of the vocabulary.
    context, width, heads, output : int
    layers : int
        0: the words count, their order does not.
    """

    def __init__(self, n_tokens: int, *, context: int = 24, width: int = 128, heads: int = 4,
                 layers: int = 1, output: int = 128) -> None:
        super().__init__()
        self.words = nn.Embedding(n_tokens, width, padding_idx=PADDING)
        self.places = nn.Parameter(torch.randn(context, width) * 0.02)
        layer = nn.TransformerEncoderLayer(width, heads, 4 * width, dropout=0.0, activation="gelu",
                                           batch_first=True, norm_first=True)
        self.encoder = (nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)
                        if layers else None)
        self.norm = nn.LayerNorm(width)
        self.project = nn.Linear(width, output, bias=False)

    def forward(self, tokens: Tensor) -> Tensor:
        """Map tokens (n, context), padded with 0, to embeddings (n, output)."""
        is_padding = tokens == PADDING
        states = self.words(tokens) + self.places
        if self.encoder is not None:
            states = self.encoder(states, src_key_padding_mask=is_padding)
        is_word = (~is_padding).to(states.dtype)[..., None]
        return self.project(self.norm((states * is_word).sum(1) / is_word.sum(1)))
