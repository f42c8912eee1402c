"""Classifiers and lesion experiments: tiny images, the lab, real photographs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from helpers import lab
from helpers.config.contrastive_coding import ReadoutSpec
from helpers.config.profile import load_profile
from helpers.core.errors import LabError
from helpers.core.paths import ROOT
from helpers.lesions.deficits import compute_deficits, group_means
from helpers.lesions.study import (
    activation_deficit_by_layer,
    compare_own_class_effects,
    group_images,
    lesion_network,
    own_class_effects,
)
from helpers.networks.architectures import build, layer_names
from helpers.networks.network import Network, load_network
from helpers.networks.registry import Preprocessing, get_entry
from helpers.networks.weights import state_digest
from helpers.selectivity.localizer_result import NONE, LocalizerResult
from helpers.selectivity.study import localize_network
from helpers.stimuli.image_sets import FLOC, ImageSet, floc, image_folder, imagenet
from helpers.training import classifiers
from helpers.training.classifiers import (
    attach_readout,
    builtin_classifier,
    cached_readout,
    fit_readout,
    make_epoch_iterator,
    open_classifier,
)

REAL = ROOT.parent / "shared" / "data"
VIEW = Preprocessing(64, 64, (0.5,) * 3, (0.25,) * 3)
SMALL = {"channels": [32, 32, 32, 32, 32], "pool": 2, "projector": [24, 12, 8]}


def tiny_network(seed: int = 0) -> Network:
    model = build("alexnet_gn", SMALL, seed=seed)
    return Network("tiny", get_entry("demo-untrained"), model, layer_names(model), VIEW,
                   state_digest(model.state_dict()), (3, 64, 64))


@pytest.fixture(scope="module")
def coloured(tmp_path_factory) -> ImageSet:
    """Write four classes in two domains: noise of four colours, twelve images each."""
    root = tmp_path_factory.mktemp("coloured") / "train"
    rng = np.random.default_rng(0)
    tints = {"blue": (0, 0, 1), "green": (0, 1, 0), "grey": (1, 1, 1), "red": (1, 0, 0)}
    for name, tint in tints.items():
        (root / name).mkdir(parents=True)
        for number in range(12):
            pixels = rng.uniform(0, 255, (8, 8, 1)) * np.array(tint)
            image = Image.fromarray(pixels.astype(np.uint8)).resize((64, 64))
            image.save(root / name / f"{number}.png")
    (root.parent / "classes.csv").write_text(
        "class,domain\nblue,faces\ngreen,faces\ngrey,bodies\nred,bodies\n")
    return image_folder(root)


def localizer_result_of(network: Network, labels: dict[str, np.ndarray]) -> LocalizerResult:
    return LocalizerResult(("faces", "bodies"), labels, {}, {}, {})


# ---- readouts -----------------------------------------------------------------------------------

SPEC = ReadoutSpec("diet", "train", epochs=6, batch_size=8, size=64, min_crop_fraction=0.5)


def test_a_readout_is_trained_on_images_on_disk(coloured):
    network = tiny_network()
    weight, losses = fit_readout(network, "relu7", coloured, SPEC, seed=0)
    assert weight.shape == (4, 12) and len(losses) == 6 and losses[-1] < losses[0]
    before = network.digest
    assert state_digest(network.model.state_dict()) == before  # the trunk is frozen, buffers too


def test_epochs_differ_in_views_and_order_and_are_reproducible(coloured):
    iter_epoch = make_epoch_iterator(tiny_network(), "relu7", coloured, SPEC, seed=0)
    first, again, second = (list(iter_epoch(number)) for number in (0, 0, 1))
    assert len(first) == 6 and all(len(labels) == 8 for _, labels in first)
    order = [torch.cat([labels for _, labels in epoch]) for epoch in (first, again, second)]
    assert torch.equal(order[0], order[1]) and not torch.equal(order[0], order[2])
    assert sorted(order[2].tolist()) == sorted(coloured.labels.tolist())  # every image once
    for (a, _), (b, _), (c, _) in zip(first, again, second):
        assert torch.equal(a, b) and not torch.equal(a, c)
    views = make_epoch_iterator(tiny_network(), "relu7", coloured.select([0] * 8), SPEC, seed=0)
    (features, _), = views(0)
    assert len(features.unique(dim=0)) > 4  # one image, eight random crops


def test_a_readouts_training_is_resumed_and_cached(coloured, private, monkeypatch):
    network = tiny_network()
    expected, _ = fit_readout(network, "relu7", coloured, SPEC, seed=3)
    real, steps = classifiers.train_readout, []

    def interrupted(*arguments, on_step, **options):
        def stop(step: int, loss: float) -> None:
            steps.append(step)
            if len(steps) == 15:
                raise KeyboardInterrupt
            on_step(step, loss)
        return real(*arguments, on_step=stop, **options)

    monkeypatch.setattr(classifiers, "train_readout", interrupted)
    with pytest.raises(KeyboardInterrupt):
        cached_readout(network, "relu7", coloured, SPEC, seed=3)
    weight = cached_readout(network, "relu7", coloured, SPEC, seed=3)
    assert torch.equal(weight, expected)
    assert steps[15] == 13 and len(steps) == 15 + 36 - 12  # two whole epochs were kept
    assert torch.equal(cached_readout(network, "relu7", coloured, SPEC, seed=3), expected)
    assert len(steps) == 39
    assert [path.suffix for path in (private / "cache" / "readouts").glob("tiny*")
            if "state" in path.name] == []


def test_the_last_batch_is_kept_as_published(coloured):
    """The published loader drops none (drop_last=False); a set smaller than a batch is one."""
    for batch_size, sizes in ((20, [20, 20, 8]), (64, [48])):
        spec = replace(SPEC, batch_size=batch_size, epochs=2)
        iter_epoch = make_epoch_iterator(tiny_network(), "relu7", coloured, spec, seed=0)
        assert [len(labels) for _, labels in iter_epoch(0)] == sizes
        _, losses = fit_readout(tiny_network(), "relu7", coloured, spec, seed=0)
        assert len(losses) == 2, "as many steps as the schedule has"


@pytest.mark.slow
@pytest.mark.parametrize(("name", "last"), [
    ("torchvision:alexnet", "relu7"), ("torchvision:resnet18", "avgpool"),
    ("torchvision:squeezenet1_0", "classifier.0"), ("torchvision:vit_b_16", "encoder.ln")])
def test_a_networks_own_classifier_begins_at_its_last_learned_layer(name, last):
    listed = get_entry(name)
    assert listed.classifies_imagenet and not get_entry(f"{name}-untrained").classifies_imagenet
    result = builtin_classifier(load_network(get_entry(f"{name}-untrained")))
    assert list(result.layers)[-1] == last
    assert result.select_lesionable_layers([last, f"{last}#2", "fc8", "heads.head"]) == [last,
                                                                                        f"{last}#2"]


def test_readouts_that_do_not_fit_are_refused():
    network = tiny_network()
    with pytest.raises(LabError, match=r"\(4, 5\) for relu7 of tiny(?s:.)*\(n_classes, 12\)"):
        attach_readout(network, torch.zeros(4, 5), "relu7")
    with pytest.raises(LabError, match="no layer 'relu8'(?s:.)*conv1"):
        attach_readout(network, torch.zeros(4, 5), "relu8")


# ---- outcomes of lesions ------------------------------------------------------------------------

def test_classes_of_few_images_are_pooled_by_domain(coloured):
    by_class, pooled = group_images(coloured, min_images=12), group_images(coloured, min_images=13)
    assert by_class.names == coloured.classes and not by_class.pooled
    assert pooled.names == ("bodies", "faces") and pooled.pooled
    assert pooled.group_of_image.tolist() == [1] * 24 + [0] * 24
    assert pooled.class_proportions.tolist() == [[0, 0.5], [0, 0.5], [0.5, 0], [0.5, 0]]
    assert np.bincount(2 * pooled.group_of_image + pooled.half).tolist() == [12, 12, 12, 12]
    one_each = coloured.select(range(0, 48, 12))
    assert group_images(one_each, min_images=1).half.tolist() == [0, 0, 0, 0]


@pytest.fixture
def planted(coloured, private):
    """A readout: blue and green depend on six units of relu7, grey and red on six others."""
    network = tiny_network()
    rng = torch.Generator().manual_seed(0)
    weight, _ = fit_readout(network, "relu7", coloured, replace(SPEC, epochs=12), seed=0)
    weight = torch.randn(weight.shape, generator=rng).abs()
    weight[:2, 6:] = 0
    weight[2:, :6] = 0
    label = np.where(np.arange(12) < 6, 0, 1).astype(np.uint8)
    labels = {name: np.full(n, NONE, np.uint8) for name, n in (("relu6", 24), ("relu7", 12))}
    labels["relu7"] = label
    return attach_readout(network, weight, "relu7"), localizer_result_of(network, labels)


def test_ranks_and_activations_equal_those_of_separate_passes(planted, coloured):
    classifier, result = planted
    outcome = lesion_network(classifier, result, coloured, n_random=2, seed=5, batch_size=7)
    assert outcome.ranks.shape == (1 + 2 * 3, 48) and outcome.domains == ("faces", "bodies")
    assert {k: v.tolist() for k, v in outcome.n_lesioned.items()} == {"relu6": [0, 0],
                                                                      "relu7": [6, 6]}
    images = next(coloured.batches([range(48)], VIEW))
    labels = torch.from_numpy(coloured.labels)
    weight = classifier.model.readout.weight
    with torch.inference_mode():
        features = network_features(classifier, images)
        for row, keep in ((0, torch.ones(12)), (1, torch.arange(12) >= 6),
                          (2, torch.arange(12) < 6)):
            logits = (features * keep) @ weight.T
            expected = (logits >= logits.gather(1, labels[:, None])).sum(1) - 1
            assert (outcome.ranks[row] == expected.numpy()).mean() > 0.95, row  # batches differ
    by_class = group_images(coloured)
    deficit = outcome.compute_deficits(1, by_class)
    correct = outcome.correct(1)
    assert deficit[0, 1] == pytest.approx(group_means(correct[0], coloured.labels, 4)
                                          - group_means(correct[2], coloured.labels, 4))
    profile = outcome.activation_by_group("relu7", by_class)[0]
    for label in range(4):
        assert profile[0, label] == pytest.approx(
            float(features[labels == label][:, :6].mean()), rel=1e-4)
    assert np.isnan(outcome.activation_by_group("relu6", by_class)).all()  # no units there
    table = activation_deficit_by_layer(outcome, by_class, 1)
    assert len(table) == 2 * 3 * 2
    row = table[(table["layer"] == "relu7") & (table["draw"] == 0)].set_index("domain")["r"]
    expected = np.corrcoef(profile[1], -deficit[0, 1])[0, 1]
    assert row["bodies"] == pytest.approx(expected, nan_ok=True)


def network_features(classifier, images):
    model = classifier.network.model
    return model.projector[:6](model.flatten(model.pool(model.backbone(images))))


def test_halves_and_pooled_groups_use_their_own_images(planted, coloured):
    classifier, result = planted
    outcome = lesion_network(classifier, result, coloured, n_random=2, seed=5)
    ranks = np.random.default_rng(0).integers(0, 4, outcome.ranks.shape).astype(np.uint16)
    outcome = replace(outcome, ranks=ranks)  # halves that differ
    pooled = group_images(coloured, min_images=13)
    whole, a, b = (outcome.compute_deficits(1, pooled, half=half) for half in (None, 0, 1))
    assert whole == pytest.approx((a + b) / 2) and a != pytest.approx(b)
    for half, deficits_of_half in ((0, a), (1, b)):
        rows = pooled.half == half
        expected = compute_deficits(outcome.correct(1)[:, rows], pooled.group_of_image[rows], 2)
        assert deficits_of_half.reshape(expected.shape) == pytest.approx(expected)
    by_class = outcome.activation_by_group("relu7", group_images(coloured))
    assert outcome.activation_by_group("relu7",
                                       pooled)[..., 1] == pytest.approx(by_class[..., :2].mean(-1))


def test_a_lesion_of_units_that_a_readout_needs_impairs_its_classes(planted, coloured):
    classifier, result = planted
    outcome = lesion_network(classifier, result, coloured, n_random=3, seed=0)
    own = group_images(coloured)
    silent = outcome.correct(1)[1][coloured.labels < 2]
    assert not silent.any()  # nothing is left to read blue and green from
    test, random = own_class_effects(outcome, own, 1, "faces", seed=0)
    deficit = outcome.compute_deficits(1, own)[:, 0]
    assert test.value == pytest.approx(deficit[0, :2].mean() - deficit[0, 2:].mean())
    assert random == pytest.approx([row[:2].mean() - row[2:].mean() for row in deficit[1:]])
    other = lesion_network(classifier, result, coloured, n_random=0, seed=0)
    same = compare_own_class_effects(outcome, other, own, 1, "faces", seed=0)
    assert (same.value, same.low, same.high) == (0, 0, 0)
    spared = replace(other, ranks=np.repeat(other.ranks[:1], len(other.ranks), axis=0))
    less = compare_own_class_effects(spared, outcome, own, 1, "faces", seed=0)
    assert less.value == pytest.approx(-test.value)
    assert (less.low, less.high) == pytest.approx((-test.high, -test.low), abs=0.1)


@pytest.mark.slow
def test_lesions_are_cached_by_content(planted, coloured, monkeypatch):
    classifier, result = planted
    first = lesion_network(classifier, result, coloured, n_random=2, seed=5)
    monkeypatch.setattr("helpers.lesions.study.run_lesions",
                        lambda *_, **__: pytest.fail("again"))
    again = lesion_network(classifier, result, coloured, n_random=2, seed=5, batch_size=3)
    assert (first.ranks == again.ranks).all()
    renamed = replace(coloured, classes=coloured.classes[::-1])  # the same files, other labels
    with pytest.raises(pytest.fail.Exception, match="again"):
        lesion_network(classifier, result, renamed, n_random=2, seed=5)
    for change in ({"seed": 6}, {"n_random": 3}, {"method": "relu7"}):
        with pytest.raises(pytest.fail.Exception, match="again"):
            lesion_network(classifier, result, coloured, **({"n_random": 2, "seed": 5} | change))


def test_the_largest_t_values_can_be_lesioned_instead(planted, coloured):
    classifier, result = planted
    t_mean = {name: np.random.default_rng(0).normal(size=(2, len(values))).astype(np.float32)
              for name, values in result.labels.items()}
    outcome = lesion_network(classifier, replace(result, t_mean=t_mean), coloured, fraction=0.25,
                             n_random=0)
    assert outcome.n_lesioned["relu6"].tolist() == [6, 6]


def test_a_classifier_of_other_classes_is_refused(planted, coloured):
    classifier, result = planted
    other = attach_readout(classifier.network, torch.zeros(7, 12), "relu7")
    with pytest.raises(LabError, match=r"names \(7,\) classes(?s:.)*has 4"):
        lesion_network(other, result, coloured, n_random=0)


@pytest.mark.slow
def test_a_residual_network_is_localized_and_lesioned_call_by_call(tmp_path, private):
    """From images to deficits, in all calls of the ReLUs that blocks share."""
    rng, wnids = np.random.default_rng(0), ("n01440764", "n02085620", "n03028079")
    for category in (*FLOC, *wnids):
        (tmp_path / category).mkdir()
        for number in range(4):
            pixels = rng.integers(0, 255, (8, 8), dtype=np.uint8)
            Image.fromarray(pixels).resize((64, 64)).save(tmp_path / category / f"{number}.png")
    for name, members in (("floc", FLOC), ("imagenet", wnids)):
        (tmp_path / name).mkdir()
        for category in members:
            (tmp_path / category).rename(tmp_path / name / category)
    network = replace(load_network(get_entry("torchvision:resnet18-untrained")), preprocessing=VIEW)
    result = localize_network(network, floc(tmp_path / "floc"), alpha=0.5)
    photographs = imagenet(tmp_path / "imagenet")
    outcome = lesion_network(builtin_classifier(network), result, photographs, fraction=0.2,
                             n_random=1)
    assert len(outcome.n_units) == 17 and "layer1.0.relu#2" in outcome.n_units
    assert "fc" not in outcome.activation and "avgpool" in outcome.activation
    assert "scrambled" in result.domains and outcome.domains == tuple(
        domain for domain in result.domains if domain != "scrambled")
    assert outcome.ranks.shape == (11, 12) and (outcome.ranks[1:] != outcome.ranks[0]).any()
    assert group_images(photographs).names == ("dogs", "fish and sea animals", "scenes")


# ---- classifiers of a profile -------------------------------------------------------------------

def test_a_missing_readout_says_how_to_train_it(private, monkeypatch):
    monkeypatch.setattr(lab, "load_profile", lambda _: replace(load_profile("demo"), readout=None))
    monkeypatch.setattr(classifiers, "readout_file", lambda *_: None)
    with pytest.raises(LabError, match=r"demo-untrained is missing(?s:.)*\[readout\]"):
        open_classifier(lab.open("demo", notebook="none"), "demo-untrained")


@pytest.mark.slow
def test_any_network_gets_a_readout_from_its_last_layer(coloured, private, monkeypatch):
    """No table in the registry is needed: a residual network without labels learns four names."""
    profile = replace(load_profile("demo"), readout=replace(SPEC, epochs=1))
    monkeypatch.setattr(lab, "load_profile", lambda _: profile)
    laboratory = lab.open("demo", notebook="none")
    monkeypatch.setattr(lab.Laboratory, "images", lambda *_: coloured)
    classifier = open_classifier(laboratory, "torchvision:resnet18-untrained")
    assert list(classifier.layers)[-1] == "avgpool" and classifier.weight.shape == (4, 512)
    assert "readout of torchvision:resnet18-untrained" in laboratory.provenance.inputs


def test_a_profile_without_lesions_is_refused(private):
    profile = replace(load_profile("demo"), lesions=None)
    with pytest.raises(LabError, match=r"no table \[lesions\](?s:.)*copy it from"):
        profile.table("lesions")


@pytest.mark.slow
@pytest.mark.skipif(not (REAL / "imagenet").is_dir(), reason="no ../shared/data/imagenet here")
def test_a_real_network_names_real_photographs(private, monkeypatch):
    """Every fourth photograph: top-5 accuracy near the 83 % that the data's README reports."""
    monkeypatch.setenv("LAB_DATA", str(REAL))
    laboratory = lab.open("mini", notebook="test")
    classifier = open_classifier(laboratory, "squeezenet1_0-imagenet")
    images = laboratory.images("imagenet", "val")
    assert len(images) == 1000 and group_images(images).pooled
    few = images.select(range(0, 1000, 4))
    last = list(classifier.layers)[-1]
    labels = np.arange(13 * 13 * 512) % 50
    result = LocalizerResult(("faces", "bodies"), {last: labels.astype(np.uint8)}, {}, {}, {})
    outcome = lesion_network(classifier, result, few, method=last, n_random=0)
    assert 0.75 < outcome.correct(5)[0].mean() < 0.92
    assert outcome.ranks.max() < 1000
    assert Path(images.root).name == "val"
