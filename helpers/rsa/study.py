"""Correlations of each layer's RDM with measured ones, with permutation tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from helpers.core.cache import cached
from helpers.core.console import progress
from helpers.core.digest import code_digest, defining_modules
from helpers.core.statistics import correct_p_values
from helpers.networks.activations import extract_activations, select_layer_paths
from helpers.networks.network import Network
from helpers.rsa.dissimilarity import rdm, rdm_permutation_test, spearman_rdms
from helpers.stimuli.image_source import ImageSource

COLUMNS = ("network", "measured", "layer", "spearman_r", "p", "p_holm")


def layer_rdms(network: Network, stimuli: ImageSource, layers: Sequence[str], *,
               batch_size: int = 64) -> dict[str, NDArray[np.float64]]:
    """Return the RDM of all images in each layer (1 - r over units), computed once.

    Returns
    -------
    dict, layer -> float64, shape (n_pairs,)
    """
    def make() -> dict[str, NDArray[np.float64]]:
        chunks = [range(i, min(i + batch_size, len(stimuli)))
                  for i in range(0, len(stimuli), batch_size)]
        activations = extract_activations(
            network.model, select_layer_paths(network.layers, layers), stimuli.batches(
                progress(chunks, f"{network.name}: RDMs"), network.preprocessing))
        return {layer: rdm(values.numpy()) for layer, values in activations.items()}

    return cached("rdms", network.name, {
        "network": network.parts, "layers": list(layers), "images": stimuli.digest,
        "code": code_digest(["helpers.rsa.study", *defining_modules(stimuli)])}, make)


def correlate_layer_rdms(networks: Sequence[Network], stimuli: ImageSource | None,
                         measured: Mapping[str, NDArray], *, layers: Sequence[str],
                         seed: int) -> pd.DataFrame:
    """Correlate the RDM of every layer with measured ones.

    Parameters
    ----------
    networks : sequence of Network
    stimuli : ImageSource, optional
        Without images the table is empty.
    measured : dict, name -> array, float, shape (n_pairs,)
    layers : sequence of str
    seed : int
        Of the permutations.

    Returns
    -------
    DataFrame
        Columns ``network, measured, layer, spearman_r``, ``p`` (one-sided, permuting images),
        ``p_holm`` over the layers of one network and measurement.
    """
    rows = []
    for network in networks if stimuli is not None else ():
        rdms = layer_rdms(network, stimuli, layers)
        for name, target in measured.items():
            p = [rdm_permutation_test(rdms[layer], target, seed=seed) for layer in layers]
            rows += [(network.name, name, layer, spearman_rdms(rdms[layer], target), one, holm)
                     for layer, one, holm in zip(layers, p, correct_p_values(p, "holm"))]
    return pd.DataFrame(rows, columns=COLUMNS)
