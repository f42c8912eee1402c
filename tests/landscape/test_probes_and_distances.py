"""Linear probes and networks that are read by them: against scikit-learn, formulas and hands."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from support.finetuned_models import (  # noqa: F401  (fixtures are used by their names)
    SPEC,
    Halves,
    readout,
    run_of,
    seen_by,
    shared,
    single,
    study_of,
    task_of,
    weights_of,
)
from support.tiny_cohort import network
from torch import nn
from torch.nn import functional
from torch.utils.data import random_split
from torchvision import transforms

from helpers.config.contrastive_finetuning import LandscapeSpec, LateralitySpec
from helpers.core.errors import LabError
from helpers.core.paths import ROOT, cache_dir
from helpers.finetuning import data, evaluate
from helpers.finetuning.evaluate import finetune, get_backbone, load_model
from helpers.landscape import study as landscape_study
from helpers.landscape.distances import MAX_DISTANCE, ignorance_model, truth_model
from helpers.landscape.logistic_probe import fit_logistic_probe, split_train_test
from helpers.landscape.study import (
    fit_probe,
    load_probe,
    load_task,
    prediction_distances,
    task_accuracies,
)
from helpers.networks.network import Network
from helpers.networks.registry import Preprocessing
from helpers.stimuli.image_sets import ImageSet, image_folder

# ---- who trains and who examines ---------------------------------------------------------------

@pytest.mark.parametrize("n", [2, 7, 100, 1477])
def test_images_are_dealt_as_published(n):
    """Published: ``torch.manual_seed(0)``, then ``random_split`` into int(0.85 n) and the rest."""
    torch.manual_seed(0)
    parts = random_split(range(n), [int(0.85 * n), n - int(0.85 * n)])
    found = split_train_test(n)
    for values, part in zip(found, parts):
        np.testing.assert_array_equal(values, sorted(part.indices))
        assert values.dtype == np.int64
    np.testing.assert_array_equal(np.sort(np.concatenate(found)), np.arange(n))
    torch.manual_seed(99)
    before = torch.get_rng_state()
    np.testing.assert_array_equal(split_train_test(n)[0], found[0])
    assert torch.equal(before, torch.get_rng_state()), "the global state is left alone"


def test_too_few_images_are_reported():
    for n in (1, 0):
        with pytest.raises(LabError, match=f"{n} images for a probe(?s:.)*larger image set"):
            split_train_test(n)


# ---- one probe ----------------------------------------------------------------------------------

def clouds(n=150, n_units=12, classes=(0, 1, 2, 3), seed=0):
    """Return overlapping clouds whose units have units and zeros of their own, and new ones."""
    rng = np.random.default_rng(seed)
    places = rng.integers(len(classes), size=2 * n)
    x = rng.normal(size=(len(classes), n_units))[places] + rng.normal(size=(2 * n, n_units))
    x = x * np.logspace(-2, 2, n_units) + rng.normal(0, 3, n_units) * np.logspace(-2, 2, n_units)
    labels = np.array(classes)[places]
    return torch.from_numpy(x[:n]).float(), labels[:n], torch.from_numpy(x[n:]).float(), labels[n:]


def best_logs(x: torch.Tensor, labels: np.ndarray, new: torch.Tensor, n_classes: int):
    """Minimise mean cross-entropy plus half the squared weights over n, to the last digit."""
    mean, scale = x.double().mean(0), x.double().std(0, correction=0)
    z, truth_ = (x.double() - mean) / scale, torch.from_numpy(labels)
    w = torch.zeros(n_classes, x.shape[1], dtype=torch.float64, requires_grad=True)
    b = torch.zeros(n_classes, dtype=torch.float64, requires_grad=True)
    steps = torch.optim.LBFGS([w, b], max_iter=2000, tolerance_grad=1e-11,
                              tolerance_change=1e-16, line_search_fn="strong_wolfe")

    def loss():
        steps.zero_grad()
        value = functional.cross_entropy(z @ w.T + b, truth_) + w.square().sum() / (2 * len(z))
        value.backward()
        return value

    steps.step(loss)
    assert max(w.grad.abs().max(), b.grad.abs().max()) < 1e-8
    return (((new.double() - mean) / scale) @ w.T + b).log_softmax(1).detach()


def test_a_probe_is_the_minimum_of_its_loss():
    """Of a network's raw features: the standardisation is in weights and bias."""
    x, labels, new, _ = clouds()
    probe = fit_logistic_probe(x, labels, 4)
    assert probe.weight.shape == (4, 12) and probe.bias.shape == (4,)
    assert probe.weight.dtype == probe.bias.dtype == np.float32
    expected = best_logs(x, labels, new, 4)
    found = probe.log_probs(new)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found.exp().double(), expected.exp(), atol=2e-3, rtol=0)
    assert expected.exp().max(1).values.mean() < 0.98, "there is something to be uncertain about"


@pytest.mark.parametrize("classes", [(0, 1, 2, 3), (0, 1), (1, 4)])
def test_a_probe_is_scikit_learns_chain_with_published_settings(classes):
    x, labels, new, _ = clouds(classes=classes, seed=1)
    chain = make_pipeline(StandardScaler(), LogisticRegression(max_iter=5000))
    expected = chain.fit(x.numpy(), labels).predict_proba(new.numpy())
    probe = fit_logistic_probe(x, labels, 5)
    found = probe.log_probs(new).exp().numpy()
    np.testing.assert_allclose(found[:, list(classes)], expected, atol=2e-4)
    by_hand = new.numpy() @ probe.weight.T + probe.bias
    np.testing.assert_array_equal(np.array(classes)[expected.argmax(1)], by_hand.argmax(1))


def test_a_class_of_which_nothing_was_taught_is_never_named():
    x, labels, new, _ = clouds(classes=(0, 2, 5))
    probe = fit_logistic_probe(x, labels, 7)
    absent = [1, 3, 4, 6]
    assert (probe.bias[absent] == -np.inf).all() and (probe.weight[absent] == 0).all()
    assert np.isfinite(probe.bias[[0, 2, 5]]).all()
    log_probs = probe.log_probs(new)
    assert (log_probs[:, absent] == -torch.inf).all() and not log_probs.isnan().any()
    torch.testing.assert_close(log_probs.exp().sum(1), torch.ones(len(new)))
    assert set(log_probs.argmax(1).tolist()) == {0, 2, 5}


@pytest.mark.parametrize("value", [0.0, 0.1, -1000.1, 1e-6])
def test_units_that_never_vary_tell_nothing(value):
    """Nor do those that vary by rounding alone, which depends on what else is in a batch."""
    x, labels, new, _ = clouds(n=151)
    still = torch.full((len(x), 3), value)
    still[::3, 1] = torch.nextafter(still[::3, 1], torch.tensor(torch.inf)) if value else 0.0
    with_still = fit_logistic_probe(torch.cat([x, still], 1), labels, 4)
    moved = torch.cat([new, still + 0.5], 1)
    torch.testing.assert_close(with_still.log_probs(moved).exp(),
                               fit_logistic_probe(x, labels, 4).log_probs(new).exp(), atol=1e-4,
                               rtol=0)


def test_what_no_probe_can_fit_is_reported():
    x, labels, _, _ = clouds()
    with pytest.raises(LabError, match="1 classes, features finite(?s:.)*two classes or more"):
        fit_logistic_probe(x, np.zeros_like(labels), 4)
    for wrong in (torch.nan, torch.inf):
        broken = x.clone()
        broken[3, 5] = wrong
        with pytest.raises(LabError, match="4 classes, features not finite(?s:.)*diverged"):
            fit_logistic_probe(broken, labels, 4)


DISPATCHED = """
import sys
import numpy as np
from sklearn.linear_model import LogisticRegression
from helpers.landscape import logistic_probe
import torch
torch.set_num_threads(1)
given = np.load(sys.argv[1])
fit, seen = LogisticRegression.fit, []
def watched(self, x, y):
    seen.append(type(x).__name__)
    return fit(self, x, y)
LogisticRegression.fit = watched
out = {}
for name in ("four", "two"):
    x, y = torch.from_numpy(given["x-" + name]), given["y-" + name]
    probe = logistic_probe.fit_logistic_probe(x, y, 5)
    out |= {"w-" + name: probe.weight, "b-" + name: probe.bias}
np.savez(sys.argv[2], seen=seen, **out)
"""


@pytest.mark.slow
def test_tensors_are_taught_where_they_are_with_the_same_result(tmp_path):
    given = {"four": clouds(), "two": clouds(classes=(1, 3), seed=2)}
    np.savez(tmp_path / "given.npz", **{f"{letter}-{name}": values for name, made in given.items()
                                        for letter, values in zip("xy", made)})
    subprocess.run([sys.executable, "-c", DISPATCHED, str(tmp_path / "given.npz"),
                    str(tmp_path / "made.npz")], check=True, cwd=ROOT, timeout=300,
                   env={**os.environ, "SCIPY_ARRAY_API": "1", "OMP_NUM_THREADS": "1"})
    made = np.load(tmp_path / "made.npz")
    assert made["seen"].tolist() == ["Tensor", "Tensor"]
    for name, (x, labels, new, _) in given.items():
        here = fit_logistic_probe(x, labels, 5)
        there = type(here)(made[f"w-{name}"], made[f"b-{name}"])
        torch.testing.assert_close(there.log_probs(new).exp(), here.log_probs(new).exp(), atol=1e-3,
                                   rtol=0)


# ---- tasks --------------------------------------------------------------------------------------

SIZES = {"cat": [(40, 40), (61, 47)], "dog": [(33, 90), (128, 100), (50, 51)], "elk": [(45, 70)]}


@pytest.fixture
def animal_images(private):
    """Return a folder of images of three classes, of several sizes."""
    rng = np.random.default_rng(0)
    for name, sizes in SIZES.items():
        folder = private / "set" / name
        folder.mkdir(parents=True)
        for i, (width, height) in enumerate(sizes):
            Image.fromarray(rng.integers(0, 255, (height, width, 3), dtype=np.uint8)).save(
                folder / f"{i}.png")
    return image_folder(private / "set")


def cropping(resize: int, crop: int, interpolation="bilinear") -> Network:
    half = (0.5, 0.5, 0.5)
    return replace(network(), preprocessing=Preprocessing(resize, crop, half, half, interpolation))


@pytest.mark.parametrize("resize, crop, image_size, shorter", [(256, 224, 28, 32), (40, 32, 32, 40),
                                                         (32, 32, 20, 20), (256, 224, 33, 38)])
def test_images_of_a_task_are_scaled_and_cropped_as_published(animal_images, resize, crop,
                                                              image_size,
                                                              shorter):
    """Published: shorter side to 256 px, then the middle 224 px; smaller in proportion."""
    task = load_task("animals", animal_images, cropping(resize, crop), image_size)
    wanted = transforms.Compose([transforms.Resize(shorter), transforms.CenterCrop(image_size),
                                 transforms.PILToTensor()])
    assert task.pixels.shape == (6, 3, image_size, image_size) and task.pixels.dtype == np.uint8
    for i, pixels in enumerate(task.pixels):
        with Image.open(animal_images.root / animal_images.files[i]) as image:
            np.testing.assert_array_equal(pixels, wanted(image).numpy())
            width, height = image.size
            scale = shorter / min(width, height)
            small = image.resize((int(width * scale + 1e-9), int(height * scale + 1e-9)),
                                 Image.Resampling.BILINEAR)
            left, top = (round((length - image_size) / 2) for length in small.size)
            np.testing.assert_array_equal(pixels.transpose(1, 2, 0), np.array(small.crop(
                (left, top, left + image_size, top + image_size))))


def test_without_a_size_a_task_has_the_networks_own(animal_images):
    own, named = (load_task("animals", animal_images, cropping(40, 24),
                            image_size) for image_size in (0, 24))
    assert own.pixels.shape == (6, 3, 24, 24) and own.digest == named.digest
    np.testing.assert_array_equal(own.pixels, named.pixels)


def test_a_task_knows_its_classes_and_deals_its_images(animal_images):
    task = load_task("animals", animal_images, network(), 32)
    assert (task.name, task.classes) == ("animals", ("cat", "dog", "elk"))
    np.testing.assert_array_equal(task.labels, [0, 0, 1, 1, 1, 2])
    for found, expected in zip((task.train_idx, task.test_idx), split_train_test(6)):
        np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(task.test_labels, task.labels[task.test_idx])


def test_images_of_a_task_are_decoded_once_in_blocks_of_any_size(animal_images, monkeypatch):
    opened_, plain = [], ImageSet.open
    monkeypatch.setattr(ImageSet, "open", lambda self, i: opened_.append(i) or plain(self, i))
    monkeypatch.setattr(data, "DECODE_BATCH_SIZE", 4)
    first = load_task("two words", animal_images, network(), 32)
    assert sorted(opened_) == list(range(6))
    again = load_task("two words", animal_images, network(), 32)
    assert len(opened_) == 6
    np.testing.assert_array_equal(again.pixels, first.pixels)
    assert len(list((cache_dir() / "pixels").glob("two_words-32px-*.npz"))) == 1
    load_task("two words", animal_images, network(), 28)
    load_task("two words", animal_images, cropping(40, 32), 32)
    assert len(opened_) == 18


def test_the_digest_of_a_task_tells_size_crop_images_and_classes_apart(animal_images):
    def digest(images=animal_images, net=None, image_size=32):
        return load_task("animals", images, net or network(), image_size).digest

    found = [digest(), digest(image_size=28), digest(net=cropping(40, 32)),
             digest(animal_images.select([0, 1, 2, 3, 5, 4])),
             digest(replace(animal_images, classes=("cat", "dog", "elk", "fox")))]
    assert len(set(found)) == len(found) and digest() == found[0]


def test_the_digest_of_a_task_tells_other_labels_of_the_same_images_apart(animal_images):
    """In Places365 a file's name does not say its class: a list does."""
    other = replace(animal_images, categories=("cat",) * 3 + ("dog",) * 2 + ("elk",))
    assert other.digest != animal_images.digest
    one, two = (load_task("animals", images, network(), 32) for images in (animal_images, other))
    assert (one.labels != two.labels).any() and one.digest != two.digest


def test_images_are_interpolated_as_the_network_wants_them(animal_images):
    plain = load_task("animals", animal_images, cropping(40, 32), 32)  # and kept
    task = load_task("animals", animal_images, cropping(40, 32, "bicubic"), 32)
    wanted = transforms.Compose([
        transforms.Resize(40, transforms.InterpolationMode.BICUBIC), transforms.CenterCrop(32),
        transforms.PILToTensor()])
    assert task.digest != plain.digest
    for pixels, name in zip(task.pixels, animal_images.files):
        with Image.open(animal_images.root / name) as image:
            np.testing.assert_array_equal(pixels, wanted(image).numpy())


# ---- networks that are probed -------------------------------------------------------------------

def test_what_is_probed_is_what_scikit_learn_makes_of_the_features(shared):
    task = task_of()
    for finetuned_model in study_of(rois=("V1v",)).networks(["pretrained", "contrastive"])[:2]:
        weights = weights_of(finetuned_model)
        found = fit_probe(finetuned_model, task, "relu")
        new = seen_by(weights, task.pixels[task.test_idx])
        expected = readout(weights, task).predict_proba(new)
        np.testing.assert_allclose(np.exp(found["log_probs"][:, :3]), expected, atol=1e-4)
        assert (found["log_probs"][:,
                                   3] == -np.inf).all() and found["log_probs"].dtype == np.float32
        right = expected.argmax(1) == task.test_labels
        assert float(found["accuracy"]) == right.mean() and 0.3 < right.mean() < 0.95
        probe = load_probe(finetuned_model, task, "relu")
        np.testing.assert_allclose(probe.log_probs(torch.from_numpy(new)).numpy(),
                                   found["log_probs"], atol=1e-4)
        np.testing.assert_array_equal(probe.weight, found["weight"])


def test_probes_read_the_layer_that_is_asked_for(shared):
    """conv and relu differ by what is below 0; fc is six numbers."""
    task, net = task_of(), network()
    found = {layer: fit_probe(run_of(net), task, layer) for layer in ("conv", "relu", "fc")}
    assert [values["weight"].shape for values in found.values()] == [(4, 196), (4, 196), (4, 6)]
    new, weights = task.pixels[task.test_idx], weights_of(run_of(net))
    raw = functional.conv2d(torch.from_numpy(new / np.float32(255)).sub(0.5).div(0.5), *weights,
                            stride=4).flatten(1)
    six = torch.from_numpy(seen_by(weights, new)) @ net.model[3].weight.T + net.model[3].bias
    for layer, features in (("conv", raw), ("fc", six.detach())):
        log_probs = load_probe(run_of(net), task, layer).log_probs(features)
        np.testing.assert_allclose(log_probs.numpy(), found[layer]["log_probs"], atol=1e-4)


def test_a_network_is_probed_once_for_each_task_layer_and_tuning(private, monkeypatch):
    task, train_idx = task_of(), []
    plain = landscape_study.fit_logistic_probe
    monkeypatch.setattr(landscape_study, "fit_logistic_probe",
                        lambda *a: train_idx.append(a) or plain(*a))
    for _ in range(2):
        first = fit_probe(run_of(network()), task, "relu")
    assert len(train_idx) == 1
    np.testing.assert_array_equal(train_idx[0][1], task.labels[task.train_idx])
    assert len(train_idx[0][0]) == len(task.train_idx) and train_idx[0][2] == 4
    for run, other, layer in ((run_of(network()), task, "fc"),
                              (run_of(network()), task_of(seed=1), "relu"),
                              (run_of(network(seed=3)), task, "relu"),
                              (run_of(cropping(40, 32)), task, "relu")):
        fit_probe(run, other, layer)
    assert len(train_idx) == 5
    again = fit_probe(run_of(network()), task, "relu")
    assert len(train_idx) == 5
    for name, values in first.items():
        np.testing.assert_array_equal(again[name], values)


def test_every_network_is_examined_on_every_task(shared):
    tasks = [task_of(), task_of(n=80, seed=5, name="more colours")]
    study = study_of()
    finetuned_models = study.networks(["pretrained", "contrastive", "pooled, avg"])
    table = task_accuracies(study, finetuned_models, tasks, "relu")
    assert table.columns.tolist() == ["donor", "seed", "roi", "hemisphere", "group", "condition",
                                      "task", "accuracy"]
    expected = [(readout(weights_of(run), task).predict(
        seen_by(weights_of(run), task.pixels[task.test_idx])) == task.test_labels).mean()
                for run in finetuned_models for task in tasks]
    np.testing.assert_allclose(table["accuracy"], expected, atol=1e-12)
    assert table["task"].tolist() == ["colours", "more colours"] * len(finetuned_models)
    assert table["donor"].tolist()[::2] == [finetuned_model.donor
                                            for finetuned_model in finetuned_models]
    assert table["accuracy"].nunique() > 3


# ---- which networks there are -------------------------------------------------------------------

def test_the_networks_of_some_kinds(shared):
    found = study_of().networks(["untrained", "pretrained", "contrastive", "pooled, avg"])
    described = [(m.condition.name, m.donor, *(m.metadata[name] for name in ("roi", "hemisphere",
                                                                             "group")),
                  len(m.training_pairs)) for m in found]
    assert described == [("untrained", "none", "none", "none", "none", 0),
                         ("pretrained", "none", "none", "none", "none", 0),
                         *(("contrastive", donor, roi, "both", group, 1) for donor, roi, group in (
                             ("A", "V1v", "early"), ("A", "PPA", "higher"), ("B", "V1v", "early"),
                             ("C", "V1v", "early"), ("C", "PPA", "higher"))),
                         ("pooled, avg", "all", "V1v", "both", "early", 3),
                         ("pooled, avg", "all", "PPA", "both", "higher", 2)]
    assert [m.network.name for m in found[:2]] == ["tiny-net-untrained", "tiny-net"]
    assert found[2].metadata == {"donor": "A", "seed": 0, "roi": "V1v", "hemisphere": "both",
                                 "group": "early", "condition": "contrastive"}
    apart = study_of(hemispheres="apart").networks(["contrastive"])
    assert len(apart) == 10 and {m.metadata["hemisphere"] for m in apart} == {"lh", "rh"}
    with pytest.raises(LabError, match="no condition 'finetuned'"):
        study_of().networks(["finetuned"])


def test_of_several_splits_the_networks_of_the_first_are_taken(shared):
    cohort = Halves(n_folds=2)
    study = study_of(cohort, subjects=("C",), rois=("PPA",))
    found, splits = study.networks(["contrastive"]), study.cohort_data.splits("C")
    assert len(found) == 1 and len(splits) == 2
    shown = cohort.stimuli.pixels[splits[0].train].transpose(0, 3, 1, 2)
    np.testing.assert_array_equal(found[0].training_pairs[0].pixels[:], shown)


def test_a_job_and_a_task_go_to_another_process_and_come_back(shared):
    finetuned_model = study_of().networks(["contrastive"])[0]
    run, task = pickle.loads(pickle.dumps((finetuned_model, task_of())))
    assert run.parts == finetuned_model.parts and task.digest == task_of().digest


def test_jobs_are_done_in_order_on_this_process_or_others(shared):
    study = study_of()
    runs = study.networks(["contrastive", "pretrained"])
    assert len(runs) > 3
    assert study.map_runs(getattr, [(run, "name") for run in runs], "names") == [
        run.name for run in runs]
    assert study.map_runs(getattr, [], "names") == []


# ---- distances ----------------------------------------------------------------------------------

def test_distances_are_those_of_the_formula_over_probed_predictions(shared):
    study, task = study_of(), task_of()
    finetuned_models = study.networks(["pretrained", "contrastive"])
    among, to_others = prediction_distances(study, finetuned_models, task, "relu", [
        truth_model(task.test_labels, 4), ignorance_model(4)])
    p = np.exp(np.stack([fit_probe(m, task,
                                   "relu")["log_probs"] for m in finetuned_models]).astype(float))
    n = len(finetuned_models)
    assert among.shape == (n, n) and to_others.shape == (2, n)
    for u in range(n):
        for v in range(n):
            direct = -np.log(np.sqrt(p[u] * p[v]).sum(1)).mean()
            assert among[u, v] == pytest.approx(direct, abs=2e-6)
        own = p[u, np.arange(len(task.test_labels)), task.test_labels]
        capped = np.where(own > 0, -np.log(np.sqrt(np.maximum(own, 1e-300))), MAX_DISTANCE)
        assert (
            capped == MAX_DISTANCE).sum() == 2, "two images are of a class that was never trained"
        assert to_others[0, u] == pytest.approx(capped.mean(), rel=1e-6)
        assert to_others[1, u] == pytest.approx(-np.log(np.sqrt(p[u] / 4).sum(1)).mean(), abs=2e-6)
    assert among[np.triu_indices(n, 1)].min() > 1e-3
    alone, nobody = prediction_distances(study, finetuned_models[:2], task, "relu")
    assert nobody.shape == (0, 2)
    np.testing.assert_allclose(alone, among[:2, :2], atol=1e-7)


def folders() -> list:
    return list(cache_dir().glob("predictions-*"))


@pytest.mark.parametrize("fails", [False, True])
def test_the_file_of_predictions_is_removed_whatever_happens(private, monkeypatch, fails):
    """While distances are computed it is there, with a row for each network."""
    study, task, seen, plain = study_of(), task_of(), [], landscape_study.bhattacharyya

    def watched(block, n_models, n_images, *rest, **options):
        seen.append([path.stat().st_size for folder in folders() for path in folder.iterdir()])
        if fails:
            raise KeyboardInterrupt
        return plain(block, n_models, n_images, *rest, **options)

    monkeypatch.setattr(landscape_study, "bhattacharyya", watched)
    finetuned_models = study.networks(["untrained", "pretrained"])
    if fails:
        with pytest.raises(KeyboardInterrupt):
            prediction_distances(study, finetuned_models, task, "relu", [ignorance_model(4)])
    else:
        prediction_distances(study, finetuned_models, task, "relu", [ignorance_model(4)])
    (size,) = seen[0]
    assert size == pytest.approx(2 * len(task.test_idx) * 4 * 4, abs=200) and not folders()


# ---- a fraction of the way
# -------------------------------------------------------------------------

class Normed(nn.Sequential):
    """The tiny network with a BatchNorm: it has counts and running means besides weights."""

    def __init__(self) -> None:
        torch.manual_seed(4)
        super().__init__(nn.Conv2d(3, 4, 5, 4), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(),
                         nn.Linear(196, 6))
        self.eval()


def normed() -> Network:
    return replace(network(), model=Normed(), digest="normed",
                   layers={"conv": "0", "relu": "2", "fc": "4"})


def test_weights_lie_a_share_of_the_way_from_the_network_to_the_tuned_one(shared):
    run = study_of(net=normed()).networks(["contrastive"])[0]
    before = {name: values.clone() for name, values in run.network.model.state_dict().items()}
    kept = finetune(run)
    after = {name: torch.from_numpy(kept[f"model/feature_extractor.backbone.{name}"])
             for name in before}
    moved = [name for name in before if (before[name] != after[name]).any()]
    assert len(moved) == len(before), "all tuning has something to show"
    for interpolation in (0.0, 0.25, 0.5, 1.0, 1):
        part = replace(run, interpolation=interpolation)
        found = get_backbone(load_model(part)).state_dict()
        assert not load_model(part).training
        for name, values in found.items():
            if not values.is_floating_point():
                assert torch.equal(values, after[name])  # a count of batches has no middle
            elif interpolation in (0, 1):
                assert torch.equal(values, (before, after)[int(interpolation)][name])
            else:
                expected = (1 - interpolation) * before[
                    name].double() + interpolation * after[name].double()
                torch.testing.assert_close(values.double(), expected, rtol=1e-5, atol=1e-7)
    for name, values in run.network.model.state_dict().items():
        assert torch.equal(values, before[name]), "the network itself stays as it was"


def test_no_share_predicts_as_the_untuned_network_and_the_whole_as_the_tuned_one(shared):
    study, task = study_of(), task_of()
    pretrained = study.networks(["pretrained"])[0]
    runs = {interpolation: study.networks(["contrastive"], interpolation=interpolation)[1]
            for interpolation in (0.0, 0.5, 1.0)}
    assert [run.interpolation for run in runs.values()] == [0.0, 0.5, 1.0]
    log_probs = {interpolation: fit_probe(run, task, "relu")["log_probs"]
                 for interpolation, run in runs.items()}
    np.testing.assert_array_equal(log_probs[0.0], fit_probe(pretrained, task, "relu")["log_probs"])
    whole = study.networks(["contrastive"])[1]
    np.testing.assert_array_equal(log_probs[1.0], fit_probe(whole, task, "relu")["log_probs"])
    middle = [(a + b) / 2 for a, b in zip(weights_of(pretrained), weights_of(whole))]
    expected = readout(middle, task).predict_proba(seen_by(middle, task.pixels[task.test_idx]))
    np.testing.assert_allclose(np.exp(log_probs[0.5][:, :3]), expected, atol=1e-4)
    assert np.abs(np.exp(log_probs[0.5]) - np.exp(log_probs[1.0])).max() > 0.02


def test_shares_have_keys_of_their_own_and_the_whole_keeps_its_old_one(shared):
    pretrained, run, *_ = (m for m in study_of().networks(["pretrained", "contrastive"]))
    assert "interpolation" not in run.parts and replace(run, interpolation=1.0).parts == run.parts
    half, most = (replace(run, interpolation=interpolation).parts for interpolation in (0.5, 0.75))
    assert half != most and half != run.parts
    assert {name: part for name, part in half.items() if name != "interpolation"} == run.parts
    halfway = replace(pretrained, interpolation=0.5)
    assert halfway.parts == pretrained.parts, "nothing lies between it and itself"


def test_a_network_is_tuned_once_for_all_shares(private, monkeypatch):
    study, task = study_of(rois=("PPA",), subjects=("C",)), task_of()
    times, plain = [], evaluate.train_model
    monkeypatch.setattr(evaluate, "train_model", lambda *a, **k: times.append(1) or plain(*a, **k))
    first, *_ = (fit_probe(m, task, "relu") for interpolation in (0.5, 1.0, 0.25)
                 for m in study.networks(["contrastive"], interpolation=interpolation))
    assert len(times) == 1
    assert len(list((cache_dir() / "finetuned").glob("*.npz"))) == 1
    assert len(list((cache_dir() / "linear_probes").glob("*.npz"))) == 3
    again, = (fit_probe(m, task, "relu") for m in study.networks(["contrastive"],
                                                                 interpolation=0.5))
    np.testing.assert_array_equal(again["log_probs"], first["log_probs"])


def test_encoding_is_judged_at_a_share_too(shared):
    study = study_of(rois=("PPA",))
    ends = study.voxel_scores(["pretrained", "contrastive"])
    parts = {interpolation: study.voxel_scores(["contrastive"], interpolation=interpolation)
             for interpolation in (0.0, 0.5, 1.0)}
    pretrained, whole = (ends[ends["condition"] == condition] for condition in ("pretrained",
                                                                                "contrastive"))
    for part, same in ((parts[0.0], pretrained), (parts[1.0], whole)):
        np.testing.assert_array_equal(part["r"], same["r"])
    assert (parts[0.5]["r"].to_numpy() != whole["r"].to_numpy()).any()
    assert (parts[0.5]["r"].to_numpy() != pretrained["r"].to_numpy()).any()
    assert parts[0.0].columns.tolist() == ends.columns.tolist()
    assert (parts[0.0]["donor"] == parts[0.0]["subject"]).all()


# ---- settings -----------------------------------------------------------------------------------

def test_a_landscape_is_mapped_by_one_of_its_tasks():
    spec = LandscapeSpec("relu", {"objects": "things/val", "places": "rooms"}, "places")
    assert spec.map_task in spec.tasks
    with pytest.raises(LabError, match="map_task = 'faces'(?s:.)*objects, places(?s:.)*landscape"):
        replace(spec, map_task="faces")
    with pytest.raises(LabError, match="none named"):
        replace(spec, tasks={})


LATERAL = LateralitySpec(("V1v", "V2v"), ("V1v",), "objects", ("pool", "conv"), "A", "V2v",
                         image_size=64)


@pytest.mark.parametrize("change, message", [
    ({"roi": "hV4"}, "roi = 'hV4'(?s:.)*V1v, V2v"),
    ({"shuffled_rois": ("V1v", "V3d")}, "V3d(?s:.)*V1v, V2v"),
    ({"layers": ()}, "layers(?s:.)*at least 1 item"), ({"rois": ()}, "rois(?s:.)*at least 1 item")])
def test_a_laterality_that_cannot_be_measured_is_reported(change, message):
    with pytest.raises((LabError, ValueError), match=message):
        replace(LATERAL, **change)


def test_laterality_is_tuned_as_finetuning_says_but_for_its_own_settings():
    spec = replace(SPEC, learning_rates=(1e-3, 1e-2), image_size=32, learning_rate=1e-4)
    found = LATERAL.finetuning_spec(spec, 5e-3)
    assert found == replace(spec, rois=("V1v", "V2v"), hemispheres="apart", learning_rates=(),
                            learning_rate=5e-3, image_size=64)
    assert replace(LATERAL, image_size=0).finetuning_spec(spec, 5e-3).image_size == 32
    assert replace(LATERAL, hemispheres="together").finetuning_spec(
        spec, 1.0).model_hemispheres == ("both",)
