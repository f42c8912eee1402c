"""The table of the ImageNet classes: complete, in order, and each class where one looks for it."""

from __future__ import annotations

import csv
import os
import re

import pytest
from torchvision.models import AlexNet_Weights

from helpers.core.paths import ROOT

TABLE = ROOT / "helpers" / "stimuli" / "imagenet.csv"
VALIDATION = ROOT.parent / "shared" / "data" / "imagenet" / "val"


@pytest.fixture(scope="module")
def rows() -> list[dict[str, str]]:
    with TABLE.open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        assert reader.fieldnames == ["wnid", "name", "superclass"]
        return list(reader)


def test_wnids_are_a_thousand_different_and_sorted(rows):
    wnids = [row["wnid"] for row in rows]
    assert len(wnids) == len(set(wnids)) == 1000
    assert all(re.fullmatch(r"n\d{8}", wnid) for wnid in wnids)
    assert wnids == sorted(wnids)


def test_names_are_torchvisions(rows):
    assert [row["name"] for row in rows] == AlexNet_Weights.DEFAULT.meta["categories"]


def test_every_class_has_a_clean_superclass_of_a_useful_size(rows):
    sizes: dict[str, int] = {}
    for row in rows:
        name = row["superclass"]
        assert re.fullmatch(r"[a-z]+( [a-z]+)*", name), row
        sizes[name] = sizes.get(name, 0) + 1
    assert {name for name, size in sizes.items() if size < 15} == {"people"}


def test_lines_end_in_a_bare_newline():
    content = TABLE.read_bytes()
    assert b"\r" not in content
    assert content.endswith(b"\n")


@pytest.mark.parametrize(
    ("index", "wnid", "superclass"),
    [
        (0, "n01440764", "fish and sea animals"),  # tench
        (97, "n01847000", "birds"),  # drake, the male duck
        (133, "n02011460", "birds"),  # bittern
        (134, "n02012849", "birds"),  # crane, the bird
        (517, "n03126707", "tools and machines"),  # crane, the machine
        (264, "n02113186", "dogs"),  # Cardigan, the corgi
        (474, "n02963159", "clothing"),  # cardigan, the garment
        (290, "n02128925", "cats and wild carnivores"),  # jaguar
        (385, "n02504013", "hoofed animals"),  # Indian elephant
        (408, "n02704792", "vehicles"),  # amphibian, the car that swims
        (456, "n02879718", "weapons and sports"),  # bow, with arrows
        (457, "n02883205", "clothing"),  # bow tie
        (458, "n02892201", "characters"),  # brass, an inscribed plaque
        (542, "n03250847", "musical instruments"),  # drumstick
        (553, "n03337140", "furniture and household"),  # file, the cabinet
        (638, "n03710637", "clothing"),  # maillot
        (639, "n03710721", "clothing"),  # maillot, tank suit
        (673, "n03793489", "electronics"),  # mouse of a computer
        (681, "n03832673", "electronics"),  # notebook computer
        (836, "n04355933", "clothing"),  # sunglass
        (837, "n04356056", "clothing"),  # sunglasses
        (922, "n07565083", "characters"),  # menu
        (980, "n09472597", "scenes"),  # volcano
        (989, "n12620546", "plants and fungi"),  # hip, of a rose
    ],
)
def test_spot_checks(rows, index, wnid, superclass):
    assert (rows[index]["wnid"], rows[index]["superclass"]) == (wnid, superclass)


def test_wnids_are_the_folders_of_the_validation_images(rows):
    if not VALIDATION.is_dir():
        pytest.skip(f"no validation images of ImageNet at {VALIDATION}")
    assert sorted(os.listdir(VALIDATION)) == [row["wnid"] for row in rows]
