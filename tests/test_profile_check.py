"""What a profile names is looked at before a run: there, obtainable, absent or broken."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image
from support.own_profile import HEAD, LOCAL

from helpers.config.profile import load_profile
from helpers.core.paths import data_dir
from helpers.networks import weights as weights_module
from helpers.profile_check import ABSENT, BROKEN, OBTAINABLE, READABLE, check_profile
from helpers.stimuli import image_sets

NETWORKS = """
[networks]
main = "torchvision:squeezenet1_1-untrained"
untrained = "torchvision:squeezenet1_1-untrained"
compare = []
pies = ["features.0"]
heat_map_layer = "features.0"
"""
PROFILE = HEAD + LOCAL + NETWORKS


def write_images(folder: Path, categories=("dogs", "tools"), n: int = 4, suffix: str = ".png"):
    for category in categories:
        (folder / category).mkdir(parents=True, exist_ok=True)
        for number in range(n):
            Image.new("RGB", (8, 8), (number, 99, 9)).save(folder / category / f"{number}{suffix}")
    return folder


@pytest.fixture
def check(private):
    """Return a function that writes a profile and checks it: what -> (state, text)."""
    def run(text: str = PROFILE):
        (private / "mine.toml").write_text(text, encoding="utf-8")
        profile = load_profile(str(private / "mine.toml"))
        return {what: (state, remedy)
                for what, state, remedy in check_profile(profile, data_dir(profile.data))}
    return run


def listing(folder: Path) -> list[tuple[str, int]]:
    return sorted((str(path), path.stat().st_mtime_ns) for path in folder.rglob("*"))


def test_ones_own_images_are_read_and_nothing_is_written(check, private):
    write_images(private / "my images")
    (private / "mine.toml").touch()
    before = [path for path, _ in listing(private)]
    found = check()
    assert found["image set 'localizer'"] == (
        READABLE, "8 images, 2 categories, 2 domains (dogs 4, tools 4)")
    state, text = found["network 'torchvision:squeezenet1_1-untrained'"]
    assert state == READABLE and "drawn from its seed" in text
    assert [path for path, _ in listing(private)] == before


def test_absent_images_are_named_with_every_place_looked_at(check, private):
    state, text = check()["image set 'localizer'"]
    assert state == ABSENT
    assert str(private / "my images") in text and str(private / "data" / "my images") in text
    assert "'path'" in text


def test_every_image_that_cannot_be_read_is_counted(check, private):
    folder = write_images(private / "my images")
    whole = (folder / "dogs" / "1.png").read_bytes()
    (folder / "dogs" / "1.png").write_bytes(whole[:len(whole) // 2])
    (folder / "tools" / "2.png").write_bytes(b"no image")
    state, text = check()["image set 'localizer'"]
    assert state == BROKEN and "2 of 8 images" in text
    assert "dogs/1.png" in text and "tools/2.png" in text


def test_a_large_set_is_opened_and_its_damaged_files_are_found(check, private, monkeypatch):
    folder = write_images(private / "my images")
    monkeypatch.setattr("helpers.profile_check.MAX_DECODED", 3)
    (folder / "tools" / "2.png").write_bytes(b"no image")
    state, text = check()["image set 'localizer'"]
    assert state == BROKEN and "1 of 8 images" in text and "tools/2.png" in text


def test_one_fault_hides_no_other(check, private):
    text = PROFILE.replace("[networks]", """
[image_sets.probe]
layout = "table"
path = "nowhere.csv"
source = "local"
[image_sets.fetched]
layout = "floc"
path = "floc"
source = "fetch:vpnl-floc"
[image_sets.agreed]
layout = "imagenet"
path = "imagenet"
source = "fetch:imagenet"
[cohort]
layout = "object2vec"
path = "object2vec"
source = "local"
[rdms]
path = "rdms"
source = "local"
[channels]
images = "chanels"
categories = ["dogs", "tools"]
n_per_category = 4
layers = ["features.0", "features.3"]
[networks]""").replace('main = "torchvision:squeezenet1_1', 'main = "torchvision:squeezenet9')
    (private / "object2vec").mkdir()
    (private / "rdms").mkdir()
    found = check(text)
    states = {what: state for what, (state, _) in found.items()}
    assert states == {
        "image set 'localizer'": ABSENT, "image set 'probe'": ABSENT,
        "image set 'fetched'": OBTAINABLE, "image set 'agreed'": ABSENT,
        "cohort 'cohort'": BROKEN, "files 'rdms'": READABLE, "image set 'chanels'": BROKEN,
        "network 'torchvision:squeezenet9-untrained'": BROKEN,
        "network 'torchvision:squeezenet1_1-untrained'": READABLE}
    assert "196 MB" in found["image set 'fetched'"][1]
    assert "register there" in found["image set 'agreed'"][1]
    assert "localizer, probe, fetched, agreed" in found["image set 'chanels'"][1]
    assert all("to do: " in text for state, text in found.values() if state in (ABSENT, BROKEN))


def test_what_the_notebooks_need_of_an_image_set(check, private):
    write_images(private / "my images", ("dogs", "tools", "cups"), n=4)
    write_images(private / "one" / "val", ("dogs",))
    text = PROFILE.replace("[networks]", """
[image_sets.one]
layout = "imagefolder"
path = "one"
source = "local"
[landscape]
layer = "features.12"
map_task = "kind"
max_images = 10
[landscape.tasks]
"kind" = "one/val"
"other" = "one/train"
[channels]
images = "localizer"
categories = ["dogs", "cats"]
n_per_category = 4
layers = ["features.0", "features.3"]
[networks]""")
    found = check(text)
    assert "have one category, 'dogs'" in found["image set 'one/val'"][1]
    assert "no part 'train'" in found["image set 'one/train'"][1]
    assert "0 'cats'" in found["image set 'localizer'"][1]
    assert "there are cups, dogs, tools" in found["image set 'localizer'"][1]
    assert check(text.replace('"cats"', '"cups"'))["image set 'localizer'"][0] == READABLE


def test_a_layer_that_the_network_lacks_is_named_with_those_it_has(check, private):
    write_images(private / "my images")
    state, text = check(PROFILE.replace('heat_map_layer = "features.0"',
                                        'heat_map_layer = "fc7"'))[
        "layers '[networks] heat_map_layer'"]
    assert state == BROKEN and "fc7" in text and "features.12" in text


def test_an_own_network_is_opened_and_hides_no_other(check, private):
    write_images(private / "my images")
    table = '\n[network.mine]\narchitecture = "small_resnet"\nfile = "mine.pth"\n'
    found = check(PROFILE + table)
    state, text = found["network 'mine'"]
    assert state == BROKEN and str(private / "mine.pth") in text
    assert found["network 'torchvision:squeezenet1_1-untrained'"][0] == READABLE
    assert check(PROFILE + table.replace('file = "mine.pth"', ""))["network 'mine'"] == (
        READABLE, "33 layers, weights drawn from its seed when it is needed")


def test_weights_that_are_not_there_are_obtainable(check, private):
    state, text = check(PROFILE.replace('main = "torchvision:squeezenet1_1-untrained"',
                                        'main = "torchvision:squeezenet1_1"'))[
        "network 'torchvision:squeezenet1_1'"]
    assert state == OBTAINABLE and "download.pytorch.org" in text
    assert not list((private / "data").rglob("*")) if (private / "data").exists() else True


def test_nothing_is_shown_to_a_network(check, private, monkeypatch):
    write_images(private / "my images")

    def refuse(*_, **__):
        pytest.fail("computed")
    monkeypatch.setattr(image_sets.ImageSet, "batches", refuse)
    monkeypatch.setattr(weights_module, "serialize", refuse)
    assert check()["image set 'localizer'"][0] == READABLE


@pytest.mark.slow
def test_the_demo_is_drawn_without_being_asked(private):
    states = {what: state for what, state, _ in check_profile(
        load_profile("demo"), private / "data")}
    assert states["image set 'diet/val'"] == states["cohort 'cohort'"] == OBTAINABLE
    assert not [what for what in states if "captioned" in what or "faces_diet" in what]
    assert set(states.values()) == {READABLE, OBTAINABLE}
