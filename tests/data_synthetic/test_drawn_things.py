"""Scenes, characters, objects and captions of the synthetic data set."""

from __future__ import annotations

import json
from collections import Counter

import numpy as np
import pytest
from sklearn.metrics import adjusted_mutual_info_score

from data.synthetic import characters, objects, scenes, words
from data.synthetic.canvas import COLOURS
from data.synthetic.captions import captions, get_nouns
from helpers.core.errors import LabError

MODULES = {"scenes": scenes, "characters": characters, "objects": objects}
CLASSES = [(domain, name) for domain, module in MODULES.items() for name in module.CLASSES]


def _sample(domain: str, name: str, seed: int) -> dict:
    constraints = dict(MODULES[domain].CLASSES[name])
    return MODULES[domain].sample(constraints.pop("kind"), np.random.default_rng(seed),
                                  **constraints)


def test_numbers_of_kinds_and_classes():
    assert scenes.KINDS == ("corridor", "house", "room", "street", "field", "coast", "mountains",
                            "forest")
    assert characters.KINDS == ("word", "pseudoword", "number")
    assert objects.KINDS == ("car", "instrument", "cup", "chair", "tool", "plant", "food",
                             "animal")
    assert [len(module.CLASSES) for module in MODULES.values()] == [8, 8, 16]
    assert all(c["kind"] in m.KINDS for m in MODULES.values() for c in m.CLASSES.values())


@pytest.mark.parametrize(("domain", "kind"), [(d, k) for d, m in MODULES.items()
                                              for k in m.KINDS])
@pytest.mark.parametrize("size", [32, 96, 130])
def test_every_kind_draws_and_survives_json(domain, kind, size):
    module = MODULES[domain]
    latents = module.sample(kind, np.random.default_rng(3))
    image = module.draw(latents, size)
    again = module.draw(json.loads(json.dumps(latents)), size)
    assert latents["kind"] == kind
    assert image.mode == "RGBA" and image.size == (size, size)
    assert np.array_equal(np.asarray(image), np.asarray(again))
    alpha = np.asarray(image)[..., 3]
    if domain == "scenes":
        assert alpha.min() == 255
    else:
        assert 0.02 < (alpha > 128).mean() < 0.95


@pytest.mark.parametrize(("domain", "name"), CLASSES)
def test_classes_keep_their_constraints(domain, name):
    for seed in range(12):
        latents = _sample(domain, name, seed)
        for key, constraint in MODULES[domain].CLASSES[name].items():
            assert latents[key] in (constraint if isinstance(constraint, tuple) else (constraint,))
        alpha = np.asarray(MODULES[domain].draw(latents, 48))[..., 3]
        edge = np.concatenate([alpha[0], alpha[-1], alpha[:, 0], alpha[:, -1]])
        assert domain == "scenes" or (edge > 128).mean() < 0.15


@pytest.mark.parametrize("domain", MODULES)
def test_classes_are_disjoint(domain):
    """No sample of one class satisfies the constraints of another."""
    classes = MODULES[domain].CLASSES
    for name in classes:
        latents = _sample(domain, name, 5)
        fits = [other for other, constraint in classes.items() if all(
            latents.get(k) in (v if isinstance(v, tuple) else (v,)) for k, v in constraint.items())]
        assert fits == [name]


@pytest.mark.parametrize("domain", MODULES)
def test_unknown_kind_and_constraint_are_refused(domain):
    rng = np.random.default_rng(0)
    with pytest.raises(LabError) as error:
        MODULES[domain].sample("unicorn", rng)
    assert all(kind in error.value.expected for kind in MODULES[domain].KINDS)
    with pytest.raises(LabError, match="colour"):
        MODULES[domain].sample(MODULES[domain].KINDS[0], rng, flavour="mint")
    with pytest.raises(LabError, match="crimsonish"):
        MODULES[domain].sample(MODULES[domain].KINDS[0], rng, colour="crimsonish")


@pytest.mark.parametrize("domain", MODULES)
def test_colour_tells_nothing_about_the_class(domain):
    drawn = [(name, _sample(domain, name, 1000 * i + seed)["colour"])
             for i, name in enumerate(MODULES[domain].CLASSES) for seed in range(60)]
    for name in MODULES[domain].CLASSES:
        assert len({colour for other, colour in drawn if other == name}) >= 9
    names, colours = zip(*drawn, strict=True)
    assert abs(adjusted_mutual_info_score(names, colours)) < 0.02
    biased = [colours[0] if n == names[0] else c for n, c in drawn]
    assert adjusted_mutual_info_score(names, biased) > 0.02


def test_colour_constraint_shows_in_the_pixels():
    for kind in objects.KINDS:
        latents = objects.sample(kind, np.random.default_rng(1), colour="red")
        assert latents["colour"] == "red" and latents["warmth"] == "warm"
        assert np.abs(np.array(latents["rgb"]) - COLOURS["red"]).max() < 60


def test_food_shape_and_colour_are_independent():
    rng = np.random.default_rng(2)
    foods = [objects.sample("food", rng) for _ in range(900)]
    shapes, colours = [f["food_shape"] for f in foods], [f["food_colour"] for f in foods]
    assert set(shapes) == {"long", "round", "wedge"}
    assert abs(adjusted_mutual_info_score(shapes, colours)) < 0.02
    assert objects.sample("food", rng, food_shape="round")["variant"] in ("apple", "orange")


def test_skies_are_not_always_brighter_than_the_ground():
    rng = np.random.default_rng(4)
    brighter = []
    for _ in range(120):
        kind = scenes.KINDS[int(rng.integers(len(scenes.KINDS)))]
        grey = np.asarray(scenes.draw(scenes.sample(kind, rng), 32).convert("L"), float)
        brighter.append(grey[:12].mean() > grey[20:].mean())
    assert 0.3 < np.mean(brighter) < 0.7


def test_strings_are_what_they_are_called():
    rng = np.random.default_rng(6)
    assert len(set(words.WORDS)) == len(words.WORDS) >= 60
    assert all(3 <= len(word) <= 8 and word.isalpha() for word in words.WORDS)
    for _ in range(100):
        word = characters.sample("word", rng, case="upper")["text"]
        pseudo = characters.sample("pseudoword", rng)["text"]
        assert word.isupper() and word.lower() in words.WORDS
        assert pseudo.isalpha() and pseudo.lower() not in words.WORDS
        assert len(characters.sample("number", rng, digits="long")["text"]) in (4, 5)
        assert len(characters.sample("number", rng, digits="short")["text"]) in (1, 2)


def test_every_font_has_every_character():
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
    for file in {file for pair in characters.FAMILIES.values() for file in pair}:
        font = characters._font(file, 64)
        missing = bytes(font.getmask("\uffff"))
        assert all(bytes(font.getmask(letter)) != missing for letter in letters)


PEOPLE_LATENTS = (
    {"kind": "adult", "hair": "long", "colour": "blond", "glasses": True, "expression": "smiling"},
    {"kind": "child"}, {"kind": "body", "pose": "walking", "colour": "red"},
    {"kind": "body", "pose": "sitting", "clothing_colour": "blue"},
    {"kind": "limb", "part": "hand_open", "grip": "open"}, {"kind": "limb"},
)


@pytest.mark.parametrize("seed", range(4))
def test_captions_are_five_different_and_name_the_main_thing(seed):
    rng = np.random.default_rng(seed)
    mains = [_sample(domain, name, seed) for domain, name in CLASSES] + list(PEOPLE_LATENTS)
    for i, main in enumerate(mains):
        other = mains[(7 * i + seed) % len(mains)]
        sentences = captions([main, other, {"kind": "forest", "role": "background"}], rng)
        assert len(sentences) == len(set(sentences)) == 5
        for sentence in sentences:
            assert sentence[0].isupper() and sentence.endswith(".") and "  " not in sentence
            assert any(noun in sentence.lower() for noun in get_nouns(main))
            assert "None" not in sentence and "_" not in sentence


def test_captions_tell_attributes_and_setting():
    rng = np.random.default_rng(0)
    hat = characters.sample("word", rng, text="hat", case="upper", layout="line")
    assert Counter('"HAT"' in c for _ in range(20) for c in captions([hat], rng))[True] > 60
    ground = {"kind": "coast", "role": "background"}
    sentences = [c for _ in range(20) for c in captions([PEOPLE_LATENTS[0], ground], rng)]
    assert sum("beach" in c or "sea" in c or "coast" in c for c in sentences) > 40
    assert sum("glasses" in c or "spectacles" in c for c in sentences) > 30
    sentences = {c for _ in range(400) for c in captions([objects.sample("cup", rng),
                                                          PEOPLE_LATENTS[1]], rng)}
    assert len(sentences) > 1500


def test_captions_are_reproducible_and_need_a_thing():
    one, two = (captions([{"kind": "car"}], np.random.default_rng(9)) for _ in range(2))
    assert one == two
    assert len(captions([{"kind": "teapot"}], np.random.default_rng(0))) == 5
    with pytest.raises(LabError):
        captions([], np.random.default_rng(0))
