"""Does a layer find the same images alike as a brain does? RDMs by layer, tested."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from torch import Tensor

from helpers.core.cache import cached
from helpers.core.console import progress
from helpers.core.digest import code_digest, defining_modules
from helpers.core.statistics import correct_p_values
from helpers.networks.activations import select_layer_paths, stream_activations
from helpers.networks.network import Network
from helpers.rsa.dissimilarity import rdm, rdm_permutation_test, spearman_rdms
from helpers.stimuli.image_source import ImageSource

COLUMNS = ("network", "measured", "layer", "spearman_r", "p", "p_holm")


def layer_rdms(network: Network, stimuli: ImageSource, layers: Sequence[str], *,
               batch_size: int = 64) -> dict[str, NDArray[np.float64]]:
    """Return the dissimilarities of all images in each layer (1 - r over units), made once.

    Returns
    -------
    dict, layer -> float64, shape (n_pairs,)
    """
    def make() -> dict[str, NDArray[np.float64]]:
        rows: dict[str, list[NDArray]] = {}

        def collect(_start: int, name: str, activations: Tensor) -> None:
            rows.setdefault(name, []).append(activations.cpu().numpy().copy())

        chunks = [range(i, min(i + batch_size, len(stimuli)))
                  for i in range(0, len(stimuli), batch_size)]
        stream_activations(network.model, select_layer_paths(network.layers, layers),
                           stimuli.batches(progress(chunks, f"{network.name}: RDMs"),
                                           network.preprocessing), collect)
        return {layer: rdm(np.concatenate(parts)) for layer, parts in rows.items()}

    return cached("rdms", network.name, {
        "network": network.parts, "layers": list(layers), "album": stimuli.digest,
        "code": code_digest(["helpers.rsa.study", *defining_modules(stimuli)])}, make)


def correlate_layer_rdms(networks: Sequence[Network], stimuli: ImageSource | None,
                         measured: Mapping[str, NDArray], *, layers: Sequence[str],
                         seed: int) -> pd.DataFrame:
    """Correlate every layer's dissimilarities with measured ones.

    Parameters
    ----------
    networks : sequence of Network
    stimuli : ImageSource, optional
        The images; None: there are none, and the table is empty.
    measured : dict, name -> array, float, shape (n_pairs,)
    layers : sequence of str
    seed : int
        Of the permutations.

    Returns
    -------
    DataFrame
        Columns ``network, measured, layer, r`` (Spearman), ``p`` (one-sided, permuting
        images), ``p_holm`` over the layers of one network and measurement.
    """
    rows = []
    for network in networks if stimuli is not None else ():
        model_rdms = layer_rdms(network, stimuli, layers)
        for name, measured_rdm in measured.items():
            p = [rdm_permutation_test(model_rdms[layer], measured_rdm,
                                      seed=seed) for layer in layers]
            rows += [{"network": network.name, "measured": name, "layer": layer,
                      "spearman_r": spearman_rdms(model_rdms[layer], measured_rdm), "p": one,
                      "p_holm": holm}
                     for layer, one, holm in zip(layers, p, correct_p_values(p, "holm"))]
    return pd.DataFrame(rows, columns=COLUMNS)
