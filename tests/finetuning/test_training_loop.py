"""One loop for every objective: fair batches, exact resumption, nothing that moves unasked."""

from __future__ import annotations

import copy
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torchvision.transforms import functional

from helpers.config.contrastive_finetuning import FinetuningSpec
from helpers.core.errors import LabError
from helpers.finetuning.conditions import CONDITIONS, build_model
from helpers.finetuning.training_loop import (
    FineTuningConfig,
    PixelNormalisation,
    SubjectPairs,
    count_steps,
    matmul_precision,
    split_into_batches,
    train_model,
)
from helpers.networks.weights import read_state_dict
from helpers.training.processes import single_thread

CONFIG = FineTuningConfig(epochs=4, batch_size=8, learning_rate=3e-3)
HALF = PixelNormalisation((0.5,) * 3, (0.5,) * 3)


@pytest.fixture(autouse=True, scope="module")
def single():
    """Small sums are fastest on one thread."""
    with single_thread():
        yield


def training_pairs(subjects="A", n=20, n_voxels=30, per_condition=1) -> list[SubjectPairs]:
    """Random images; each voxel weighs the mean colours of its image."""
    found = []
    for k, subject in enumerate(subjects):
        rng = np.random.default_rng(k)
        pixels = rng.integers(0, 256, (n * per_condition, 3, 8, 8), dtype=np.uint8)
        colours = pixels.reshape(n, per_condition, 3, -1).mean((1, 3)) / 10
        y = (colours - colours.mean(0)) @ rng.normal(size=(3, n_voxels + k))
        found.append(SubjectPairs(subject, pixels, np.repeat(np.arange(n), per_condition),
                                  y.astype(np.float32)))
    return found


def model_of(condition="contrastive", subjects_trained_on=None, seed=0, **changes) -> nn.Module:
    """A network with dropout under the head of a condition."""
    spec = FinetuningSpec("n", "u", ("PPA",), ("fc",), **changes)
    torch.manual_seed(seed)
    backbone = nn.Sequential(nn.Conv2d(3, 4, 3, 2), nn.ReLU(inplace=True), nn.Flatten(),
                             nn.Dropout(0.4), nn.Linear(36, 12))
    return build_model(CONDITIONS[condition], backbone, {p.subject: p.responses.shape[1]
                                               for p in subjects_trained_on or training_pairs()},
                       spec, image_size=8, max_voxels=33, seed=seed)


def weights(model: nn.Module) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def same(one: dict, other: dict) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[n], other[n]) for n in one)


# ---- batches ------------------------------------------------------------------------------------

response_idx_lists = st.lists(st.integers(0, 8), min_size=2, max_size=40).filter(
    lambda c: len(set(c)) > 1)


@given(response_idx=response_idx_lists, size=st.integers(2, 12), seed=st.integers(0, 99))
@settings(max_examples=150, deadline=None)
def test_no_batch_holds_a_condition_twice_and_no_epoch_an_image_twice(response_idx, size, seed):
    response_idx = np.array(response_idx)
    all_batches = split_into_batches(response_idx, size,
                                     generator=torch.Generator().manual_seed(seed))
    shown = np.concatenate(all_batches)
    assert len(shown) == len(set(shown.tolist())) and set(shown) <= set(range(len(response_idx)))
    for rows in all_batches:
        assert 2 <= len(rows) <= size + 1
        assert len(set(response_idx[rows])) == len(rows)
    assert set(response_idx[shown]) == set(response_idx), "every condition is met"
    counts = np.sort(np.unique(response_idx, return_counts=True)[1])
    assert len(shown) == len(response_idx) - (counts[-1] - counts[-2]), (
        "left out is only what would stand alone")


@given(n=st.integers(2, 60), size=st.integers(2, 20), seed=st.integers(0, 99))
@settings(max_examples=100, deadline=None)
def test_one_image_a_condition_is_the_plain_shuffled_epoch(n, size, seed):
    all_batches = split_into_batches(np.arange(n) * 3 + 1, size,
                                     generator=torch.Generator().manual_seed(seed))
    np.testing.assert_array_equal(np.sort(np.concatenate(all_batches)), np.arange(n))
    full, rest = divmod(n, size)
    expected = [size] * full + ([rest] if rest else [])
    if rest == 1 and full:
        expected[-2:] = [size + 1]
    assert [len(rows) for rows in all_batches] == expected


def test_a_single_image_left_over_joins_the_batch_before():
    sizes = [len(rows) for rows in split_into_batches(np.arange(9), 4, generator=torch.Generator())]
    assert sizes == [4, 5]
    assert [len(r) for r in split_into_batches(np.arange(10), 4,
                                               generator=torch.Generator())] == [4, 4, 2]


def test_batches_differ_between_epochs_and_which_image_goes_first_does_too():
    response_idx = np.repeat(np.arange(12), 3)
    deal = lambda seed: split_into_batches(response_idx, 6,  # noqa: E731
                                           generator=torch.Generator().manual_seed(seed))
    np.testing.assert_array_equal(np.concatenate(deal(1)), np.concatenate(deal(1)))
    assert (np.concatenate(deal(1)) != np.concatenate(deal(2))).any()
    first = np.array([sorted(np.concatenate(deal(seed)[:2])) for seed in range(30)])
    assert len(set(first[:, 0])) == 3, "each of the three images of condition 0"
    together = [frozenset(response_idx[rows]) for seed in range(30) for rows in deal(seed)]
    assert len(set(together)) > 100, "which conditions meet is drawn anew"


@pytest.mark.parametrize("response_idx, size", [(np.arange(5), 1), (np.zeros(5, int), 4),
                                                (np.arange(1), 4)])
def test_nothing_to_tell_apart_is_refused(response_idx, size):
    with pytest.raises(LabError, match="batches of(?s:.)*2 or more of both"):
        split_into_batches(response_idx, size, generator=torch.Generator())


@pytest.mark.parametrize("change", [{"epochs": 0}, {"batch_size": 1}, {"learning_rate": 0.0},
                                    {"learning_rate": -1e-4}])
def test_impossible_settings_are_refused_by_the_profile(change):
    with pytest.raises(ValueError, match=next(iter(change))):
        FinetuningSpec("n", "u", ("PPA",), ("fc",), **change)


# ---- what the network sees ----------------------------------------------------------------------

def test_pixels_become_what_torchvision_would_make_of_them():
    mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    pixels = np.random.default_rng(0).integers(0, 256, (5, 3, 6, 6), dtype=np.uint8)
    before = pixels.copy()
    found = PixelNormalisation(mean, std)(pixels, torch.device("cpu"))
    expected = functional.normalize(torch.from_numpy(pixels).float() / 255, mean, std)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)
    assert found.dtype == torch.float32 and (pixels == before).all()


class Spy(nn.Module):
    """Writes down what it is shown; learns one number that nothing depends on."""

    def __init__(self) -> None:
        super().__init__()
        self.number, self.seen = nn.Parameter(torch.ones(())), []

    def forward(self, images, responses, subject):
        assert self.training
        self.seen.append((subject, images.clone(), responses.clone()))
        return self.number * images.flatten(1).mean(1), responses

    def loss(self, one, _other):
        return one.square().mean()


def test_each_image_comes_with_the_response_to_its_condition():
    (pairs,) = training_pairs(per_condition=2)
    spy = Spy()
    train_model(spy, [pairs], replace(CONFIG, epochs=1), HALF, seed=3)
    assert not spy.training
    images = torch.cat([images for _, images, _ in spy.seen])
    responses = torch.cat([responses for _, _, responses in spy.seen])
    scaled = HALF(pairs.pixels, torch.device("cpu"))
    places = [int((scaled - image).abs().sum((1, 2, 3)).argmin()) for image in images]
    assert sorted(places) == list(range(40)) != places
    assert torch.equal(responses, torch.from_numpy(pairs.responses)[torch.tensor(places) // 2])


def test_pooled_epochs_visit_one_participant_after_another_or_mix_them():
    subjects_trained_on = training_pairs("ABC")
    orders = {}
    for interleaved in (False, True):
        spy = Spy()
        train_model(spy, subjects_trained_on, replace(CONFIG, epochs=2, interleaved=interleaved),
                    HALF, seed=0)
        orders[interleaved] = "".join(subject for subject, *_ in spy.seen)
        assert len(orders[interleaved]) == count_steps(subjects_trained_on,
                                                       replace(CONFIG, epochs=2)) == 18
        for subject, _images, responses in spy.seen:
            known = subjects_trained_on["ABC".index(subject)]
            assert responses.shape[1] == known.responses.shape[1], "a batch is of one participant"
    assert orders[False] == "AAABBBCCC" * 2
    first, second = orders[True][:9], orders[True][9:]
    assert sorted(first) == sorted(second) == sorted("AAABBBCCC")
    assert first != second and "AAABBBCCC" not in (first, second)


def test_every_epoch_has_its_own_order_and_every_seed():
    found = []
    for seed in (0, 1):
        spy = Spy()
        train_model(spy, training_pairs(), replace(CONFIG, epochs=2), HALF, seed=seed)
        found += [torch.cat([r for _, _, r in spy.seen[:3]]), torch.cat([r for _, _, r in
                                                                         spy.seen[3:]])]
    assert all(not torch.equal(found[i], found[k]) for i in range(4) for k in range(i))


# ---- learning -----------------------------------------------------------------------------------

@pytest.mark.parametrize("condition", ["contrastive", "regression", "regression, same head",
                                       "pooled, avg"])
def test_the_loss_goes_down(condition):
    subjects_trained_on = training_pairs("AB" if "pooled" in condition else "A", n=40)
    model = model_of(condition, subjects_trained_on)
    losses = train_model(model, subjects_trained_on, replace(CONFIG, epochs=12, learning_rate=1e-2),
                         HALF, seed=0)
    assert len(losses) == 12 and np.mean(losses[-3:]) < 0.9 * np.mean(losses[:2])
    assert not model.training


def test_each_step_is_adam_without_decay_and_losses_are_means_of_epochs():
    """Against PyTorch's plain Adam on the batches that are dealt, in a model without dropout."""
    (pairs,) = training_pairs()
    ours = model_of("regression")
    ours.feature_extractor.backbone[3] = nn.Identity()
    theirs, steps = copy.deepcopy(ours).train(), []
    losses = train_model(ours, [pairs], replace(CONFIG, epochs=2), HALF, seed=5,
                         on_step=lambda step, loss: steps.append((step, loss)))
    optimizer = torch.optim.Adam(theirs.parameters(), lr=CONFIG.learning_rate, betas=(0.9, 0.999),
                                 weight_decay=0)
    expected = []
    for epoch in range(2):
        generator = torch.Generator().manual_seed(1_000_003 * 5 + epoch)
        for rows in split_into_batches(pairs.response_idx, 8, generator=generator):
            optimizer.zero_grad()
            loss = (theirs(HALF(pairs.pixels[rows], torch.device("cpu")), None, "A")[0]
                    - torch.from_numpy(pairs.responses[rows])).square().mean()
            loss.backward()
            optimizer.step()
            expected.append(loss.item())
    assert [step for step, _ in steps] == [1, 2, 3, 4, 5, 6]
    np.testing.assert_allclose([loss for _, loss in steps], expected, rtol=1e-4)
    np.testing.assert_allclose(losses, [np.mean(expected[:3]), np.mean(expected[3:])], rtol=1e-4)
    for name, tensor in theirs.state_dict().items():
        torch.testing.assert_close(ours.state_dict()[name], tensor, rtol=1e-3, atol=1e-5)


def test_what_takes_no_part_stays_put():
    """Neither decay nor momentum moves an absent participant's map, or layers behind the head."""
    subjects_trained_on = training_pairs("AB")
    model = model_of("pooled, avg", subjects_trained_on, head_layer="1")
    before = weights(model)
    train_model(model, subjects_trained_on[:1], CONFIG, HALF, seed=0)
    after = weights(model)
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert {"from_responses.B.weight", "feature_extractor.backbone.4.weight",
            "log_temperature"}.isdisjoint(
        moved)
    assert {"from_responses.A.weight", "feature_extractor.backbone.0.weight", "from_images.weight",
            "head.0.weight", "head.6.weight", "head.1.running_mean"} <= moved


def test_a_learned_temperature_moves():
    model = model_of(learned_temperature=True)
    train_model(model, training_pairs(), CONFIG, HALF, seed=0)
    assert abs(model.temperature.item() - 0.3) > 1e-3


def test_tuning_leaves_the_global_random_state_and_the_data_alone():
    (pairs,), model = training_pairs(), model_of()
    pixels, responses = pairs.pixels.copy(), pairs.responses.copy()
    before, legacy = torch.get_rng_state(), np.random.get_state()[1].copy()
    train_model(model, [pairs], CONFIG, HALF, seed=0)
    assert torch.equal(torch.get_rng_state(), before)
    assert (np.random.get_state()[1] == legacy).all()
    assert (pairs.pixels == pixels).all() and (pairs.responses == responses).all()


def test_the_global_random_state_does_not_reach_the_result():
    ends = []
    for state in (1, 2):
        model = model_of()
        torch.manual_seed(state)
        train_model(model, training_pairs(), CONFIG, HALF, seed=0)
        ends.append(weights(model))
    assert same(*ends)
    other = model_of()
    train_model(other, training_pairs(), CONFIG, HALF, seed=1)
    assert not same(ends[0], weights(other))


def test_products_in_bfloat16_are_less_exact_and_learn_all_the_same():
    ends, losses = [], []
    for precision in ("float32", "bfloat16"):
        model = model_of()
        losses.append(train_model(model, training_pairs(), replace(CONFIG, precision=precision),
                                  HALF, seed=0))
        ends.append(weights(model))
        assert all(tensor.dtype in (torch.float32, torch.int64) for tensor in ends[-1].values())
    assert not same(*ends)
    np.testing.assert_allclose(*losses, rtol=0.1)


@pytest.mark.parametrize("precision", ["float32", "tf32", "bfloat16"])
def test_what_products_may_be_is_restored_after_an_error(precision):
    flags = lambda: (torch.backends.cudnn.allow_tf32,  # noqa: E731
                     torch.backends.cuda.matmul.allow_tf32)
    before = flags()
    with pytest.raises(KeyError), matmul_precision(precision):
        assert flags() == ((precision == "tf32"),) * 2
        raise KeyError
    assert flags() == before


# ---- interrupted and resumed --------------------------------------------------------------------

def train_and_interrupt(model, pairs, config, *, after: int, state, seed=0, on_step=None,
                        min_seconds=0) -> None:
    """Interrupt a training in the first step after some epochs."""
    last = after * count_steps(pairs, config) // config.epochs

    def interrupt(step: int, loss: float) -> None:
        if step > last:
            raise KeyboardInterrupt
        if on_step is not None:
            on_step(step, loss)

    with pytest.raises(KeyboardInterrupt):
        train_model(model, pairs, config, HALF, seed=seed, state=state, on_step=interrupt,
                    min_seconds_between_states=min_seconds)


CASES = {"contrastive": ("contrastive", "A", {}),
         "pooled": ("pooled, avg", "AB", {}),
         "pooled, interleaved": ("pooled, const", "AB", {}),
         "learned temperature": ("contrastive", "A", {"learned_temperature": True}),
         "attached": ("contrastive", "A", {"head_layer": "1"}),
         "regression": ("regression", "A", {}),
         "same head": ("regression, same head", "A", {})}


@pytest.mark.parametrize("case", CASES)
def test_interrupted_and_resumed_is_bit_for_bit_uninterrupted(case, tmp_path):
    condition, subjects, changes = CASES[case]
    subjects_trained_on, state = training_pairs(subjects), tmp_path / "some.state.safetensors"
    config = replace(CONFIG, interleaved="interleaved" in case)
    whole = model_of(condition, subjects_trained_on, **changes)
    expected = train_model(whole, subjects_trained_on, config, HALF, seed=2)
    an_epoch = count_steps(subjects_trained_on, config) // 4
    for stop, first in ((1, 1), (3, an_epoch + 1)):
        # What goes on starts from other weights: nothing but what was kept may count.
        part, steps = model_of(condition, subjects_trained_on, seed=0 if stop == 1 else 7,
                               **changes), Counter()
        train_and_interrupt(part, subjects_trained_on, config, after=stop, state=state, seed=2,
                            on_step=steps.__setitem__)
        assert read_state_dict(state)["losses"].tolist() == expected[:stop]
        assert min(steps) == first
    part, steps = model_of(condition, subjects_trained_on, seed=7, **changes), Counter()
    losses = train_model(part, subjects_trained_on, config, HALF, seed=2, state=state,
                         on_step=steps.__setitem__)
    assert not state.exists() and losses == expected and min(steps) == 3 * an_epoch + 1
    assert same(weights(part), weights(whole)) and not part.training


def test_an_interruption_within_an_epoch_costs_that_epoch_alone(tmp_path):
    state, whole = tmp_path / "s.safetensors", model_of()
    expected = train_model(whole, training_pairs(), CONFIG, HALF, seed=0)

    def interrupt(step: int, _loss: float) -> None:
        if step == 8:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_model(model_of(), training_pairs(), CONFIG, HALF, seed=0, state=state,
                    min_seconds_between_states=0,
                    on_step=interrupt)
    part, steps = model_of(), []
    assert train_model(part, training_pairs(), CONFIG, HALF, seed=0, state=state,
                       on_step=lambda step, _: steps.append(step)) == expected
    assert steps[0] == 7 and same(weights(part), weights(whole))


def test_a_state_that_does_not_fit_is_ignored_and_replaced(tmp_path):
    state, subjects_trained_on = tmp_path / "s.safetensors", training_pairs()
    train_and_interrupt(model_of("regression"), subjects_trained_on, CONFIG, after=2, state=state)
    whole, part = model_of(), model_of()
    expected = train_model(whole, subjects_trained_on, CONFIG, HALF, seed=0)
    assert train_model(part, subjects_trained_on, CONFIG, HALF, seed=0, state=state,
                       min_seconds_between_states=0) == expected
    assert same(weights(part), weights(whole)) and not state.exists()
    wider = training_pairs(n_voxels=40)  # the same names, other shapes
    train_and_interrupt(model_of(subjects_trained_on=wider), wider, CONFIG, after=2, state=state)
    assert train_model(model_of(), subjects_trained_on, CONFIG, HALF, seed=0,
                       state=state) == expected


def test_states_are_kept_no_more_often_than_asked(tmp_path):
    state = tmp_path / "s.safetensors"
    train_and_interrupt(model_of(), training_pairs(), CONFIG, after=3, state=state, min_seconds=60)
    assert not state.exists()


def test_checkpoints_are_the_weights_after_their_epochs(tmp_path):
    files = {epoch: tmp_path / f"{epoch}.safetensors" for epoch in (1, 3)}
    train_model(model_of(), training_pairs(), CONFIG, HALF, seed=0, checkpoints=files)
    for epoch, file in files.items():
        short = model_of()
        train_model(short, training_pairs(), replace(CONFIG, epochs=epoch), HALF, seed=0)
        assert same(read_state_dict(file), weights(short))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["1.safetensors", "3.safetensors"]


def test_a_loss_that_is_not_finite_is_reported_and_the_epochs_before_it_stay(tmp_path):
    state, (pairs,) = tmp_path / "s.safetensors", training_pairs()
    model = model_of("regression")

    def spoil(step: int, _loss: float) -> None:
        if step == 7:
            with torch.no_grad():
                model.predict.weight.fill_(torch.inf)

    with pytest.raises(LabError, match="loss of step 8 is (nan|inf)(?s:.)*lower `learning_rate`"):
        train_model(model, [pairs], CONFIG, HALF, seed=0, state=state, min_seconds_between_states=0,
                    on_step=spoil)
    assert len(read_state_dict(state)["losses"]) == 2
    resumed, whole = model_of("regression"), model_of("regression")
    train_model(resumed, [pairs], CONFIG, HALF, seed=0, state=state)
    train_model(whole, [pairs], CONFIG, HALF, seed=0)
    assert same(weights(resumed), weights(whole))
