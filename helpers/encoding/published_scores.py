"""Published scores of networks beside those of this run: which rows, and in which order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from helpers.core.errors import LabError


@dataclass(frozen=True)
class PublishedNetwork:
    """A network of a published table that these notebooks speak about.

    Attributes
    ----------
    published : str
        Its identifier in DeepNSD.
    label : str
        Its name in tables and figures.
    training : str
        Entry of `helpers.figures.style.TRAINING`.
    ours : str
        Its name in the registry of networks, where it is the very same one; else empty.
    """

    published: str
    label: str
    training: str
    ours: str = ""


NETWORKS = (
    PublishedNetwork("RN50_clip", "CLIP ResNet-50", "captions", "clip-rn50-openai"),
    PublishedNetwork("ResNet50-BarlowTwins-BS2048_selfsupervised", "Barlow Twins ResNet-50",
                     "contrastive"),
    PublishedNetwork("alexnet_classification", "AlexNet, ImageNet labels", "labels",
                     "alexnet-supervised"),
    PublishedNetwork("squeezenet1_0_classification", "SqueezeNet, ImageNet labels", "labels",
                     "squeezenet1_0-imagenet"),
    PublishedNetwork("alexnet_gn_ipcl_imagenet_ipcl", "IPCL AlexNet-GN, ImageNet", "contrastive"),
    PublishedNetwork("alexnet_gn_ipcl_openimages_ipcl", "IPCL AlexNet-GN, OpenImages",
                     "contrastive"),
    PublishedNetwork("alexnet_gn_ipcl_places256_ipcl", "IPCL AlexNet-GN, Places",
                     "contrastive"),
    PublishedNetwork("alexnet_gn_ipcl_vggface2_ipcl", "IPCL AlexNet-GN, faces",
                     "contrastive"),
    PublishedNetwork("alexnet_random", "AlexNet, untrained", "untrained",
                     "alexnet-supervised-untrained"),
    PublishedNetwork("squeezenet1_0_random", "SqueezeNet, untrained", "untrained",
                     "squeezenet1_0-imagenet-untrained"))
"""In the order of the published voxel-encoding RSA. The file does not say which of the authors'
training runs an IPCL AlexNet-GN is, so none is called the same as one of the registry."""


def select_published(scores: pd.DataFrame, ceiling: float, with_ceiling: tuple[str, ...]
                     ) -> pd.DataFrame:
    """Select `NETWORKS` from a published table, and add fractions of the noise ceiling.

    Parameters
    ----------
    scores : DataFrame
        ``network`` and one column a measure (r).
    ceiling : float
        Noise ceiling (r), mean over participants.
    with_ceiling : tuple of str
        Measures to which it belongs.

    Returns
    -------
    DataFrame
        ``network, label, training, ours``, the measures, and ``<measure> / ceiling``.

    Raises
    ------
    LabError
        If one of them is not in the table.
    """
    by_name = scores.set_index("network")
    missing = [one.published for one in NETWORKS if one.published not in by_name.index]
    if missing:
        raise LabError(f"the published scores have no network {missing[0]!r}",
                       expected=f"the {len(NETWORKS)} networks of "
                       "helpers/encoding/published_scores.py",
                       remedy="use the table of the commit in helpers/datasets/sources.toml")
    table = pd.DataFrame(NETWORKS).rename(columns={"published": "network"}).join(
        by_name.select_dtypes("number"), on="network")
    return table.assign(**{f"{name} / ceiling": table[name].astype(float) / ceiling
                           for name in with_ceiling})


def beside_ours(published: pd.DataFrame, ours: Mapping[str, Mapping[str, float]]) -> pd.DataFrame:
    """Put the same network's published scores and those of this run side by side.

    Parameters
    ----------
    published : DataFrame
        Of `select_published`.
    ours : mapping, measure -> registry name of a network -> score (r)

    Returns
    -------
    DataFrame
        ``measure, network, label, published, ours``: one row a measure and network in both.
    """
    known = published[published["ours"] != ""].set_index("ours")
    return pd.DataFrame(
        [(measure, name, known.loc[name, "label"], float(known.loc[name, measure]), float(score))
         for measure, by_network in ours.items() for name, score in by_network.items()
         if name in known.index], columns=["measure", "network", "label", "published", "ours"])
