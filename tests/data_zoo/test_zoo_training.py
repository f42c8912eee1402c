"""The zoo: images in memory, and whether the committed networks are those of their record."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch
from PIL import Image

from data.synthetic.image_files import write_diet, write_faces_diet
from data.zoo import training as zoo
from helpers.config.profile import load_profile
from helpers.core.errors import LabError
from helpers.core.paths import zoo_dir
from helpers.networks.network import load_network
from helpers.networks.registry import get_entry
from helpers.selectivity.linear_probes import knn_accuracy
from helpers.stimuli.image_sets import image_folder
from helpers.stimuli.in_memory import raw_pixels, read_images
from helpers.training.augmentation import Augmentation, resize_and_normalise
from helpers.training.classifiers import read_readout_weight

RECORD = zoo_dir() / "zoo.json"
RECORDS = json.loads(RECORD.read_text(encoding="utf-8")) if RECORD.is_file() else {}
needs_zoo = pytest.mark.skipif(not RECORDS, reason="there is no zoo yet: make zoo")


@pytest.fixture
def folder(tmp_path):
    """Write three classes of four smooth images, named so that text order would be wrong."""
    rng = np.random.default_rng(0)
    for name in ("a", "b", "c"):
        (tmp_path / name).mkdir()
        for i in (1, 2, 10, 11):
            coarse = Image.fromarray(rng.integers(256, size=(5, 5, 3), dtype=np.uint8))
            coarse.resize((80, 80), Image.Resampling.BICUBIC).save(tmp_path / name / f"{i}.png")
    return tmp_path


def test_images_are_read_in_order(folder):
    images = read_images(folder)
    assert images.classes == ("a", "b", "c")
    assert images.labels.tolist() == [0] * 4 + [1] * 4 + [2] * 4
    assert images.images.shape == (12, 3, 80, 80) and images.images.dtype == torch.uint8
    third = np.asarray(Image.open(folder / "a" / "10.png"))
    assert np.array_equal(images.images[2].permute(1, 2, 0).numpy(), third)
    assert torch.equal(images.first_per_class(1).images, images.images[::4])


def test_images_of_several_sizes_are_refused(folder):
    Image.new("RGB", (70, 80)).save(folder / "b" / "12.png")
    with pytest.raises(LabError, match="images of 2 sizes"):
        read_images(folder)


def test_a_plain_view_is_what_the_preprocessing_gives(folder):
    """Probes scale whole batches; notebooks scale image by image, rounding to 8 bits."""
    images, seen = read_images(folder), get_entry("demo-untrained").preprocessing
    view = resize_and_normalise(images.images,
                                Augmentation(size=seen.crop, mean=seen.mean, std=seen.std))
    one_by_one = torch.stack([seen(Image.fromarray(image.permute(1, 2, 0).numpy()))
                              for image in images.images])
    assert (view - one_by_one).abs().max() <= 1.01 / 255 / 0.25


def test_raw_pixels_are_means_of_squares(folder):
    images = read_images(folder)
    rows = raw_pixels(images, side=1)
    assert rows.shape == (12, 3)
    middle = images.images.float().mean((2, 3)).numpy() / 255
    assert np.corrcoef(rows.ravel(), middle.ravel())[0, 1] > 0.8


def test_a_network_without_recipe_is_named():
    with pytest.raises(LabError, match="no recipe for 'demo-untrained'"):
        zoo.train_demo_network("demo-untrained", None, seed=0)


def test_records_are_kept_side_by_side(tmp_path):
    zoo.update_record("b", {"x": 1}, tmp_path / "zoo.json")
    zoo.update_record("a", {"x": 2}, tmp_path / "zoo.json")
    zoo.update_record("b", {"x": 3}, tmp_path / "zoo.json")
    assert json.loads((tmp_path / "zoo.json").read_text()) == {"a": {"x": 2}, "b": {"x": 3}}


@pytest.fixture(scope="module")
def rehearsal(tmp_path_factory):
    """Return a function that renders the few images a rehearsal needs: diet → Images."""
    sizes, folder = load_profile("demo").synthetic, tmp_path_factory.mktemp("diets")

    def n(name, n_classes):
        return zoo.n_images_per_class_to_reproduce(zoo.RECIPES[name], n_classes)


    def render(name):
        path = folder / zoo.DIET_OF_NETWORK[name]
        if not path.exists() and zoo.DIET_OF_NETWORK[name] == "diet":
            write_diet(path, seed=sizes.seed, n_train=48 * n(name, 48), n_val=48,
                       size=sizes.diet_size)
        elif not path.exists():
            write_faces_diet(path, seed=sizes.seed, n_identities=sizes.face_identities,
                             n_train_per_identity=n(name, sizes.face_identities),
                             n_val_per_identity=1, size=sizes.diet_size)
        return read_images(path / "train")
    return render


@pytest.mark.slow
@needs_zoo
@pytest.mark.parametrize("name", zoo.RECIPES)
def test_training_again_begins_as_recorded(rehearsal, name):
    losses = zoo.reproduce_losses(name, rehearsal(name), seed=RECORDS[name]["seed"])
    assert losses == pytest.approx(RECORDS[name]["rehearsal_losses"], rel=2e-2)


@needs_zoo
@pytest.mark.parametrize("name", [zoo.UNTRAINED_NETWORK, *zoo.RECIPES])
def test_committed_weights_are_those_of_the_record(name):
    network = load_network(get_entry(name), zoo_dir() / get_entry(name).file)
    assert network.digest == RECORDS[name]["digest"]
    assert len(network.layers) == 28


@needs_zoo
def test_every_network_of_the_zoo_has_its_readout():
    for name in (zoo.UNTRAINED_NETWORK, *zoo.RECIPES):
        listed = get_entry(name).readout
        weight = read_readout_weight(zoo_dir() / listed.file, 256)
        assert weight.shape == (48, 256) and name in RECORDS
        record = RECORDS[name]["readout"]
        assert record["mean magnitude"] == pytest.approx(float(weight.abs().mean()), abs=1e-3)
        assert record["epoch_losses"][-1] < record["epoch_losses"][0]


@needs_zoo
@pytest.mark.slow
@pytest.mark.parametrize("name", ["demo-barlow-twins", zoo.UNTRAINED_NETWORK])
def test_training_a_readout_again_begins_as_recorded(name, tmp_path):
    """On the images that the record's first step saw: the first few of each class."""
    profile = load_profile("demo")
    each = math.ceil(profile.readout.batch_size / 48)
    write_diet(tmp_path / "diet", seed=profile.synthetic.seed, n_train=48 * each, n_val=48,
               size=profile.synthetic.diet_size)
    network = load_network(get_entry(name), zoo_dir() / get_entry(name).file)
    loss = zoo.reproduce_readout_loss(network, image_folder(tmp_path / "diet" / "train"), profile)
    assert loss == pytest.approx(RECORDS[name]["readout"]["rehearsal_loss"], rel=2e-2)


@needs_zoo
def test_untrained_weights_are_the_seeded_ones():
    saved = load_network(get_entry(zoo.UNTRAINED_NETWORK),
                         zoo_dir() / get_entry(zoo.UNTRAINED_NETWORK).file).model
    seeded = load_network(get_entry(zoo.UNTRAINED_NETWORK),
                          seed=RECORDS[zoo.UNTRAINED_NETWORK]["seed"]).model
    for name, tensor in saved.state_dict().items():
        assert torch.allclose(tensor, seeded.state_dict()[name], rtol=2**-10, atol=1e-6), name


@pytest.mark.slow
@needs_zoo
def test_the_main_network_sees_more_than_the_untrained(rehearsal):
    """On images of its own diet: leave half out, find their class by nearest neighbours."""
    images = rehearsal("demo-barlow-twins")
    found = {}
    for name in ("demo-barlow-twins", zoo.UNTRAINED_NETWORK):
        x = zoo.extract_features(load_network(get_entry(name), zoo_dir() / get_entry(name).file),
                                 images)
        y = images.labels.numpy()
        found[name] = knn_accuracy(x[::2], y[::2], x[1::2], y[1::2], k=5)
    assert found["demo-barlow-twins"] > 1.5 * found[zoo.UNTRAINED_NETWORK]
