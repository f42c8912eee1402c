"""Six sets of a localizer: equally many, one light for all, scrambled copies of what is shown."""

from __future__ import annotations

import hashlib
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import gaussian_filter

from helpers.core.errors import LabError
from helpers.core.paths import ROOT
from helpers.stimuli.image_sets import CORE, FLOC, floc
from helpers.stimuli.scrambling import block_scramble, match_luminance, phase_scramble
from helpers.stimuli.six_category_localizer import (
    SIX_CATEGORIES,
    SixCategoryLocalizer,
    make_six_category_localizer,
)

REAL = ROOT.parent / "shared" / "data" / "floc" / "stimuli"
SIDE = 48
INTACT = {"scrambled scenes": "scenes", "scrambled words": "characters"}


def write_floc(root: Path, n: int, *, but: tuple[str, ...] = ()) -> Path:
    """Draw smooth coloured images, each folder of another light and contrast."""
    rng = np.random.default_rng(0)
    for place, category in enumerate(FLOC):
        (root / category).mkdir(parents=True)
        for number in range(1, n + 1):
            noise = gaussian_filter(rng.standard_normal((SIDE, SIDE, 3)), (3, 3, 0))
            pixels = 60 + 12 * place + (8 + 2 * place) * noise / noise.std()
            Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(
                root / category / f"{category}-{number}.png")
    return root


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_floc(tmp_path_factory.mktemp("six") / "floc", 8)


@pytest.fixture(scope="module")
def six(folder: Path) -> SixCategoryLocalizer:
    return make_six_category_localizer(floc(folder))


def luminance(images: SixCategoryLocalizer, index: int) -> np.ndarray:
    return np.asarray(images.open(index).convert("L"), float) / 255


def folder_of(name: str) -> str:
    return name.split("/")[0]


def copies(images: SixCategoryLocalizer) -> list[tuple[int, int]]:
    """Return (scrambled, intact) rows of the same file."""
    row_of = {(domain, name): row
              for row, (domain, name) in enumerate(zip(images.domains, images.files))}
    return [(row, row_of[INTACT[domain], name])
            for (domain, name), row in row_of.items() if domain in INTACT]


def amplitudes(grey: np.ndarray) -> np.ndarray:
    """Return all amplitudes but that of the mean."""
    return np.abs(np.fft.fft2(grey)).ravel()[1:]


# ---- what is in the sets ------------------------------------------------------------------------

def test_the_six_sets_have_as_many_images(six):
    assert Counter(six.domains) == dict.fromkeys(SIX_CATEGORIES, 8)
    assert six.domain_names == six.classes == (*CORE, "scrambled scenes", "scrambled words")
    assert six.categories == six.domains and len(six.ways) == len(six) == 48


def test_words_are_words_and_no_numbers(six):
    its = {domain: {folder_of(name) for name, of in zip(six.files, six.domains) if of == domain}
           for domain in SIX_CATEGORIES}
    assert its == {"faces": {"adult", "child"}, "bodies": {"body", "limb"},
                   "scenes": {"corridor", "house"}, "characters": {"word"},
                   "scrambled scenes": {"corridor", "house"}, "scrambled words": {"word"}}


def test_folders_of_a_domain_are_shared_evenly_in_both_halves(six):
    counts = Counter((folder_of(name), half) for name, half, domain
                     in zip(six.files, six.halves, six.domains) if domain == "faces")
    assert counts == {("adult", 0): 2, ("adult", 1): 2, ("child", 0): 2, ("child", 1): 2}


def test_no_intact_image_is_shown_twice(six):
    intact = [name for name, way in zip(six.files, six.ways) if not way]
    assert len(set(intact)) == len(intact) == 32


def test_scrambled_copies_are_of_the_images_shown_and_in_the_same_half(six):
    pairs = copies(six)
    assert len(pairs) == 16
    for scrambled, intact in pairs:
        assert six.halves[scrambled] == six.halves[intact]
        assert six.ways[scrambled] and not six.ways[intact]


@pytest.mark.parametrize("domain", INTACT)
def test_both_halves_have_as_many_of_each_way_to_scramble(six, domain):
    for half in (0, 1):
        counts = Counter(way for way, of, its in zip(six.ways, six.domains, six.halves)
                         if (of, its) == (domain, half))
        assert counts == {"8 x 8 blocks": 1, "phase": 2, "16 x 16 blocks": 1}


# ---- what the images look like ----------------------------------------------------------------

def test_every_image_is_grey_and_of_one_light(six):
    for index in range(len(six)):
        image = six.open(index)
        pixels = np.asarray(image)
        assert image.mode == "RGB" and image.size == (SIDE, SIDE)
        assert (pixels == pixels[..., :1]).all()
        assert pixels.mean() / 255 == pytest.approx(0.5, abs=0.01), six.files[index]
        assert pixels[..., 0].std() / 255 == pytest.approx(0.2, abs=0.01), six.files[index]


def test_an_intact_image_is_its_source_in_another_light(six, folder):
    source = np.asarray(Image.open(folder / six.files[0]).convert("RGB").convert("L"), float)
    assert np.corrcoef(source.ravel(), luminance(six, 0).ravel())[0, 1] > 0.99


def test_phase_scrambled_copies_keep_the_amplitudes_and_lose_the_image(six):
    for scrambled, intact in copies(six):
        if six.ways[scrambled] == "phase":
            copy, source = luminance(six, scrambled), luminance(six, intact)
            assert np.corrcoef(amplitudes(copy), amplitudes(source))[0, 1] > 0.98
            assert abs(np.corrcoef(copy.ravel(), source.ravel())[0, 1]) < 0.7


def test_block_scrambled_copies_keep_every_pixel_and_lose_the_amplitudes(six):
    for scrambled, intact in copies(six):
        if six.ways[scrambled].endswith("blocks"):
            copy, source = luminance(six, scrambled), luminance(six, intact)
            np.testing.assert_array_equal(np.sort(copy, None), np.sort(source, None))
            assert (copy != source).mean() > 0.5
            assert np.corrcoef(amplitudes(copy), amplitudes(source))[0, 1] < 0.9


@pytest.mark.parametrize("tiles", [8, 16])
def test_the_way_is_the_number_of_blocks(six, tiles):
    side = SIDE // tiles

    def blocks(grey: np.ndarray) -> Counter[bytes]:
        return Counter(grey[i:i + side, j:j + side].tobytes()
                       for i in range(0, SIDE, side) for j in range(0, SIDE, side))

    for scrambled, intact in copies(six):
        if six.ways[scrambled] == f"{tiles} x {tiles} blocks":
            assert blocks(luminance(six, scrambled)) == blocks(luminance(six, intact))


def test_copies_of_different_images_are_dealt_differently(six):
    """One permutation for all images would leave what they have in common in common."""
    stripes = Image.fromarray(np.arange(256, dtype=np.uint8).reshape(16, 16))
    first, second = (np.asarray(block_scramble(stripes, np.random.default_rng(seed), tiles=16))
                     for seed in (0, 1))
    assert (first != second).mean() > 0.9
    noise = np.random.default_rng(2).standard_normal((SIDE, SIDE))
    one, two = (phase_scramble(noise, np.random.default_rng(seed)) for seed in (0, 1))
    assert abs(np.corrcoef(one.ravel(), two.ravel())[0, 1]) < 0.1


@pytest.mark.parametrize("shape", [(48, 48), (47, 47), (48, 31)])
def test_phase_scrambling_keeps_the_amplitudes_of_odd_sides_too(shape):
    """Phases of real noise, so the sum stays real: each amplitude is kept, mean and corner too."""
    rng = np.random.default_rng(0)
    grey = rng.random(shape)
    np.testing.assert_allclose(np.abs(np.fft.fft2(phase_scramble(grey, rng))),
                               np.abs(np.fft.fft2(grey)), rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("size", [48, 50])
def test_a_mosaic_has_the_size_of_its_image(size):
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (size, size), dtype=np.uint8)
    mosaic = block_scramble(Image.fromarray(pixels), rng, tiles=16)
    assert mosaic.size == (size, size)
    if size == 48:
        np.testing.assert_array_equal(np.sort(np.asarray(mosaic), None), np.sort(pixels, None))


@pytest.mark.parametrize("seed", range(6))
def test_phase_scrambling_never_turns_light_into_its_negative(seed):
    rng = np.random.default_rng(seed)
    grey = rng.random((16, 16))
    assert phase_scramble(grey, rng).mean() == pytest.approx(grey.mean())


def test_only_pixels_of_the_mask_count_for_the_light():
    grey = np.random.default_rng(0).random((40, 40)) * 0.3
    mask = np.zeros((40, 40), bool)
    mask[10:30, 10:30] = True
    grey[~mask] = 0.1
    matched = match_luminance(grey, 0.5, 0.2, mask)
    assert matched[mask].mean() == pytest.approx(0.5, abs=1e-6)
    assert matched[mask].std() == pytest.approx(0.2, abs=1e-6)
    assert abs(matched.mean() - 0.5) > 0.05, "the ground is changed alike, but not counted"


def test_an_image_of_one_tone_becomes_the_mean():
    np.testing.assert_allclose(match_luminance(np.full((8, 8), 0.9), 0.5, 0.2), 0.5)


# ---- identity -----------------------------------------------------------------------------------

def test_opened_twice_an_image_has_the_same_pixels(six, folder):
    again = make_six_category_localizer(floc(folder))
    for index in range(len(six)):
        assert six.open(index).tobytes() == again.open(index).tobytes()
    assert again.digest == six.digest


def test_a_selection_shows_the_same_images(six):
    order = np.random.default_rng(0).permutation(len(six))[:20]
    few = six.select(order)
    assert isinstance(few, SixCategoryLocalizer) and few.digest != six.digest
    for place, index in enumerate(order):
        assert few.open(place).tobytes() == six.open(index).tobytes()
        assert (few.domains[place], few.ways[place]) == (six.domains[index], six.ways[index])
    assert six.select(range(len(six))).digest == six.digest


def test_the_digest_tells_contents_and_order(tmp_path):
    root = write_floc(tmp_path / "floc", 4)
    before = make_six_category_localizer(floc(root))
    assert before.select(range(len(before) - 1, -1, -1)).digest != before.digest
    shown = root / before.files[0]
    Image.new("RGB", (SIDE, SIDE), (9, 9, 9)).save(shown)
    assert make_six_category_localizer(floc(root)).digest != before.digest


def test_how_an_image_is_scrambled_is_part_of_the_digest(six):
    scrambled, intact = copies(six)[0]
    assert six.select([scrambled]).digest != six.select([intact]).digest


# ---- refusals -----------------------------------------------------------------------------------

def test_fewer_than_four_images_are_refused(tmp_path):
    localizer = floc(write_floc(tmp_path / "floc", 3))
    with pytest.raises(LabError, match="3 images of characters"):
        make_six_category_localizer(localizer)


def test_a_localizer_without_a_domain_has_the_sets_of_the_others(folder):
    localizer = floc(folder)
    wordless = localizer.select([i for i, of in enumerate(localizer.domains)
                                 if of not in ("bodies", "characters")])
    assert make_six_category_localizer(wordless).domain_names == (
        "faces", "scenes", "scrambled scenes")


def test_a_localizer_of_one_domain_is_refused(folder):
    localizer = floc(folder)
    faces = localizer.select([i for i, of in enumerate(localizer.domains) if of == "faces"])
    with pytest.raises(LabError, match="one intact domain: faces"):
        make_six_category_localizer(faces)


def test_numbers_alone_are_no_words(folder):
    localizer = floc(folder)
    wordless = localizer.select([i for i, of in enumerate(localizer.categories) if of != "word"])
    with pytest.raises(LabError, match="0 images of characters"):
        make_six_category_localizer(wordless)


@pytest.mark.parametrize(("n", "per_set"), [(4, 4), (5, 5)])
def test_few_and_odd_numbers_are_shared_as_well(tmp_path, n, per_set):
    images = make_six_category_localizer(floc(write_floc(tmp_path / "floc", n)))
    assert Counter(images.domains) == dict.fromkeys(SIX_CATEGORIES, per_set)
    assert all(images.halves[a] == images.halves[b] for a, b in copies(images))


# ---- real photographs ---------------------------------------------------------------------------

@pytest.fixture(scope="module")
def real() -> SixCategoryLocalizer:
    if not REAL.is_dir():
        pytest.skip("no ../shared/data here")
    localizer = floc(REAL)
    return make_six_category_localizer(localizer.select([i for i in range(len(localizer))
                                                         if i % 144 < 8]))


def test_real_photographs_become_of_one_light(real):
    assert Counter(real.domains) == dict.fromkeys(SIX_CATEGORIES, 8)
    for index in range(len(real)):
        grey = luminance(real, index)
        assert grey.mean() == pytest.approx(0.5, abs=0.02), real.files[index]
        assert grey.std() == pytest.approx(0.2, abs=0.02), real.files[index]


def test_real_photographs_keep_their_amplitudes_when_phases_are_scrambled(real):
    found = [np.corrcoef(amplitudes(luminance(real, a)), amplitudes(luminance(real, b)))[0, 1]
             for a, b in copies(real) if real.ways[a] == "phase"]
    assert len(found) == 8 and min(found) > 0.9


def test_real_photographs_are_reported_apart(real):
    pixels = {hashlib.sha256(real.open(i).tobytes()).digest() for i in range(len(real))}
    assert len(pixels) == len(real)
