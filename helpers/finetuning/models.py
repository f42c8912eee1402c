"""The models that are fine-tuned: a network with a contrastive or with a regression head.

The contrastive model of one participant is the pooled model of one participant: a shared head,
and a linear map from each participant's voxels into it.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from helpers.core.errors import LabError
from helpers.finetuning.information_bound import TEMPERATURE
from helpers.training.losses import info_nce
from helpers.training.readout import forward_to_layer

HIDDEN_FRACTION, EMBEDDING_FRACTION, POOLED_EMBEDDING_FRACTION = 0.8, 0.2, 0.25
"""Width of the head and of the embedding: fractions of the voxels (of the width, where pooled)."""


def head_widths(voxels: Mapping[str, int], *, pooled: bool = False, const: int = 0,
                embedding: int = 0) -> tuple[int, int]:
    """Return the head's width h and the embedding's z, as published (authors' training scripts).

    Parameters
    ----------
    voxels : dict, participant -> voxels
    pooled : bool
        One participant's own: h = int(.8 V), z = int(.2 V). Pooled: h = int(mean V) ("avg"),
        z = int(.25 h).
    const : int
        The same h for every region ("const"; published: 5741, the largest region); 0: as above.
    embedding : int
        The same z for every region (not in the paper); 0: as above.

    Raises
    ------
    LabError
        If a width would be below 1.
    """
    mean = sum(voxels.values()) / len(voxels)
    hidden = const or int(mean if pooled else HIDDEN_FRACTION * mean)
    embedding_dim = embedding or int(POOLED_EMBEDDING_FRACTION * hidden if pooled
                                     else EMBEDDING_FRACTION * mean)
    if min(hidden, embedding_dim) < 1:
        raise LabError(f"a head of {hidden} units and {embedding_dim} dimensions for "
                       f"{dict(voxels)} voxels", expected="regions of 20 voxels or more",
                       remedy="leave this region out")
    return hidden, embedding_dim


def head(hidden: int, out: int, *, bias: bool = False) -> nn.Sequential:
    """Build the projection head g: two layers of ``hidden`` units, then ``out`` linear ones."""
    layers: list[nn.Module] = []
    for _ in range(2):
        layers += [nn.Linear(hidden, hidden), nn.BatchNorm1d(hidden), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(hidden, out, bias=bias))


class FeatureExtractor(nn.Module):
    """A network up to the layer to which a head is attached.

    Parameters
    ----------
    backbone : nn.Module
    path : str
        Module path of the layer; empty: the network's own output, as published.
    """

    def __init__(self, backbone: nn.Module, path: str = "") -> None:
        super().__init__()
        self.backbone, self.path = backbone, path

    def forward(self, images: Tensor) -> Tensor:
        """Map images (n, 3, height, width) to (n, n_units)."""
        if self.path:
            return forward_to_layer(self.backbone, self.path, images)
        return self.backbone(images).flatten(1)


class ContrastiveModel(nn.Module):
    """Images and responses in a shared embedding space.

    Parameters
    ----------
    feature_extractor : FeatureExtractor
    n_units : int
        Of the feature extractor's output.
    voxels : dict, participant -> int
    hidden, embedding : int
        h and z.
    temperature : float
    learned_temperature : bool
        Whether the temperature is trained as well (not in the paper).
    symmetric : bool
        Whether responses are classified among images as well (not in the paper).

    Notes
    -----
    Mulrooney & Brockmeier (2024), Figure 1; authors' training scripts. W^x and W^y without bias;
    images and responses pass through g in separate calls, each with its own batch statistics.
    """

    def __init__(self, feature_extractor: FeatureExtractor, n_units: int, voxels: Mapping[str, int],
                 *, hidden: int, embedding: int, temperature: float = TEMPERATURE,
                 learned_temperature: bool = False, symmetric: bool = False) -> None:
        super().__init__()
        self.feature_extractor, self.symmetric = feature_extractor, symmetric
        self.from_images = nn.Linear(n_units, hidden, bias=False)
        self.from_responses = nn.ModuleDict(
            {name: nn.Linear(n, hidden, bias=False) for name, n in voxels.items()})
        self.head = head(hidden, embedding)
        log_initial = torch.tensor(float(temperature)).log()
        self.log_temperature = nn.Parameter(log_initial, requires_grad=learned_temperature)

    @property
    def temperature(self) -> Tensor:
        """The temperature, scalar."""
        return self.log_temperature.exp()

    def embed_images(self, images: Tensor) -> Tensor:
        """Map images (n, 3, height, width) to embeddings (n, z)."""
        return self.head(self.from_images(self.feature_extractor(images)))

    def embed_responses(self, responses: Tensor, subject: str) -> Tensor:
        """Map one participant's responses (n, n_voxels) to embeddings (n, z)."""
        return self.head(self.from_responses[subject](responses))

    def forward(self, images: Tensor, responses: Tensor, subject: str) -> tuple[Tensor, Tensor]:
        """Map a batch of one participant to both embeddings, (n, z)."""
        return self.embed_images(images), self.embed_responses(responses, subject)

    def loss(self, images: Tensor, responses: Tensor) -> Tensor:
        """Compute InfoNCE of both embeddings."""
        return info_nce(images, responses, temperature=self.temperature,
                        symmetric=self.symmetric)


class RegressionModel(nn.Module):
    """Regression of responses on images.

    Parameters
    ----------
    feature_extractor : FeatureExtractor
    n_units : int
    n_voxels : int
    hidden : int
        0: one linear layer with bias, as published. Else the contrastive model's own head of this
        width between the two, so that nothing but the objective differs.
    """

    def __init__(self, feature_extractor: FeatureExtractor, n_units: int, n_voxels: int, *,
                 hidden: int = 0) -> None:
        super().__init__()
        self.feature_extractor = feature_extractor
        self.predict = nn.Linear(n_units, n_voxels) if not hidden else nn.Sequential(
            nn.Linear(n_units, hidden, bias=False), head(hidden, n_voxels, bias=True))

    def forward(self, images: Tensor, responses: Tensor, subject: str) -> tuple[Tensor, Tensor]:
        """Map a batch to predicted responses, (n, n_voxels), and return the measured ones."""
        del subject  # there is only one
        return self.predict(self.feature_extractor(images)), responses

    def loss(self, predicted: Tensor, responses: Tensor) -> Tensor:
        """Compute the mean squared error."""
        return nn.functional.mse_loss(predicted, responses)
