"""Image sets: order, domains and halves as in the spec; whatever would shift a label is refused."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms.functional import normalize, pil_to_tensor, to_tensor

from helpers.core.errors import LabError
from helpers.core.paths import ROOT
from helpers.networks.registry import Preprocessing
from helpers.stimuli import image_source
from helpers.stimuli.image_sets import (
    CLASSIC,
    FLOC,
    MC8,
    alternate,
    class_name,
    classic,
    floc,
    image_folder,
    imagenet,
    imagenet_classes,
    mc8,
)

REAL = ROOT.parent / "shared" / "data"


def make_set(root: Path, categories, n: int = 3) -> Path:
    rng = np.random.default_rng(0)
    for category in categories:
        (root / category).mkdir(parents=True)
        for number in range(1, n + 1):
            pixels = rng.integers(0, 255, (8, 8), dtype=np.uint8)
            Image.fromarray(pixels).save(root / category / f"{category}-{number}.png")
    return root


@pytest.fixture
def root(tmp_path) -> Path:
    return make_set(tmp_path / "stimuli", FLOC, 12)


def test_order_domains_and_halves(root):
    images = floc(root)
    expected = np.repeat([0, 1, 2, 0, 3, 3, 2, 1, 4, 5, 4], 12)
    names = ("faces", "bodies", "objects", "scenes", "characters", "scrambled")
    assert [names.index(domain) for domain in images.domains] == expected.tolist()
    assert images.domain_names == names
    assert images.files[1:3] == ("adult/adult-2.png", "adult/adult-3.png")
    assert images.files[9:11] == ("adult/adult-10.png", "adult/adult-11.png")
    assert images.halves[:4].tolist() == [0, 1, 0, 1]
    assert (np.bincount(images.halves) == 66).all()


@pytest.mark.skipif(not (REAL / "floc").is_dir(), reason="no ../shared/data/floc here")
def test_the_real_floc_set_has_the_published_counts():
    images = floc(REAL / "floc" / "stimuli")
    assert len(images) == 1584
    counts = {domain: images.domains.count(domain) for domain in images.domain_names}
    assert counts == {"faces": 288, "bodies": 288, "objects": 288, "scenes": 288,
                      "characters": 288, "scrambled": 144}


def test_the_classic_set_has_seven_domains(tmp_path):
    images = classic(make_set(tmp_path / "classic", CLASSIC))
    assert len(images.domain_names) == 7
    assert images.domain_names[:5] == ("faces", "bodies", "objects", "scenes", "characters")


@pytest.mark.parametrize("names", [MC8, MC8.values()], ids=["published", "bare"])
def test_the_eight_categories_have_bare_names_whatever_their_folders_are_called(tmp_path, names):
    images = mc8(make_set(tmp_path / "mc8-shined", names, 2))
    assert set(images.classes) == set(images.domains) == set(MC8.values())
    assert images.categories == images.domains and len(images) == 16
    for name, category in zip(images.files, images.categories):
        assert name.split("/")[0].endswith(category)
    labels = [images.classes[label] for label in images.labels]
    assert labels == list(images.categories)
    assert images.open(0).size == (8, 8)


def test_an_incomplete_set_of_eight_categories_is_refused(tmp_path):
    root = make_set(tmp_path / "mc8-shined", list(MC8)[:-1], 2)
    with pytest.raises(LabError, match="no images of category '8-phones'"):
        mc8(root)


@pytest.mark.parametrize(("read", "names", "layout"), [
    (floc, CLASSIC, "classic"), (classic, FLOC, "floc"), (mc8, CLASSIC, "classic"),
    (imagenet, FLOC, "floc"), (floc, ("n01440764", "n01443537"), "imagenet")])
def test_the_folders_of_another_set_are_recognised_and_left_alone(tmp_path, read, names, layout):
    root = make_set(tmp_path / "set", names, 1)
    with pytest.raises(LabError, match=f"layout {layout!r}") as error:
        read(root)
    assert "correct the path" in str(error.value) and "move" not in str(error.value)


@pytest.mark.parametrize(("read", "names"), [(floc, FLOC), (imagenet, ("n01440764",))])
def test_a_set_one_folder_deeper_is_found(tmp_path, read, names):
    make_set(tmp_path / "repository" / "stimuli", names, 1)
    with pytest.raises(LabError, match=f"such folders are in .*{Path('repository', 'stimuli')}"):
        read(tmp_path / "repository")


def test_images_without_class_folders_are_named_as_such(tmp_path):
    make_set(tmp_path, ["val"], 3)
    with pytest.raises(LabError, match="3 images and no class folder(?s:.)*development kit"):
        imagenet(tmp_path / "val")


def test_a_class_list_of_another_data_set_is_told_apart(tmp_path):
    root = make_set(tmp_path / "diet" / "val", ("dog", "adult"), 1)
    (root.parent / "classes.csv").write_text("class,domain\n001.ak47,objects\n056.dog,objects\n")
    with pytest.raises(LabError, match="2 of the 2 class folders .* 001.ak47, 056.dog …"):
        image_folder(root)


VIEW = Preprocessing(resize=6, crop=5, mean=(.4, .5, .6), std=(.2, .25, .3))


def test_remembered_pixels_are_those_of_the_file(root, monkeypatch):
    """Bit by bit as torchvision's own transforms give them, the first time and the second."""
    monkeypatch.setattr(image_source, "_remembered", {})
    images = floc(root)
    others = Preprocessing(resize=6, crop=5, mean=(.1, .1, .1), std=(.5, .5, .5))
    for view in (VIEW, others, VIEW):
        batch, = images.batches([range(len(images))], view)
        for index, found in enumerate(batch):
            small = images.open(index).resize((6, 6), Image.Resampling.BILINEAR)
            pixels = to_tensor(small)[:, :5, :5]  # of 6, torchvision's centre crop leaves the last
            wanted = normalize(pixels, view.mean, view.std)
            torch.testing.assert_close(found, wanted, rtol=0, atol=0)
    assert len(image_source._remembered) == len(images)


def test_a_changed_file_is_decoded_anew_and_memory_has_an_end(root, monkeypatch):
    monkeypatch.setattr(image_source, "_remembered", {})
    monkeypatch.setattr(image_source, "MAX_BYTES", 3 * 25 * 2)
    images = floc(root)
    before, = images.batches([range(4)], VIEW)
    assert len(image_source._remembered) == 2
    path = images.root / images.files[0]
    Image.new("RGB", (8, 8), "red").save(path)
    os.utime(path, ns=(0, 0))
    after, = images.batches([range(4)], VIEW)
    assert not torch.equal(before[0], after[0]) and torch.equal(before[1:], after[1:])


def test_first_of_each_category(root):
    images = floc(root)
    few = images.first_per_class(2)
    assert few.classes == images.classes and len(few) == 2 * len(set(images.categories))
    assert all(name.endswith(("-1.png", "-2.png")) for name in few.files)
    assert images.first_per_class(0) is images and len(images.first_per_class(99)) == len(images)


def test_batches_keep_order_and_shape(root):
    images = floc(root)
    chosen = [[5, 1], [7], [3, 2]]
    transform = lambda image: pil_to_tensor(image).float()  # noqa: E731
    found = torch.cat(list(images.batches(chosen, transform)))
    expected = torch.stack([transform(images.open(i)) for i in (5, 1, 7, 3, 2)])
    assert torch.equal(found, expected)
    assert found.shape == (5, 3, 8, 8)


def test_digest_follows_content_and_names(root):
    first = floc(root).digest
    assert floc(root).digest == first
    Image.new("L", (8, 8)).save(root / "car" / "car-1.png")
    assert floc(root).digest != first


@pytest.mark.parametrize("damage", ["truncated", "text", "missing"])
def test_a_damaged_image_is_named(root, damage):
    images = floc(root)
    path = root / images.files[0]
    content = path.read_bytes()
    if damage == "missing":
        path.unlink()
    else:
        path.write_bytes(content[: len(content) // 2] if damage == "truncated" else b"no image")
    with pytest.raises(LabError, match="adult-1.png"):
        images.open(0)


def test_an_empty_category_is_named(root):
    for path in (root / "house").iterdir():
        path.unlink()
    with pytest.raises(LabError, match="no images of category 'house'"):
        floc(root)


def test_a_missing_category_is_named(root):
    (root / "word").rename(root.parent / "elsewhere")
    with pytest.raises(LabError, match="no images of category 'word'"):
        floc(root)


def test_unequal_counts_are_refused(root):
    (root / "limb" / "limb-1.png").unlink()
    with pytest.raises(LabError, match=r"unequal counts.*'limb': 11"):
        floc(root)


def test_an_unknown_category_is_refused(root):
    make_set(root, ["dragon"])
    with pytest.raises(LabError, match="unknown category 'dragon'"):
        floc(root)


def test_an_absent_set_and_an_empty_image_folder(tmp_path):
    with pytest.raises(LabError, match="no folder"):
        floc(tmp_path / "nowhere")
    with pytest.raises(LabError, match="no class folder"):
        image_folder(tmp_path)


def test_image_folder_may_be_unequal(tmp_path):
    root = make_set(tmp_path / "diet", ["cup", "fish"])
    (root / "cup" / "cup-1.png").unlink()
    images = image_folder(root)
    assert images.categories == ("cup", "cup", "fish", "fish", "fish")
    assert images.domains == images.categories


def test_an_image_folder_knows_its_classes_and_their_domains(tmp_path):
    root = make_set(tmp_path / "diet" / "val", ("dog", "adult", "house"), 2)
    plain = image_folder(root)
    assert plain.classes == ("adult", "dog", "house") and plain.domains == plain.categories
    assert plain.labels.tolist() == [0, 0, 1, 1, 2, 2]
    few = plain.select([5, 0])
    assert few.labels.tolist() == [2, 0] and few.classes == plain.classes
    table = tmp_path / "diet" / "classes.csv"
    table.write_text("class,domain\nadult,faces\ndog,objects\nhouse,scenes\n")
    assert image_folder(root).domains == ("faces",) * 2 + ("objects",) * 2 + ("scenes",) * 2
    table.write_text("class,domain\nadult,faces\n")
    with pytest.raises(LabError, match="does not list the class 'dog'"):
        image_folder(root)
    table.write_text("name,domain\nadult,faces\n")
    with pytest.raises(LabError, match="columns name, domain(?s:.)*category,domain"):
        image_folder(root)


def test_imagenet_labels_are_positions_among_all_classes(tmp_path):
    wnids = list(imagenet_classes())
    root = make_set(tmp_path / "val", (wnids[7], wnids[151], wnids[999]), 2)
    images = imagenet(root)
    assert len(images.classes) == 1000 and images.labels.tolist() == [7, 7, 151, 151, 999, 999]
    assert images.domains[2] == "dogs" and class_name(images.categories[0]) == "cock"
    assert class_name("word_on_sign") == "word on sign"
    make_set(root, ("n99999999",))
    with pytest.raises(LabError, match="n99999999"):
        imagenet(root)


def test_halves_alternate_within_groups():
    assert alternate("aabab").tolist() == [0, 1, 0, 0, 1]


def test_sets_too_large_to_be_read_are_reported_apart_by_sizes(root, monkeypatch):
    before = floc(root).digest
    monkeypatch.setattr("helpers.stimuli.image_sets.MANY", 10)
    by_size = floc(root).digest
    assert by_size != before
    (root / "adult" / "adult-1.png").write_bytes(b"other")
    assert floc(root).digest != by_size
