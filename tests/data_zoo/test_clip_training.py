"""Networks that learn from captions: words, text encoder, loss, training, the committed one."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from data.synthetic.captioned import COUNT_PHRASES, GROUP_SIZE, compose_captioned_group
from data.synthetic.captioned_files import write_captioned
from data.synthetic.captions import get_nouns
from data.zoo import clip_training
from helpers.core.errors import LabError
from helpers.core.paths import zoo_dir
from helpers.decoding.retrieval import retrieval_ranks
from helpers.networks.clip import load_clip
from helpers.networks.network import load_network
from helpers.networks.registry import get_entry
from helpers.networks.text_encoder import (
    FIRST_WORD_TOKEN,
    NUMBER,
    PADDING,
    QUOTED,
    UNKNOWN,
    TextEncoder,
    Vocabulary,
    build_vocabulary,
    read_vocabulary,
    split_words,
)
from helpers.stimuli.image_sets import image_folder
from helpers.training.captioned_images import read_captioned_images, train_clip
from helpers.training.loop import TrainingRecipe, train
from helpers.training.losses import clip_loss

NAME = "demo-clip"
RECORD = json.loads((zoo_dir() / "zoo.json").read_text(encoding="utf-8")).get(NAME, {})
needs_zoo = pytest.mark.skipif(not RECORD, reason="no network with two encoders yet: make zoo")


def test_words_of_a_caption():
    assert split_words('A look at the WORD "tromu" 42, a man-made child\'s face.') == [
        "a", "look", "at", "the", "word", '"tromu"', "42", "a", "man-made", "child's", "face"]


def test_tokens_are_words_or_what_kind_of_string_it_is(tmp_path):
    words = build_vocabulary(["a red car", "a red dog", 'a "red" 7'], 2)
    assert words.words == ("a", "red") and len(words) == FIRST_WORD_TOKEN + 2
    found = words.tokens(['a red "car" 12 dog', "red"])
    a, red = FIRST_WORD_TOKEN, FIRST_WORD_TOKEN + 1
    assert found[0, :6].tolist() == [a, red, QUOTED, NUMBER, UNKNOWN, PADDING]
    assert found.shape == (2, words.context) and found[1].count_nonzero() == 1
    assert words.tokens(["red " * 50])[0].tolist() == [red] * words.context
    words.save(tmp_path / "words.txt")
    assert read_vocabulary(tmp_path / "words.txt") == words


def test_texts_and_files_without_words_are_reported(tmp_path):
    with pytest.raises(LabError, match="text 1 has no word"):
        Vocabulary(("a",)).tokens(["a", "..."])
    with pytest.raises(LabError, match="no words in"):
        read_vocabulary(tmp_path / "absent.txt")


def test_a_text_encoder_does_not_see_padding():
    torch.manual_seed(0)
    encoder = TextEncoder(20, context=10, width=16, heads=2, output=6).eval()
    tokens = torch.randint(FIRST_WORD_TOKEN, 20, (3, 10))
    tokens[:, 6:] = PADDING
    with torch.no_grad():
        encoder.places[6:] = torch.randn(4, 16) * 9  # places that hold nothing
        before = encoder(tokens)
        encoder.places[6:] = 0
        torch.testing.assert_close(encoder(tokens), before)
        assert not torch.allclose(encoder(tokens.flip(0)), before)


def test_the_loss_is_that_of_both_directions():
    torch.manual_seed(0)
    seen, said = torch.randn(7, 4), torch.randn(7, 4)
    logits = functional.normalize(seen) @ functional.normalize(said).T * 5
    own = torch.arange(7)
    expected = (functional.cross_entropy(logits, own) + functional.cross_entropy(logits.T, own)) / 2
    assert clip_loss(seen, said, torch.tensor(5.0).log()).item() == pytest.approx(expected.item())
    at_most = clip_loss(seen, said, torch.tensor(1e6).log())
    assert at_most.item() == pytest.approx(clip_loss(seen, said, torch.tensor(100.0).log()).item())


@pytest.fixture(scope="module")
def captioned_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("captions") / "captioned"
    return write_captioned(folder, seed=0, n_images=2 * clip_training.COMPOSED_IMAGES.batch_size,
                           processes=2)


def composed_group(index: int) -> list:
    return compose_captioned_group(rng=np.random.default_rng(index), seed=0, size=48)


def test_captions_name_and_count_every_item():
    for index in range(20):
        for one, again in zip(composed_group(index), composed_group(index)):
            assert len(set(one.captions)) == 5 and one.captions == again.captions
            things = [item for item in one.items if item["role"] == "item"]
            for line in one.captions[:3]:
                assert all(any(noun in line.lower() for noun in get_nouns(thing))
                           for thing in things)
            assert any(number in one.captions[3].lower()
                       for number in COUNT_PHRASES[len(things) - 1])


def test_images_of_a_group_show_one_scene_with_at_most_one_other_item():
    for index in range(10):
        first, *others = composed_group(index)
        for other in others:
            assert len(other.items) == len(first.items)
            n_changed = sum(a != b for a, b in zip(first.items, other.items))
            assert n_changed == 1
            difference = np.abs(np.asarray(first.image, int) - np.asarray(other.image, int)).max(-1)
            box = next(b["box"] for a, b in zip(first.items, other.items) if a != b)
            old = next(a["box"] for a, b in zip(first.items, other.items) if a != b)
            inside = np.zeros_like(difference, bool)
            for left, top, width, height in (box, old):
                inside[max(0, int(48 * top) - 2):int(48 * (top + height)) + 3,
                       max(0, int(48 * left) - 2):int(48 * (left + width)) + 3] = True
            assert difference[~inside].max(initial=0) == 0 and difference.any()


@pytest.mark.slow
def test_captioned_images_are_the_same_whatever_the_processes(captioned_folder, tmp_path):
    write_captioned(tmp_path / "few", seed=0, n_images=44, processes=1)
    few, many = read_captioned_images([tmp_path / "few"]), read_captioned_images([captioned_folder])
    assert torch.equal(few.images, many.images[:44]) and few.captions == many.captions[:44]
    assert len(read_captioned_images([captioned_folder],
                                     exclude_prefix="composed/composed_00000")) == len(many) - 9
    with pytest.raises(LabError, match="captions.json"):
        read_captioned_images([tmp_path])
    with pytest.raises(LabError, match=f"a multiple of {GROUP_SIZE}"):
        write_captioned(tmp_path / "odd", seed=0, n_images=45)


@pytest.mark.slow
def test_encoders_learn_to_match(captioned_folder):
    images = read_captioned_images([captioned_folder])
    model = nn.Sequential(nn.AdaptiveAvgPool2d(8), nn.Flatten(), nn.Linear(192, 8))
    recipe = TrainingRecipe("clip", epochs=6, batch_size=64, learning_rate=1e-2, temperature=0.2)
    encoder, words, record = train_clip(model, images, recipe, width=8, seed=0)
    assert record.epoch_losses[-1] < record.epoch_losses[0] - 0.1
    assert not model.training and not encoder.training and len(words) > 100
    with pytest.raises(LabError, match="without a network that reads"):
        train(model, images.images, torch.zeros(len(images), 5, 24, dtype=torch.int64), recipe,
              seed=0)


@pytest.mark.slow
@needs_zoo
def test_training_the_encoders_again_begins_as_recorded(captioned_folder):
    losses = clip_training.reproduce_clip_losses(NAME, read_captioned_images([captioned_folder]),
                                                 seed=RECORD["seed"])
    assert losses == pytest.approx(RECORD["rehearsal_losses"], rel=2e-2)


def test_explained_variance_is_that_of_new_images():
    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((400, 6))
    features = np.column_stack([vectors @ rng.standard_normal(6), rng.standard_normal(400)])
    features[:, 0] += rng.normal(0, features[:, 0].std(), 400)  # half of the variance is noise
    of_signal, of_noise = clip_training.linear_r2(vectors, features)
    assert of_signal == pytest.approx(.5, abs=.08) and -.1 < of_noise < .02


@pytest.fixture(scope="module")
def clip():
    network = load_network(get_entry(NAME), zoo_dir() / get_entry(NAME).file)
    return load_clip(network, zoo_dir() / get_entry(NAME).file, zoo_dir())


@needs_zoo
def test_the_committed_encoders_are_those_of_the_record(clip):
    assert clip.digest == RECORD["digest"]


@pytest.mark.slow
@needs_zoo
def test_the_committed_encoders_match_images_and_captions_that_they_never_saw(clip, tmp_path):
    fresh = write_captioned(tmp_path / "fresh", seed=5, n_images=120, processes=2)
    images = read_captioned_images([fresh])
    seen = clip.embed_images(image_folder(fresh), batch_size=60)
    said = np.mean([clip.embed_texts([lines[i] for lines in images.captions]) for i in range(5)],
                   axis=0)
    place = retrieval_ranks(seen, said, np.arange(120))
    assert seen.shape == said.shape == (120, 128) and (place <= 10).mean() > 0.5


@pytest.mark.slow
@needs_zoo
def test_the_record_says_what_embeddings_tell_of_what_is_planted(clip):
    found = clip_training.ground_truth_r2(clip, seed=0, device=torch.device("cpu"))
    assert found == pytest.approx(RECORD["ground truth R2"], abs=0.03)
    assert min(found[name] for name in ("faces", "scenes", "indoor", "natural")) > 0.8


@needs_zoo
def test_a_network_without_a_text_encoder_is_refused(clip):
    alone = load_network(get_entry("demo-untrained"), zoo_dir() / get_entry("demo-untrained").file)
    with pytest.raises(LabError, match="not trained with captions"):
        load_clip(alone, zoo_dir() / get_entry("demo-untrained").file, zoo_dir())
