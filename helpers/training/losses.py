"""The losses of the training objectives: Barlow Twins, SimCLR, InfoNCE, CLIP, targets.

The first two compare two views of the same images, CLIP compares images with captions.
Under ``torch.distributed`` each process holds a part of the batch; every process then computes
the loss of the *whole* batch, and the gradients that ``DistributedDataParallel`` averages are
those of the whole batch as well.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, autograd, distributed
from torch.nn import functional

from helpers.core.errors import LabError


def barlow_twins_loss(z1: Tensor, z2: Tensor, *, lam: float) -> Tensor:
    """Make the two views of an image agree, and the embedding's dimensions differ.

    ``C_ij = mean_b (z1_bi · z2_bj)``, each dimension standardised over the batch;
    ``loss = Σ_i (1 - C_ii)² + lam Σ_i Σ_{j≠i} C_ij²``.

    Parameters
    ----------
    z1, z2 : Tensor
        Embeddings of two views, float (batch, dimensions); row b of both is one image.
    lam : float
        Weight of the redundancy term (0.0051 in the papers).

    Returns
    -------
    Tensor
        The loss, scalar.

    Notes
    -----
    Zbontar et al. (2021), equations 1 and 2. Standardising is repeated here although AlexNetGN
    ends in a BatchNorm: it costs nothing and holds for any network.
    """
    z1, z2 = gather_batch(z1), gather_batch(z2)
    correlation = _standardise(z1).T @ _standardise(z2) / len(z1)
    diagonal = correlation.diagonal()
    agreement = (1 - diagonal).square().sum()
    redundancy = correlation.square().sum() - diagonal.square().sum()
    return agreement + lam * redundancy


def _standardise(z: Tensor) -> Tensor:
    variance, mean = torch.var_mean(z, dim=0, correction=0)
    return (z - mean) * torch.rsqrt(variance + 1e-5)


def nt_xent_loss(z1: Tensor, z2: Tensor, *, temperature: float) -> Tensor:
    """Find the other view of an image among all other views in the batch.

    With unit-length embeddings ``z`` of all 2N views and ``p(i)`` the other view of view i:
    ``loss = -mean_i log( exp(z_i·z_p(i) / T) / Σ_{k≠i} exp(z_i·z_k / T) )``.

    Parameters
    ----------
    z1, z2 : Tensor
        Embeddings of two views, float (batch, dimensions); row b of both is one image.
    temperature : float
        T; smaller values weigh the nearest wrong views more.

    Returns
    -------
    Tensor
        The loss, scalar; log(2N - 1) at chance.

    Notes
    -----
    Chen et al. (2020), equation 1.
    """
    z1, z2 = gather_batch(z1), gather_batch(z2)
    z = functional.normalize(torch.cat([z1, z2]), dim=1)
    similarity = z @ z.T / temperature
    is_self = torch.eye(len(z), dtype=torch.bool, device=z.device)
    target = torch.arange(len(z), device=z.device).roll(len(z1))
    return functional.cross_entropy(similarity.masked_fill(is_self, -torch.inf), target)


def info_nce(x: Tensor, y: Tensor, *, temperature: float | Tensor,
             symmetric: bool = False) -> Tensor:
    r"""Return the InfoNCE loss: each row of ``x`` is classified among all rows of ``y``.

    .. math:: L = -\frac1N \sum_j \log \frac{e^{s_{jj}/\tau}}{\sum_i e^{s_{ji}/\tau}}, \qquad
              s_{ji} = \cos(x_j, y_i)

    Parameters
    ----------
    x, y : Tensor, float, shape (n, n_dims)
        Embeddings; row j of both belongs to one pair.
    temperature : float or Tensor
        :math:`\tau`.
    symmetric : bool
        Whether rows of ``y`` are classified among those of ``x`` as well: the mean of both.

    Returns
    -------
    Tensor
        The loss, scalar, in nats; log n at chance.

    Raises
    ------
    LabError
        See `cosine_similarities`.

    Notes
    -----
    van den Oord et al. (2018), equation 4. One direction: Mulrooney & Brockmeier (2024), images
    among responses. Both: Radford et al. (2021), figure 3; Efird et al. (2025).
    """
    scores = cosine_similarities(x, y) / temperature
    target = torch.arange(len(scores), device=scores.device)
    loss = functional.cross_entropy(scores, target)
    return (loss + functional.cross_entropy(scores.T, target)) / 2 if symmetric else loss


def cosine_similarities(x: Tensor, y: Tensor) -> Tensor:
    """Return the cosine of every row of ``x`` with every row of ``y``, (n, n).

    Raises
    ------
    LabError
        If there are fewer than two pairs, or the embeddings do not match.
    """
    if x.shape != y.shape or x.ndim != 2 or len(x) < 2:
        raise LabError(f"embeddings {tuple(x.shape)} and {tuple(y.shape)}",
                       expected="two matrices of the same shape, with 2 rows or more",
                       remedy="use batches of 2 or more")
    return functional.normalize(x, dim=1) @ functional.normalize(y, dim=1).T


def clip_loss(images: Tensor, captions: Tensor, log_scale: Tensor) -> Tensor:
    """Return CLIP's loss: the symmetric `info_nce` of images and captions of the whole batch.

    Parameters
    ----------
    images, captions : Tensor
        Embeddings, float (batch, dimensions); row b of both belongs together.
    log_scale : Tensor
        Logarithm of the inverse temperature, learned; the scale is kept at 100 or below.

    Returns
    -------
    Tensor
        The loss, scalar, in nats: the mean of both directions.

    Notes
    -----
    Radford et al. (2021), figure 3.
    """
    return info_nce(gather_batch(images), gather_batch(captions), symmetric=True,
                    temperature=1 / log_scale.exp().clamp(max=100))


def target_loss(images: Tensor, targets: Tensor) -> Tensor:
    """Turn each image's embedding towards a direction given beforehand.

    ``loss = mean_b (1 - cos(images_b, targets_b))``.

    Parameters
    ----------
    images, targets : Tensor
        Float (batch, dimensions); row b of both belongs together.

    Returns
    -------
    Tensor
        The loss, scalar; 1 where they have nothing in common.
    """
    images, targets = gather_batch(images), gather_batch(targets)
    return 1 - functional.cosine_similarity(images, targets, dim=1).mean()


def require_finite_loss(loss: Tensor, step: int, *, remedy: str) -> float:
    """Return a loss as a number.

    Raises
    ------
    LabError
        Where it is not finite; ``remedy`` says what to do.
    """
    value = loss.item()
    if not math.isfinite(value):
        raise LabError(f"the loss of step {step} is {value}",
                       expected="a finite loss in every step", remedy=remedy)
    return value


def gather_batch(z: Tensor) -> Tensor:
    """Stack the rows of all processes, with gradients; one process gets its own back.

    Parameters
    ----------
    z : Tensor
        Float (batch, dimensions), or labels (batch,); the same shape in every process.

    Returns
    -------
    Tensor
        (processes × batch, ...), the same in every process.

    Notes
    -----
    Backwards, each process receives the sum of all processes' gradients for its rows, which
    ``DistributedDataParallel`` then divides by their number: what remains is the gradient of
    the loss of the whole batch.
    """
    if not (distributed.is_available() and distributed.is_initialized()):
        return z
    return _Gather.apply(z)


class _Gather(autograd.Function):
    """All processes' rows; backwards, the sum of all processes' gradients for one's own."""

    @staticmethod
    def forward(ctx: object, z: Tensor) -> Tensor:
        parts = [torch.empty_like(z) for _ in range(distributed.get_world_size())]
        distributed.all_gather(parts, z.contiguous())
        return torch.cat(parts)

    @staticmethod
    def backward(ctx: object, gradient: Tensor) -> Tensor:
        total = gradient.clone(memory_format=torch.contiguous_format)
        distributed.all_reduce(total)
        return total.chunk(distributed.get_world_size())[distributed.get_rank()]
