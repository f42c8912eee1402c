"""`compare`: against SciPy, scikit-learn and the localizer; planted regions; bad input by name."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from scipy import stats
from scipy.spatial.distance import pdist
from sklearn.linear_model import Ridge
from torch import nn

from helpers.brains.files import Files
from helpers.compare import compare
from helpers.compare_inputs import open_own_network
from helpers.core.errors import LabError
from helpers.finetuning.ridge_cv import ALPHAS, make_folds
from helpers.networks.network import Network
from helpers.networks.registry import Preprocessing
from helpers.networks.weights import state_digest
from helpers.selectivity.study import localize_network
from helpers.stimuli.image_sets import image_folder

SMALL = Preprocessing(16, 16, (0.5, 0.5, 0.5), (0.25, 0.25, 0.25))
N, CATEGORIES = 36, ("dark", "light", "red")


class Twice(nn.Module):
    """A small network with a layer that is called twice, and one that never is."""

    def __init__(self):
        super().__init__()
        self.conv, self.relu = nn.Conv2d(3, 4, 5, stride=4), nn.ReLU(inplace=True)
        self.head, self.unused = nn.Linear(4 * 9, 12), nn.Linear(2, 2)

    def forward(self, x):
        return self.relu(self.head(self.relu(self.conv(x)).flatten(1)))


def build() -> nn.Module:
    torch.manual_seed(3)
    return Twice()


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    root, rng = tmp_path_factory.mktemp("images"), np.random.default_rng(0)
    for name, low, high in zip(CATEGORIES, ((0, 0, 0), (120, 120, 120), (120, 0, 0)),
                               ((90, 90, 90), (255, 255, 255), (255, 40, 40))):
        (root / name).mkdir()
        for number in range(N // len(CATEGORIES)):
            pixels = rng.integers(low, high, (16, 16, 3)).astype(np.uint8)
            Image.fromarray(pixels).save(root / name / f"{number}.png")
    return root


def activations(folder: Path) -> np.ndarray:
    images, model = image_folder(folder), build().eval()
    with torch.no_grad():
        return model(torch.stack([SMALL(images.open(i)) for i in range(N)])).numpy()


@pytest.fixture(scope="module")
def planted(folder):
    """Return responses: six voxels that the last layer drives, and four of noise."""
    rng, units = np.random.default_rng(1), activations(folder)
    units = (units - units.mean(0)) / (units.std(0) + 1e-6)
    driven = units @ rng.normal(size=(units.shape[1], 6))
    return np.hstack([driven + 0.3 * driven.std() * rng.normal(size=driven.shape),
                      rng.normal(size=(N, 4))])


ROIS = {"driven": np.arange(10) < 6, "noise": np.arange(6, 10)}


def test_planted_regions_are_found_and_noise_is_not(folder, planted):
    found = compare(build, ["conv", "relu#2"], folder, planted, rois=ROIS, preprocessing=SMALL)
    encoding = found.encoding.set_index(["layer", "roi"])
    assert encoding.loc[("relu#2", "driven"), "r"] > 0.6 > 0.45 > abs(
        encoding.loc[("relu#2", "noise"), "r"])
    rsa = found.rsa.set_index(["layer", "roi"])["spearman_r"]
    assert rsa["relu#2", "driven"] > 0.3 > abs(rsa["relu#2", "noise"])
    assert list(found.encoding["layer"].unique()) == ["conv", "relu#2"]
    assert set(found.encoding["n_voxels"]) == {6, 4} and set(found.rsa["n_images"]) == {N}
    assert found.encoding[["noise_ceiling", "r_corrected"]].isna().all(axis=None)


def test_rsa_is_that_of_scipy(folder, planted):
    found = compare(build(), ["relu#2"], folder, planted, rois=ROIS, preprocessing=SMALL).rsa
    expected = [stats.spearmanr(pdist(activations(folder), "correlation"),
                                pdist(planted[:, mask], "correlation")).statistic
                for mask in ROIS.values()]
    np.testing.assert_allclose(found["spearman_r"], expected, atol=1e-6)


def test_encoding_is_nested_cross_validation_by_scikit_learn(folder, planted):
    """Per voxel: the penalty with the best mean r on the four other folds, then the held-out r."""
    found = compare(build(), ["relu#2"], folder, planted, rois=ROIS, preprocessing=SMALL, seed=2)
    x, folds, every = activations(folder).astype(float), make_folds(N, seed=2), np.arange(N)

    def scores(test, left_out):
        fit = np.setdiff1d(every, np.concatenate([test, left_out]))
        return np.array([[stats.pearsonr(p, m).statistic for p, m in zip(
            Ridge(alpha).fit(x[fit], planted[fit]).predict(x[test]).T, planted[test].T)]
            for alpha in ALPHAS])

    r = []
    for k, test in enumerate(folds):
        inner = np.mean([scores(fold, test) for j, fold in enumerate(folds) if j != k], axis=0)
        r.append(scores(test, test)[inner.argmax(0), np.arange(10)])
    r = np.mean(r, axis=0)
    np.testing.assert_allclose(found.encoding["r"], [r[:6].mean(), r[6:].mean()], atol=1e-4)


def test_selectivity_is_that_of_the_localizer(folder, planted, private):
    model = build()
    paths = {"conv": "conv", "head": "head"}
    network = Network("own", None, model, paths, SMALL, state_digest(model.state_dict()),
                      (3, 16, 16))
    expected = localize_network(network, image_folder(folder)).table()
    found = compare(network, ["head", "conv"], folder, planted, alpha=0.05).selectivity
    key = ["layer", "domain"]
    joined = found.merge(expected, on=key, suffixes=("", "_expected"))
    assert len(joined) == 6 and found["layer"].iloc[0] == "head"
    for column in ("n_units", "n_selective", "proportion"):
        np.testing.assert_allclose(joined[column], joined[f"{column}_expected"])
    assert found["n_selective"].sum() > 0


def test_the_order_of_voxels_and_of_images_changes_nothing(folder, planted):
    first = compare(build(), ["head"], folder, planted, rois=ROIS, preprocessing=SMALL)
    order = np.random.default_rng(5).permutation(10)
    rois = {name: np.isin(order, np.arange(10)[mask]) for name, mask in ROIS.items()}
    other = compare(build(), ["head"], folder, planted[:, order], rois=rois, preprocessing=SMALL)
    np.testing.assert_allclose(first.encoding["r"], other.encoding["r"])
    images = image_folder(folder)
    rows = np.random.default_rng(6).permutation(N)
    third = compare(build(), ["head"], [images.root / images.files[i] for i in rows],
                    planted[rows], rois=ROIS, labels=[images.domains[i] for i in rows],
                    preprocessing=SMALL)
    np.testing.assert_allclose(first.rsa["spearman_r"], third.rsa["spearman_r"], atol=1e-6)
    merged = first.selectivity.merge(third.selectivity, on=["layer", "domain"])
    assert (merged["n_selective_x"] == merged["n_selective_y"]).all()


def test_noise_ceilings_and_repeats(folder, planted):
    ncsnr = np.r_[np.full(5, 2.0), np.nan, np.ones(4)]
    repeats = np.stack([planted + 1, planted - 1], axis=1)
    names = ["a"] * 6 + ["b"] * 2 + ["", "b"]
    found = compare(build(), ["head"], folder, repeats, rois=names, ncsnr=ncsnr,
                    preprocessing=SMALL).encoding.set_index("roi")
    single = compare(build(), ["head"], folder, planted, preprocessing=SMALL, rois={
        "known": np.arange(5)}).encoding
    ceiling = np.sqrt(4 / (4 + 1 / 2))
    assert found.loc["a", "noise_ceiling"] == pytest.approx(ceiling)
    assert found.loc["a", "r_corrected"] == pytest.approx(single["r"][0] / ceiling)
    assert found.loc["b", "n_voxels"] == 3 and found.loc["a", "n_voxels"] == 6


def test_layers_that_do_not_fit_into_memory_together(folder, planted, monkeypatch):
    together = compare(build(), ["conv", "head"], folder, planted, preprocessing=SMALL)
    monkeypatch.setattr("helpers.compare.MAX_BYTES", 1)
    apart = compare(build(), ["conv", "head"], folder, planted, preprocessing=SMALL)
    for name in ("selectivity", "encoding", "rsa"):
        np.testing.assert_array_equal(getattr(together, name).to_numpy(str),
                                      getattr(apart, name).to_numpy(str))


def test_another_localizer(folder, planted, tmp_path):
    images = image_folder(folder)
    for i, name in enumerate(images.files):
        (tmp_path / f"{i}.png").write_bytes((images.root / name).read_bytes())
    one = compare(build(), ["conv"], folder, planted, preprocessing=SMALL)
    two = compare(build(), ["conv"], tmp_path, planted, localizer=folder, preprocessing=SMALL)
    for name in ("selectivity", "encoding", "rsa"):
        assert getattr(one, name).equals(getattr(two, name))
    with pytest.raises(LabError, match="no folder"):
        compare(build(), ["conv"], tmp_path, planted, localizer="nowhere", preprocessing=SMALL)


def test_the_model_is_left_as_it_was(folder, planted):
    model = build().train()
    compare(model, ["head"], folder, planted, preprocessing=SMALL)
    assert model.training and not any(m._forward_hooks for m in model.modules())


# ---- bad input -----------------------------------------------------------------------------------

def raising() -> nn.Module:
    raise RuntimeError("no weights here")


def changed(values, place, value):
    values = values.copy()
    values[place] = value
    return values


REFUSED = {
    "no such layer": ({"layers": ["convv"]}, "no layer 'convv'\n.*relu#2, head.*mean 'conv'"),
    "never answers": ({"layers": ["unused"]}, "'unused' that gives a tensor.*conv, relu, relu#2"),
    "called twice only": ({"layers": ["relu#3"]}, "'relu#3' that gives.*relu, relu#2, head"),
    "a name, no list": ({"layers": "conv"}, "layers = 'conv'.*a list of layers"),
    "no layers": ({"layers": []}, r"layers = \[\].*one of conv"),
    "raises": ({"model": raising}, r"raising\(\) raised RuntimeError: no weights here"),
    "returns no module": ({"model": lambda: 3}, "a model of type int.*callable"),
    "no model": ({"model": 3}, "a model of type int"),
    "not a network": ({"model": "alexnett"}, "alexnett"),
    "size": ({"preprocessing": Preprocessing(64, 64, (0, 0, 0), (1, 1, 1))},
             "cannot take images of 64 x 64 pixels"),
    "rows": ({"responses": lambda r: r[:-1]}, "35 rows of responses and 36 images"),
    "axes": ({"responses": lambda r: r.T}, "10 rows.*pass responses.T"),
    "NaN": ({"responses": lambda r: changed(r, (3, 2), np.nan)}, "voxel 2 to image 3"),
    "objects": ({"responses": lambda r: r.astype(object)}, "object.*numbers"),
    "names": ({"rois": ["a"] * 9}, "9 names of regions and 10 voxels"),
    "mask": ({"rois": {"a": np.ones(9, bool)}}, "region 'a'.*each of 10 voxels"),
    "voxel": ({"rois": {"a": [10]}}, "region 'a'.*from 0 to 9"),
    "no voxel": ({"rois": {"a": np.zeros(10, bool)}}, "region 'a' has no voxel"),
    "ncsnr": ({"ncsnr": np.ones(3)}, r"ncsnr of shape \(3,\).*10 numbers"),
    "labels": ({"labels": ["a"] * 3}, "3 labels and 36 images"),
    "one category": ({"labels": ["a"] * N}, "all images are of one category, 'a'"),
    "one image": ({"labels": ["a"] + ["b"] * (N - 1)}, "1 image of the category 'a'"),
    "no folder": ({"images": "nowhere"}, "no folder nowhere"),
    "what images": ({"images": 3}, "images of type int"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_bad_input_is_named_before_work_begins(case, folder, planted, monkeypatch):
    options, message = REFUSED[case]
    change = options.get("responses", lambda values: values)
    monkeypatch.setattr("helpers.compare.extract_activations", None)  # nothing is computed
    arguments = {"model": build(), "layers": ["conv"], "images": folder, "preprocessing": SMALL,
                 **options, "responses": change(planted)}
    with pytest.raises(LabError, match=f"(?s){message}"):
        compare(**arguments)


def test_three_images_and_files_without_labels(folder, planted):
    three = [folder / "dark" / f"{i}.png" for i in range(3)]
    with pytest.raises(LabError, match="3 images(?s:.)*15 or more"):
        compare(build(), ["conv"], three, planted[:3], labels=["a", "a", "b"])
    with pytest.raises(LabError, match="24 images without categories"):
        compare(build(), ["conv"], Files([folder / "dark" / f"{i}.png" for i in range(12)] * 2),
                planted[:24])
    with pytest.raises(LabError, match="no file"):
        compare(build(), ["conv"], [*three, folder / "none.png"], planted[:4], labels=["a"] * 4)


def test_activations_that_are_not_finite(folder, planted):
    class Broken(Twice):
        def forward(self, x):
            return self.head(self.relu(self.conv(x)).flatten(1) / (len(x) <= 2))

    with pytest.raises(LabError, match="of head is not finite for image 0"):
        compare(Broken(), ["head"], folder, planted, preprocessing=SMALL)


def test_a_network_of_the_registry_by_name():
    found = open_own_network("torchvision:resnet18-untrained", ["layer4", "avgpool"], None)
    assert found.n_units == {"layer4": 512 * 7 * 7, "avgpool": 512}
