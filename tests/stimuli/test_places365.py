"""Places365 and Caltech-256 as their archives unpack them: no stray file shifts a label."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torchvision
from PIL import Image

from helpers.config.data import ImageSetSpec
from helpers.config.profile import load_profile
from helpers.core.errors import LabError
from helpers.stimuli.image_sets import LAYOUTS, class_name, image_folder, places365

CATEGORIES = ("/a/airfield 0", "/a/apartment_building/outdoor 1", "/b/bar 2", "/z/zen_garden 3")
SHOWN = {1: 3, 2: 0, 3: 1, 10: 0, 4: 3}
"""Number of an image -> index of its category; none shows a bar."""


def name_of(number: int) -> str:
    return f"Places365_val_{number:08d}.jpg"


def image(path: Path, grey: int = 99) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (8, 8), (grey, grey, grey)).save(path)


@pytest.fixture
def root(tmp_path) -> Path:
    root = tmp_path / "places365"
    for number in SHOWN:
        image(root / "val_256" / name_of(number), 10 * number)
    (root / "places365_val.txt").write_text(
        "".join(f"{name_of(number)} {index}\n" for number, index in SHOWN.items()))
    (root / "categories_places365.txt").write_text("\n".join(CATEGORIES))
    return root


def test_places_are_in_the_order_of_their_list_as_the_authors_read_them(root):
    """Against torchvision's reader of the list, with which the authors make their split."""
    images = places365(root)
    theirs = object.__new__(torchvision.datasets.Places365)
    theirs.root, theirs.split, theirs.small = str(root), "val", True
    theirs._check_integrity = lambda *_: True
    listed, targets = theirs.load_file_list(download=False)
    assert [str(root / name) for name in images.files] == [name for name, _ in listed]
    assert images.labels.tolist() == targets


def test_places_have_their_labels_and_categories(root):
    images = places365(root)
    assert images.classes == ("airfield", "apartment_building/outdoor", "bar", "zen_garden")
    assert images.files == tuple(f"val_256/{name_of(number)}" for number in SHOWN)
    assert images.labels.tolist() == list(SHOWN.values())
    assert images.domains == images.categories and images.categories[2] == images.classes[1]
    assert [round(np.asarray(images.open(i)).mean() / 10) for i in range(5)] == list(SHOWN)
    assert class_name(images.categories[2]) == "apartment building/outdoor"


def test_classes_are_in_the_order_of_the_index_not_of_the_lines(root):
    (root / "categories_places365.txt").write_text("\n".join(reversed(CATEGORIES)))
    assert places365(root).classes[0] == "airfield"
    assert places365(root).labels.tolist() == list(SHOWN.values())


def test_images_that_no_list_names_are_left_out(root):
    image(root / "val_256" / name_of(77))
    (root / "val_256" / ".DS_Store").touch()
    (root / "places365_test.txt").write_text("Places365_test_00000001.jpg\n")
    assert len(places365(root)) == 5


def test_the_layout_is_known_to_profiles():
    assert LAYOUTS["places365"] is places365
    spec = load_profile("paper").image_sets["places365"]
    assert spec == ImageSetSpec("places365", "places365", "fetch:places365")
    spec = load_profile("paper").image_sets["caltech256"]
    assert spec == ImageSetSpec("imagefolder", "caltech256", "fetch:caltech256")


@pytest.mark.parametrize("name", ["places365_val.txt", "categories_places365.txt"])
def test_a_missing_or_empty_list_is_named(root, name):
    (root / name).write_text("\n")
    with pytest.raises(LabError, match=f"{name} is empty"):
        places365(root)
    (root / name).unlink()
    with pytest.raises(LabError, match=f"no .*{name}(?s:.)*filelist_places365-standard.tar"):
        places365(root)


def test_a_listed_image_that_is_absent_is_named(root):
    (root / "val_256" / name_of(10)).unlink()
    with pytest.raises(LabError, match=f"1 of 5(?s:.)*{name_of(10)}(?s:.)*val_256.tar"):
        places365(root)
    (root / "val_256").rename(root / "val_large")
    with pytest.raises(LabError, match=f"5 of 5(?s:.)*{name_of(1)}"):
        places365(root)


def test_the_list_of_other_images_is_told_apart(root):
    """The training part's list under the validation list's name: no image of it is there."""
    (root / "places365_val.txt").write_text("/a/airfield/00000001.jpg 0\n/b/bar/00000001.jpg 2\n")
    with pytest.raises(LabError, match="2 of 2 .* 5 files .*/a/airfield(?s:.)*standard.tar"):
        places365(root)


def test_an_index_outside_of_the_categories_is_named(root):
    path = root / "places365_val.txt"
    path.write_text(path.read_text().replace(f"{name_of(3)} 1", f"{name_of(3)} 4"))
    with pytest.raises(LabError, match=f"{name_of(3)} the index 4(?s:.)*0 to 3"):
        places365(root)


@pytest.mark.parametrize("line", ["Places365_val_00000009.jpg", "Places365_val_00000009.jpg -1",
                                  "Places365_val_00000009.jpg x", f"{name_of(1)} 2"])
def test_a_damaged_line_is_named(root, line):
    path = root / "places365_val.txt"
    path.write_text(path.read_text() + line + "\n")
    with pytest.raises(LabError, match=f"places365_val.txt, line 6: '{line}'"):
        places365(root)


@pytest.mark.parametrize("wrong", ["/b/bar 5", "/b/bar 1"])
def test_categories_that_skip_an_index_or_share_one_are_refused(root, wrong):
    path = root / "categories_places365.txt"
    path.write_text(path.read_text().replace("/b/bar 2", wrong))
    with pytest.raises(LabError, match="numbers its 4 categories otherwise"):
        places365(root)


def test_stray_files_of_caltech_256_shift_no_label(tmp_path):
    """As unpacked: a text among spiders, empty folders below dogs."""
    root, folders = tmp_path / "caltech256", ("001.ak47", "056.dog", "198.spider", "257.clutter")
    for folder in folders:
        for number in (1, 2, 10):
            image(root / folder / f"{folder[:3]}_{number:04d}.jpg")
    (root / "198.spider" / "RENAME2").write_text("mv a b\n")
    (root / "056.dog" / "greg" / "vision309").mkdir(parents=True)
    (root / ".DS_Store").touch()
    images = image_folder(root)
    assert images.classes == folders
    assert images.labels.tolist() == [0] * 3 + [1] * 3 + [2] * 3 + [3] * 3
    assert images.files[3:6] == tuple(f"056.dog/056_{n}.jpg" for n in ("0001", "0002", "0010"))
