"""A cohort in memory and a network, small and fully known, for tests of what works on cohorts."""

from __future__ import annotations

import hashlib

import numpy as np
import torch
from PIL import Image
from torch import nn

from helpers.brains.cohort import Cohort, Fold, Responses
from helpers.networks.network import Network
from helpers.networks.registry import Preprocessing
from helpers.stimuli.image_source import ImageSource


class RandomImages(ImageSource):
    """Small images of random colours."""

    def __init__(self, n: int, side: int = 32, seed: int = 0) -> None:
        rng = np.random.default_rng(seed)
        coarse = rng.integers(0, 255, (n, 8, 8, 3), dtype=np.uint8)
        self.pixels = coarse.repeat(side // 8, 1).repeat(side // 8, 2)
        self.opened = 0

    def __len__(self) -> int:
        return len(self.pixels)

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.pixels.tobytes()).hexdigest()

    def open(self, index: int) -> Image.Image:
        self.opened += 1
        return Image.fromarray(self.pixels[index])


class TinyCohort(Cohort):
    """Three participants; images 0-19 are shown to all, others to one; B lacks the PPA."""

    name, units = "tiny", "z"
    subjects = ("A", "B", "C")

    def __init__(self, *, images_per_condition: int = 1, n_repeats: int = 3,
                 noise: float = 0.5) -> None:
        self.n_conditions = 140
        self.stimuli = RandomImages(self.n_conditions * images_per_condition)
        self.condition_of = np.repeat(np.arange(self.n_conditions), images_per_condition)
        self.n_repeats, self.noise, self.read = n_repeats, noise, 0

    def shown(self, subject: str) -> np.ndarray:
        first = 20 + 40 * self.subjects.index(subject)
        return np.r_[np.arange(20), np.arange(first, first + 40)]

    def rois(self, subject: str) -> tuple[str, ...]:
        return ("FFA-1",) if subject == "B" else ("FFA-1", "PPA")

    def folds(self, subject: str) -> tuple[Fold, ...]:
        own = self.shown(subject)[20:]
        return (Fold(own[:25], np.arange(20), ((own[:25], own[25:]),)),)

    def digest(self, subject: str) -> str:
        return f"{subject}-{self.n_repeats}-{self.noise}-{len(self.stimuli)}"

    def truth(self, subject: str) -> np.ndarray:
        """Signal (n_conditions, 8): mean redness, then mean blueness, each with other gains."""
        pixels = self.stimuli.pixels.reshape(self.n_conditions, -1, *self.stimuli.pixels.shape[1:])
        colours = pixels.mean((1, 2, 3)) / 50
        gains = np.random.default_rng(self.subjects.index(subject)).uniform(0.5, 1.5, 8)
        return np.repeat(colours[:, [0, 2]], 4, axis=1) * gains

    def responses(self, subject, rois):
        self.read += 1
        conditions = self.shown(subject)
        rng = np.random.default_rng(7 + self.subjects.index(subject))
        signal = self.truth(subject)[conditions][:, None]
        betas = signal + rng.normal(0, self.noise, (len(conditions), self.n_repeats, 8))
        half = np.arange(8) < 4
        members = {"FFA-1": half, "PPA": ~half & (subject != "B")}
        return Responses(subject, conditions, betas.astype(np.float32),
                         np.array(["lh"] * 4 + ["rh"] * 4), np.arange(8),
                         {roi: members[roi] for roi in rois if roi in self.rois(subject)},
                         np.array([1, 1, 1, 0.2, 1, 1, 0.1, np.nan], np.float32),
                         {"constant or NaN": 2})


def network(name="tiny-net", seed=0) -> Network:
    """Build a network of three layers, with 196, 196 and 6 units."""
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Conv2d(3, 4, 5, 4), nn.ReLU(inplace=True), nn.Flatten(),
                          nn.Linear(4 * 7 * 7, 6)).eval()
    layers = {"conv": "0", "relu": "1", "fc": "3"}
    half = (0.5, 0.5, 0.5)
    return Network(name, None, model, layers, Preprocessing(32, 32, half, half), f"{name}{seed}",
                   (3, 32, 32))
