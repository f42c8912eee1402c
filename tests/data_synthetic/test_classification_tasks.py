"""Two more tasks in the drawn world: deterministic, and determined by the class alone."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.spatial.distance import pdist
from scipy.stats import chi2_contingency

from data.synthetic import (
    faces,
    image_files,
    nod_files,
    nsd_files,
    scenes,
    task_files,
    tasks,
    writers,
)
from data.synthetic.objects import CLASSES, VARIANTS
from data.synthetic.task_files import write_attributes, write_places
from helpers.config.data import SYNTHETIC_PARTS, ImageSetSpec, SyntheticSpec
from helpers.config.profile import load_profile
from helpers.core.digest import import_closure
from helpers.core.errors import LabError
from helpers.datasets import prepare
from helpers.stimuli.image_sets import image_folder

WRITERS = {"places": (write_places, 8), "attributes": (write_attributes, 6)}
FOOD = {"banana", "round_fruit", "cake"}
LIVING = {"bird", "fish", "quadruped", "flower", "potted_plant"}


def digests(folder: Path) -> dict[str, str]:
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(folder.rglob("*")) if path.is_file()}


def pixels(image: Image.Image) -> np.ndarray:
    return np.asarray(image, dtype=float)


@pytest.fixture(scope="module")
def written(tmp_path_factory) -> dict[str, Path]:
    """Three images of each class, seed 7."""
    folder = tmp_path_factory.mktemp("tasks")
    return {task: write(folder / task, seed=7, n_images=3 * n, size=48, processes=1)
            for task, (write, n) in WRITERS.items()}


# ---- on disk ------------------------------------------------------------------------------------

@pytest.mark.slow
def test_an_image_folder_with_equal_classes(written):
    for task, classes in (("places", scenes.KINDS), ("attributes", NAMES)):
        images = image_folder(written[task])
        assert images.classes == tuple(sorted(classes))
        assert Counter(images.categories) == dict.fromkeys(classes, 3)
        image = Image.open(written[task] / images.files[0])
        assert (image.format, image.mode, image.size) == ("JPEG", "RGB", (48, 48))
    assert (written["places"] / "coast" / "coast_00003.jpg").is_file()


@pytest.mark.parametrize("task", WRITERS)
def test_same_seed_same_bytes_whatever_the_processes(written, task, tmp_path, monkeypatch):
    write, n = WRITERS[task]
    monkeypatch.setattr(task_files, "_CHUNK", 5)
    again = write(tmp_path / "again", seed=7, n_images=3 * n, size=48, processes=2)
    assert digests(again) == digests(written[task])
    assert len(set(digests(again).values())) == 3 * n


@pytest.mark.parametrize("task", WRITERS)
def test_other_seed_other_images_and_longer_sets_begin_with_shorter(written, task, tmp_path):
    write, n = WRITERS[task]
    other = digests(write(tmp_path / "other", seed=8, n_images=n, size=48, processes=1))
    short = digests(write(tmp_path / "short", seed=7, n_images=n, size=48, processes=1))
    assert not set(other.values()) & set(digests(written[task]).values())
    assert short.items() <= digests(written[task]).items()


@pytest.mark.parametrize("task", WRITERS)
def test_what_does_not_fit_is_refused_and_leaves_nothing(task, tmp_path):
    write, n = WRITERS[task]
    with pytest.raises(LabError, match=f"{task} = {3 * n + 1}(?s:.)*multiple of {n}(?s:.)*"
                       f"give {3 * n}"):
        write(tmp_path / "set", seed=7, n_images=3 * n + 1)
    with pytest.raises(LabError, match=f"give {n}$"):
        write(tmp_path / "set", seed=7, n_images=1)
    with pytest.raises(LabError, match="at least 1"):
        write(tmp_path / "set", seed=7, n_images=0)
    assert not list(tmp_path.iterdir())


def test_an_interruption_leaves_nothing_behind(tmp_path, monkeypatch):
    real, drawn = tasks.compose_place_image, []

    def interrupted(kind, **options):
        drawn.append(kind)
        if len(drawn) == 5:
            raise KeyboardInterrupt
        return real(kind, **options)

    monkeypatch.setattr(tasks, "compose_place_image", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_places(tmp_path / "set", seed=7, n_images=8, size=32, processes=1)
    assert len(drawn) == 5 and not list(tmp_path.iterdir())


def test_no_other_set_has_these_seeds():
    """The second number of a seed tells the synthetic data's sets apart."""
    used = {*image_files.SEED_STREAMS.values(), nsd_files.SEED_STREAM, nod_files.SEED_STREAM}
    for path in Path(image_files.__file__).parent.glob("*.py"):
        used |= {int(number) for number in re.findall(r"[\[(]seed, (\d+)\b", path.read_text())}
    assert {8, 9, 10, 30, 90, 91} <= used
    own = task_files.SEED_STREAMS
    assert set(own) == set(WRITERS) and len(set(own.values())) == 2
    assert not set(own.values()) & used


def test_a_file_is_the_image_of_its_folders_class(written):
    for c, kind in enumerate(scenes.KINDS):
        made = tasks.compose_place_image(kind, rng=np.random.default_rng([7, 20, c, 1]), size=48)
        found = Image.open(written["places"] / kind / f"{kind}_00002.jpg")
        assert abs(pixels(found) - pixels(made.image)).mean() < 4, kind
    for c, name in enumerate(sorted(tasks.ATTRIBUTE_CLASSES)):
        made, _ = tasks.compose_attribute_image(name, rng=np.random.default_rng([7, 21, c, 1]),
                                                seed=7,
                                                size=48)
        found = Image.open(written["attributes"] / name / f"{name}_00002.jpg")
        assert abs(pixels(found) - pixels(made)).mean() < 4, name


# ---- places -------------------------------------------------------------------------------------

def test_the_class_of_a_place_is_its_setting_alone():
    for i, kind in enumerate(scenes.KINDS):
        setting, *front = tasks.compose_place_image(kind, rng=np.random.default_rng(i),
                                                    size=48).items
        assert (setting["domain"], setting["kind"], setting["role"]) == ("scenes", kind,
                                                                         "background")
        assert all(item["role"] == "item" and item["domain"] != "scenes" for item in front)


def test_what_stands_in_front_is_the_same_whatever_the_place():
    for i in range(12):
        front = [tasks.compose_place_image(kind, rng=np.random.default_rng([3, i]),
                                           size=32).items[1:]
                 for kind in scenes.KINDS]
        assert all(items == front[0] for items in front)


def test_what_stands_in_front_of_written_places_tells_nothing_of_the_place():
    """Seeds as written; a table of class by number of things, and of class by domain."""
    numbers, domains = np.zeros((8, 4)), np.zeros((8, 5))
    names = ("faces", "bodies", "characters", "objects", "scenes")
    for c, kind in enumerate(scenes.KINDS):
        for i in range(40):
            rng = np.random.default_rng([7, 20, c, i])
            front = tasks.compose_place_image(kind, rng=rng, size=16).items[1:]
            numbers[c, len(front)] += 1
            for item in front:
                domains[c, names.index(item["domain"])] += 1
    assert (numbers.sum(0) > 20).all() and (domains.sum(0)[:4] > 20).all()
    assert chi2_contingency(numbers).pvalue > 1e-3
    assert chi2_contingency(domains[:, :4]).pvalue > 1e-3


def test_things_cover_part_of_the_place_and_leave_the_rest(monkeypatch):
    """Without a cast of colours: an image with and without things differs where they are."""
    monkeypatch.setattr(tasks.diet, "apply_colour_cast", lambda image, rng, *, strength: image)
    covered = []
    for i in range(12):
        full = tasks.compose_place_image("street", rng=np.random.default_rng([5, i]), size=64)
        with monkeypatch.context() as patch:
            patch.setattr(tasks, "N_ITEMS_PROBABILITIES", (1.0, 0.0, 0.0, 0.0))
            bare = tasks.compose_place_image("street", rng=np.random.default_rng([5, i]), size=64)
        assert len(bare.items) == 1 and bare.items[0] == full.items[0]
        differs = (pixels(full.image) != pixels(bare.image)).any(2)
        for left, top, width, height in (item["box"] for item in full.items[1:]):
            rows = slice(max(0, int(64 * top) - 2), int(64 * (top + height)) + 3)
            columns = slice(max(0, int(64 * left) - 2), int(64 * (left + width)) + 3)
            assert differs[rows, columns].any()
            differs[rows, columns] = False
            covered.append(max(width, height))
        assert not differs.any()
    assert len(covered) > 6 and min(covered) > 0.1 and max(covered) < 0.6


# ---- attributes ---------------------------------------------------------------------------------

NAMES = ("food_one", "food_several", "living_one", "living_several", "made_one", "made_several")


def sample_latents(name: str, n: int, size: int = 16) -> list[list[dict]]:
    return [tasks.compose_attribute_image(name, rng=np.random.default_rng([11, i]), seed=7,
                                          size=size)[1] for i in range(n)]


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_the_class_is_what_the_latents_say(name):
    superordinate, _, number = name.partition("_")
    possible = {"food": FOOD, "living": LIVING, "made": set(CLASSES) - FOOD - LIVING}[superordinate]
    drawn = sample_latents(name, 200)
    assert {things[0]["fine"] for things in drawn} == possible
    assert {len(things) for things in drawn} == ({1} if number == "one" else {2, 3})
    for thing in (thing for things in drawn for thing in things):
        assert (thing["kind"] == "food", thing["living"]) == (superordinate == "food",
                                                              superordinate == "living")
        constraints = CLASSES[thing["fine"]]
        assert thing["kind"] == constraints["kind"]
        assert thing["variant"] in constraints.get("variant", VARIANTS[thing["kind"]])
    assert all(len({thing["fine"] for thing in things}) == 1 for things in drawn)
    assert number == "one" or max(len({t["colour"] for t in things}) for things in drawn) == 3


def test_the_number_alone_tells_two_classes_of_a_nature_apart():
    for superordinate in ("food", "living", "made"):
        one, several = (sample_latents(f"{superordinate}_{number}", 60) for number in ("one",
                                                                                       "several"))
        assert [things[0]["fine"] for things in one] == [things[0]["fine"] for things in several]


def best_threshold(one: list[float], several: list[float]) -> float:
    """Return the fraction that the best rule classifies correctly: "several, if larger" (or
    smaller)."""
    values, labels = np.r_[one, several], np.r_[np.zeros(len(one)), np.ones(len(several))]
    right = [((values > at) == labels).mean() for at in values]
    return max(*right, *(1 - np.array(right)))


def test_neither_size_nor_area_gives_the_number_away():
    sides, areas = ({"one": [], "several": []} for _ in range(2))
    for name in NAMES:
        for things in sample_latents(name, 60):
            boxes = np.array([thing["box"] for thing in things])
            areas[name.split("_")[1]].append((boxes[:, 2] * boxes[:, 3]).sum())
            sides[name.split("_")[1]].append(boxes[:, 2:].max())
            centres = boxes[:, :2] + boxes[:, 2:] / 2
            assert (centres > 0).all() and (centres < 1).all()
    assert best_threshold(sides["one"], sides["several"]) < 0.74
    assert best_threshold(areas["one"], areas["several"]) < 0.74


def test_several_hardly_hide_each_other():
    hidden = []
    for things in sample_latents("living_several", 80):
        left, top, wide, high = np.array([thing["box"] for thing in things[:2]]).T
        across = min(left + wide) - max(left)
        down = min(top + high) - max(top)
        hidden.append(max(across, 0) * max(down, 0) / min(wide * high))
    assert np.mean(hidden) < 0.12 and np.max(hidden) < 0.75


def test_without_their_things_images_of_all_classes_are_the_same(monkeypatch):
    """Ground, clutter, cast and size know nothing of the class."""
    monkeypatch.setattr(tasks, "_draw_item", lambda *_: [0, 0, 1, 1])
    seen = set()
    for i in range(12):
        made = [tasks.compose_attribute_image(name, rng=np.random.default_rng([17, i]), seed=7,
                                              size=32)
                for name in NAMES]
        assert len({image.tobytes() for image, _ in made}) == 1
        assert len({(things[0]["share"], things[0]["background"]) for _, things in made}) == 1
        seen.add(made[0][0].tobytes())
    assert len(seen) == 12


def test_things_are_drawn_where_their_boxes_say(monkeypatch):
    for i, name in enumerate(NAMES * 2):
        image, things = tasks.compose_attribute_image(name, rng=np.random.default_rng([19, i]),
                                                      seed=7, size=64)
        with monkeypatch.context() as patch:
            patch.setattr(tasks, "_draw_item", lambda *_: [0, 0, 1, 1])
            bare, _ = tasks.compose_attribute_image(name, rng=np.random.default_rng([19, i]),
                                                    seed=7,
                                                    size=64)
        differs = (pixels(image) != pixels(bare)).any(2)
        for left, top, wide, high in (thing["box"] for thing in things):
            box = (slice(max(0, int(64 * top) - 2), int(64 * (top + high)) + 3),
                   slice(max(0, int(64 * left) - 2), int(64 * (left + wide)) + 3))
            assert differs[box].mean() > 0.15
            differs[box] = False
        assert not differs.any()


# ---- made available
# -------------------------------------------------------------------------------

SIZES = SyntheticSpec(seed=7, localizer_per_category=2, probe_per_category=2, localizer_size=32,
                      diet_train=48, diet_val=48, diet_size=32, face_identities=2,
                      face_train_per_identity=2, face_val_per_identity=2, places=16, attributes=12)


@pytest.mark.parametrize("task", WRITERS)
def test_a_profile_that_names_a_task_has_it_drawn(task, tmp_path, monkeypatch):
    profile = replace(load_profile("demo"), synthetic=SIZES)
    spec = profile.image_sets[task]
    assert spec == ImageSetSpec("imagefolder", f"tasks/{task}", f"synthetic:{task}")
    folder = prepare.ensure_available(profile, spec, tmp_path)
    images = image_folder(folder)
    assert len(images) == getattr(SIZES, task) and images.open(0).size == (32, 32)

    def unexpected(*_, **__):
        pytest.fail("drawn twice")

    unexpected.__module__ = task_files.__name__
    monkeypatch.setattr(writers, f"write_{task}", unexpected)
    assert prepare.ensure_available(profile, spec, tmp_path) == folder


def test_the_older_sets_know_nothing_of_the_tasks():
    """What they are made from decides whether they are drawn anew."""
    for part in SYNTHETIC_PARTS:
        module = writers.get_writer(part, SIZES).func.__module__
        assert ("data.synthetic.tasks" in import_closure([module])) == (part in WRITERS), part


@pytest.mark.parametrize(("sizes", "message"), [
    ({"face_identities": 1}, "face_identities is 1"),
    ({"face_identities": 4001}, "face_identities is 4001"),
    ({"cohort_subjects": 21}, "cohort_subjects is 21"),
    ({"nod_subjects": 80}, "nod_subjects is 80"),
    ({"cohort_sessions": 2}, "2 sessions for 515 shared images"),
])
def test_sizes_that_cannot_be_drawn_are_refused_before_anything_is(sizes, message, tmp_path):
    profile = replace(load_profile("demo"), synthetic=replace(SIZES, **sizes))
    with pytest.raises(LabError, match=message) as caught:
        prepare.ensure_available(profile, profile.image_sets["places"], tmp_path)
    assert caught.value.expected and caught.value.remedy
    assert not [path for path in tmp_path.rglob("*") if path.suffix in (".jpg", ".csv")]


def test_as_many_people_as_can_be_asked_for_look_different():
    """Some of the most that are allowed, drawn alike in all else: no two are the same picture."""
    some = np.random.default_rng(3).choice(writers.MAX_IDENTITIES, 400, replace=False)
    drawn = np.stack([np.asarray(faces.draw(faces.sample("adult", np.random.default_rng(0),
                                                         identity=int(i)), 32), float).ravel()
                      for i in some])
    assert pdist(drawn).min() / np.sqrt(drawn.shape[1]) > 3
