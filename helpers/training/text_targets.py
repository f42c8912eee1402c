"""What captions mean, from captions alone: vectors that no picture had a part in."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer
from torch import Tensor
from torch.nn import functional

from helpers.ground.errors import LabError
from helpers.networks.text_towers import words_of


def text_targets(captions: Sequence[Sequence[str]], *, width: int, least: int, seed: int) -> Tensor:
    """Embed captions by latent semantic analysis.

    Counts of words, weighed by how rare a word is, are reduced to ``width`` dimensions, centred,
    and scaled to unit length.

    Parameters
    ----------
    captions : sequence of sequences of str
        As many for each picture.
    width : int
    least : int
        Words in fewer captions are left out.
    seed : int

    Returns
    -------
    Tensor
        Float32 (n_pictures, n_captions, width).

    Raises
    ------
    LabError
        If there are fewer words than dimensions.

    Notes
    -----
    Deerwester et al. (1990). Which text embeddings Lu & Wang (2025) taught their network with, if
    any, is unknown.
    """
    lines = [line for said in captions for line in said]
    counts = TfidfVectorizer(tokenizer=words_of, token_pattern=None, lowercase=False,
                             min_df=least).fit_transform(lines)
    if counts.shape[1] <= width:
        raise LabError(f"{counts.shape[1]} words for {width} dimensions",
                       expected="more words than dimensions",
                       remedy="give more captions, or a smaller width")
    found = torch.from_numpy(TruncatedSVD(width, random_state=seed).fit_transform(counts)).float()
    return functional.normalize(found - found.mean(0), dim=1).view(len(captions), -1, width)
