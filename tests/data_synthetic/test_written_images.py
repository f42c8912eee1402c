"""The synthetic images on disk: layouts, determinism, matched luminance, nothing half made."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from data.synthetic import canvas, diet, faces, image_files, images, writing
from data.synthetic.image_files import write_diet, write_faces_diet, write_localizer, write_probe
from helpers.core.errors import LabError
from helpers.stimuli import scrambling

GOLDEN = {
    "adult/adult-1.jpg": [
        0.474, 0.369, 0.485, 0.492,
        0.417, 0.631, 0.479, 0.455,
        0.433, 0.690, 0.513, 0.508,
        0.542, 0.480, 0.580, 0.452,
    ],
    "house/house-2.jpg": [
        0.493, 0.443, 0.395, 0.506,
        0.463, 0.416, 0.427, 0.499,
        0.616, 0.447, 0.479, 0.586,
        0.604, 0.544, 0.499, 0.585,
    ],
    "word/word-3.jpg": [
        0.336, 0.416, 0.501, 0.432,
        0.390, 0.501, 0.584, 0.413,
        0.590, 0.600, 0.607, 0.565,
        0.455, 0.559, 0.593, 0.458,
    ],
    "train/body_walking/body_walking_00001.jpg": [
        0.444, 0.413, 0.429, 0.442,
        0.429, 0.344, 0.427, 0.402,
        0.426, 0.275, 0.333, 0.401,
        0.397, 0.417, 0.495, 0.416,
    ],
    "train/guitar/guitar_00002.jpg": [
        0.493, 0.566, 0.484, 0.247,
        0.322, 0.455, 0.414, 0.290,
        0.399, 0.422, 0.417, 0.423,
        0.362, 0.629, 0.650, 0.512,
    ],
}
"""Luminance in [0, 1] of 4 by 4 blocks of five images of seed 7, row by row."""


def digests(folder: Path) -> dict[str, str]:
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(folder.rglob("*")) if path.is_file()}


def grey(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path).convert("L"), dtype=float) / 255


@pytest.fixture(scope="module")
def localizer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("synthetic") / "localizer"
    return write_localizer(folder, seed=7, n_per_category=3, processes=1)


@pytest.fixture(scope="module")
def small_diet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("synthetic") / "diet"
    return write_diet(folder, seed=7, n_train=96, n_val=48, processes=1)


# ---- layouts ------------------------------------------------------------------------------------

def test_localizer_layout_is_flocs(localizer):
    names = {"adult", "child", "body", "limb", "car", "instrument", "corridor", "house", "word",
             "number", "scrambled"}
    assert {path.name for path in localizer.iterdir()} == names
    for name in names:
        assert {path.name for path in (localizer / name).iterdir()} == {
            f"{name}-{i}.jpg" for i in (1, 2, 3)}
    image = Image.open(localizer / "adult" / "adult-1.jpg")
    assert image.size == (128, 128) and image.mode == "L"


def test_probe_layout(tmp_path):
    folder = write_probe(tmp_path / "probe", seed=7, n_per_category=2, processes=1)
    assert sorted(path.name for path in folder.iterdir()) == [
        "1-Faces", "2-Bodies", "3-Scenes", "4-Words", "5-Objects", "6-ScrambledObjects",
        "7-ScrambledWords"]
    assert sorted(path.name for path in (folder / "1-Faces").iterdir()) == [
        "faces-01.jpg", "faces-02.jpg"]
    assert Image.open(folder / "5-Objects" / "objects-02.jpg").mode == "RGB"


@pytest.mark.slow
def test_diet_has_48_equal_classes_in_five_domains(small_diet):
    classes = images.fine_classes()
    counts = {domain: sum(d == domain for d, _ in classes.values()) for domain in images.DOMAINS}
    assert counts == {"faces": 8, "bodies": 8, "scenes": 8, "characters": 8, "objects": 16}
    for split, expected in (("train", 2), ("val", 1)):
        found = {path.name: len(list(path.iterdir())) for path in (small_diet / split).iterdir()}
        assert found == dict.fromkeys(classes, expected)
    assert (small_diet / "train" / "adult_bald" / "adult_bald_00002.jpg").is_file()


def test_captions_are_cocos_five_per_image(small_diet):
    coco = json.loads((small_diet / "captions.json").read_text(encoding="utf-8"))
    assert set(coco) == {"info", "images", "annotations"}
    assert len(coco["images"]) == 144
    for entry in coco["images"]:
        assert Image.open(small_diet / entry["file_name"]).size == (
            entry["width"], entry["height"])
    per_image = np.unique([a["image_id"] for a in coco["annotations"]], return_counts=True)
    assert per_image[0].tolist() == sorted(entry["id"] for entry in coco["images"])
    assert set(per_image[1]) == {5}
    assert len({a["id"] for a in coco["annotations"]}) == 5 * 144
    assert all(a["caption"].strip() for a in coco["annotations"])


def test_faces_diet_has_one_class_per_person(tmp_path):
    folder = write_faces_diet(tmp_path / "faces", seed=7, n_identities=3,
                              n_train_per_identity=2, n_val_per_identity=1, processes=1)
    found = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.jpg"))
    assert found[:3] == ["train/id_000/id_000_00001.jpg", "train/id_000/id_000_00002.jpg",
                         "train/id_001/id_001_00001.jpg"]
    assert len(found) == 9 and found[-1] == "val/id_002/id_002_00001.jpg"


# ---- determinism --------------------------------------------------------------------------------

def test_same_seed_same_bytes_whatever_the_processes(tmp_path, small_diet):
    again = write_diet(tmp_path / "again", seed=7, n_train=96, n_val=48, processes=2)
    assert digests(again) == digests(small_diet)


def test_other_seed_other_images(tmp_path, localizer):
    other = write_localizer(tmp_path / "other", seed=8, n_per_category=3, processes=1)
    one, two = digests(localizer), digests(other)
    assert one.keys() == two.keys() and not set(one.values()) & set(two.values())


def test_a_longer_set_begins_with_the_shorter_one(tmp_path, localizer):
    short = write_localizer(tmp_path / "short", seed=7, n_per_category=1, processes=1)
    assert digests(short).items() <= digests(localizer).items()


def test_images_are_those_of_the_golden_set(localizer, small_diet):
    """Block means, so that other versions of Pillow or NumPy may differ in the last bits."""
    for name, expected in GOLDEN.items():
        root = small_diet if name.startswith("train") else localizer
        pixels = grey(root / name)
        side = pixels.shape[0] // 4
        blocks = pixels.reshape(4, side, 4, side).mean(axis=(1, 3))
        np.testing.assert_allclose(blocks.ravel(), expected, atol=0.02, err_msg=name)


# ---- what must not give the class away ----------------------------------------------------------

def test_localizer_luminance_and_contrast_are_matched(localizer):
    for path in localizer.rglob("*.jpg"):
        pixels = grey(path)
        assert pixels.mean() == pytest.approx(images.LUMINANCE_MEAN, abs=0.01), path.name
        assert pixels.std() == pytest.approx(images.LUMINANCE_SD, abs=0.01), path.name


def test_phase_scrambling_keeps_the_amplitudes_and_loses_the_image():
    rng = np.random.default_rng(0)
    image = canvas.sample_noise_texture(64, rng) + np.linspace(0, 2, 64)
    scrambled = scrambling.phase_scramble(image, rng)
    np.testing.assert_allclose(np.abs(np.fft.fft2(scrambled))[1:32, 1:32],
                               np.abs(np.fft.fft2(image))[1:32, 1:32], rtol=1e-6)
    assert scrambled.mean() == pytest.approx(image.mean())
    assert abs(np.corrcoef(image.ravel(), scrambled.ravel())[0, 1]) < 0.5


def test_block_scrambling_only_moves_tiles():
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (64, 64, 3)).astype(np.uint8)
    moved = np.asarray(scrambling.block_scramble(Image.fromarray(pixels), rng, tiles=8))

    def tiles(array: np.ndarray) -> set[bytes]:
        return {array[i:i + 8, j:j + 8].tobytes() for i in range(0, 64, 8) for j in range(0, 64, 8)}

    assert tiles(moved) == tiles(pixels) and not np.array_equal(moved, pixels)


@pytest.mark.parametrize(("mean", "std"), [(0.5, 0.15), (0.3, 0.2), (0.7, 0.1)])
def test_match_luminance_reaches_its_target_despite_clipping(mean, std):
    skewed = np.random.default_rng(0).gamma(0.7, size=(64, 64))
    matched = scrambling.match_luminance(skewed, mean, std)
    assert matched.min() >= 0 and matched.max() <= 1
    assert matched.mean() == pytest.approx(mean, abs=0.01)
    assert matched.std() == pytest.approx(std, abs=0.01)


# ---- things -------------------------------------------------------------------------------------

def test_every_fine_class_keeps_its_constraints_and_draws_something():
    for name, (domain, constraints) in images.fine_classes().items():
        latents = images.sample(domain, constraints, np.random.default_rng(3))
        latents = json.loads(json.dumps(latents))
        for key, value in constraints.items():
            if key in latents and not isinstance(value, list | tuple):
                assert latents[key] == value, name
        item = images.draw(latents, 48)
        assert item.mode == "RGBA" and item.size == (48, 48)
        alpha = np.asarray(item.getchannel("A")) / 255
        assert alpha.mean() > (0.999 if domain == "scenes" else 0.02), name
        assert images.draw(latents, 48).tobytes() == item.tobytes(), name


def test_an_identity_keeps_its_face_and_changes_its_expression():
    drawn = [faces.sample("adult", np.random.default_rng(i), identity=5) for i in range(20)]
    lasting = ("geometry", "skin_rgb", "hair", "hair_rgb", "glasses", "beard")
    assert len({json.dumps([latents[key] for key in lasting]) for latents in drawn}) == 1
    assert len({latents["expression"] for latents in drawn}) > 2
    geometries = {json.dumps(faces.sample("adult", np.random.default_rng(0),
                                          identity=i)["geometry"])
                  for i in range(200)}
    assert len(geometries) == 200


def test_diet_latents_say_what_is_in_the_image():
    counted = []
    for i in range(60):
        rng = np.random.default_rng([7, i])
        _, things = diet.compose_diet_image("faces", {"kind": "child"}, rng=rng, seed=7, size=48)
        assert things[0]["domain"] == "faces" and things[0]["background"]
        counted.append(len(things))
    assert set(counted) == {1, 2} and 2 < counted.count(2) < 30


# ---- nothing half made --------------------------------------------------------------------------

def test_an_interruption_leaves_nothing_behind(tmp_path, monkeypatch):
    whole, drawn = images.compose_localizer_image, []

    def interrupted(category, **options):
        drawn.append(category)
        if len(drawn) == 5:
            raise KeyboardInterrupt
        return whole(category, **options)

    monkeypatch.setattr(image_files.images, "compose_localizer_image", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_localizer(tmp_path / "set", seed=7, n_per_category=2, processes=1)
    assert len(drawn) == 5 and not list(tmp_path.iterdir())


def test_leftovers_of_dead_runs_are_removed_and_of_living_ones_kept(tmp_path, monkeypatch):
    dead, living = tmp_path / "set.part-11", tmp_path / "set.part-22"
    for left in (dead, living):
        left.mkdir()
    monkeypatch.setattr(writing, "_is_running", lambda pid: pid == "22")
    write_probe(tmp_path / "set", seed=7, n_per_category=1, processes=1)
    assert not dead.exists() and living.exists()


def test_a_filled_folder_is_refused(tmp_path, localizer):
    before = digests(localizer)
    with pytest.raises(LabError, match="not empty"):
        write_localizer(localizer, seed=9, n_per_category=1, processes=1)
    assert digests(localizer) == before


def test_counts_that_do_not_fit_are_refused(tmp_path):
    with pytest.raises(LabError, match="multiple of 48"):
        write_diet(tmp_path / "diet", seed=7, n_train=50, n_val=48)
    with pytest.raises(LabError, match="at least 1"):
        write_probe(tmp_path / "probe", seed=7, n_per_category=0)
    assert not list(tmp_path.iterdir())
