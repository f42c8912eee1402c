"""A tiny study of fine-tuned networks and a classification task."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch.nn import functional

from helpers.brains.cohort import Fold, Responses
from helpers.config.contrastive_finetuning import FinetuningSpec
from helpers.core.paths import CACHE_VARIABLE
from helpers.finetuning.conditions import CONDITIONS
from helpers.finetuning.data import CohortData
from helpers.finetuning.evaluate import finetune
from helpers.finetuning.runs import FineTuningRun
from helpers.finetuning.study import FineTuningStudy
from helpers.landscape.logistic_probe import split_train_test
from helpers.landscape.study import ClassificationTask
from helpers.networks.network import Network
from helpers.training.processes import single_thread
from support.tiny_cohort import RandomImages, TinyCohort, network

SPEC = FinetuningSpec("tiny-net", "tiny-net-untrained", rois=("V1v", "PPA"),
                      layers=("conv", "relu", "fc"), hemispheres="together", min_voxels=10,
                      epochs=2, regression_epochs=2, batch_size=16, learning_rate=1e-2,
                      regression_learning_rate=1e-2)


@pytest.fixture(autouse=True, scope="module")
def single():
    """Small sums are fastest on one thread."""
    with single_thread():
        yield


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """One cache for tests of what is found; those of what is remembered have private ones."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(CACHE_VARIABLE, str(tmp_path_factory.mktemp("cache")))
        yield


class Halves(TinyCohort):
    """Two regions of 24 voxels, half of them in each hemisphere; B lacks the PPA."""

    def __init__(self, n_folds: int = 1) -> None:
        super().__init__(n_repeats=1, noise=0.2)
        self.n_folds = n_folds

    def rois(self, subject):
        return ("V1v",) if subject == "B" else ("V1v", "PPA")

    def digest(self, subject):
        return f"{subject}-halves-{self.n_folds}"

    def folds(self, subject):
        if self.n_folds == 1:
            return super().folds(subject)
        own = self.shown(subject)[20:]
        first, last = own[:20], own[20:]
        return tuple(Fold(train, test, ((train[:12], train[12:]),))
                     for train, test in ((first, last), (last, first)))

    def responses(self, subject, rois):
        conditions = self.shown(subject)
        rng = np.random.default_rng([3, self.subjects.index(subject)])
        halves = self.stimuli.pixels.reshape(self.n_conditions, 32, 2, 16, 3).mean((1, 3)) / 50
        seen = halves.reshape(self.n_conditions, 6)
        betas = seen @ rng.normal(size=(6, 48)) + rng.normal(0, 0.2, (self.n_conditions, 48))
        first = np.arange(48) < 24
        members = {"V1v": first, "PPA": ~first}
        return Responses(subject, conditions, betas[conditions][:, None].astype(np.float32),
                         np.tile(np.repeat(["lh", "rh"], 12), 2), np.arange(48),
                         {roi: members[roi] for roi in rois if roi in self.rois(subject)},
                         np.ones(48, np.float32))


def study_of(cohort=None, net=None, n_jobs=1, **changes) -> FineTuningStudy:
    return FineTuningStudy.from_cohort(cohort or Halves(), replace(SPEC, **changes),
                                       net or network(),
                                       network("tiny-net-untrained", seed=1), n_jobs=n_jobs)


def run_of(net: Network) -> FineTuningRun:
    """Return the job of leaving a network as it is."""
    return FineTuningRun(CohortData(Halves(), SPEC, 32), net, CONDITIONS["pretrained"])


def task_of(n=120, n_classes=3, seed=0, name="colours", strength=0.45) -> ClassificationTask:
    """Return noisy images of tinted sides; the last of the classes is never trained."""
    rng = np.random.default_rng(seed)
    train_idx, test_idx = split_train_test(n)
    labels = rng.integers(n_classes, size=n)
    labels[test_idx[:2]] = n_classes
    tint = rng.integers(60, 200, (n_classes + 1, 3, 1, 2)).repeat(16, 3)
    noise = RandomImages(n, seed=seed + 9).pixels.transpose(0, 3, 1, 2)
    pixels = ((1 - strength) * noise + strength * tint[labels]).astype(np.uint8)
    classes = tuple(f"class {i}" for i in range(n_classes + 1))
    return ClassificationTask(name, pixels, labels, classes, train_idx, test_idx,
                              f"{name}-{n}-{n_classes}-{seed}-{strength}")


def seen_by(weights, pixels: np.ndarray) -> np.ndarray:
    """Return what the tiny network's ReLU makes of images, by its ``weight, bias``."""
    x = torch.from_numpy(pixels / np.float32(255)).float().sub(0.5).div(0.5)
    return functional.conv2d(x, *weights, stride=4).clamp(min=0).flatten(1).numpy()


def weights_of(run: FineTuningRun) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the first layer of the tiny network: as it is, or as it was kept when tuned."""
    if not run.regions:
        return tuple(one.detach() for one in (run.network.model[0].weight,
                                              run.network.model[0].bias))
    kept = finetune(run)
    return tuple(torch.from_numpy(kept[f"model/feature_extractor.backbone.0.{name}"])
                 for name in ("weight", "bias"))


def readout(weights, task: ClassificationTask):
    """Teach scikit-learn's own chain what the tiny network's ReLU makes of a task."""
    chain = make_pipeline(StandardScaler(), LogisticRegression(max_iter=5000))
    return chain.fit(seen_by(weights, task.pixels[task.train_idx]), task.labels[task.train_idx])
