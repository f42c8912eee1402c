"""What captions mean, from captions alone: vectors that no image had a part in."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import torch
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer
from torch import Tensor
from torch.nn import functional

from helpers.core.errors import LabError
from helpers.networks.text_encoder import split_words


def text_embedding_targets(captions: Sequence[Sequence[str]], *, width: int, min_count: int,
                           seed: int) -> Tensor:
    """Embed captions by latent semantic analysis.

    Counts of words, weighed by how rare a word is, are reduced to ``width`` dimensions, centred,
    and scaled to unit length.

    Parameters
    ----------
    captions : sequence of sequences of str
        As many for each image.
    width : int
    min_count : int
        Words in fewer captions are left out.
    seed : int

    Returns
    -------
    Tensor
        Float32 (n_images, n_captions, width).

    Raises
    ------
    LabError
        If there are no more words, or captions, than dimensions; or images differ in their number
        of captions.

    Notes
    -----
    Deerwester et al. (1990). Which text embeddings Lu & Wang (2025) trained their network with, if
    any, is unknown.
    """
    documents = [document for image_captions in captions for document in image_captions]
    if len({len(image_captions) for image_captions in captions}) != 1:
        raise LabError("images with different numbers of captions",
                       expected="as many captions of each image", remedy="leave some out")
    document_counts = Counter(word for document in documents for word in set(split_words(document)))
    n_words = sum(count >= min_count for count in document_counts.values())
    if min(n_words, len(documents)) <= width:
        raise LabError(f"{n_words} words in {len(documents)} captions for {width} dimensions",
                       expected="more words, and more captions, than dimensions",
                       remedy="give more captions, or a smaller width")
    counts = TfidfVectorizer(tokenizer=split_words, token_pattern=None, lowercase=False,
                             min_df=min_count).fit_transform(documents)
    components = torch.from_numpy(TruncatedSVD(width,
                                               random_state=seed).fit_transform(counts)).float()
    return functional.normalize(components - components.mean(0), dim=1).view(len(captions), -1,
                                                                             width)
