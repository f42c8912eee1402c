"""Decoders against independent references: torch's own layers, scikit-learn, and counting."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import Ridge
from torch import nn
from torch.nn import functional

from helpers.config.shared_concepts import DecoderTraining, DecodingSpec
from helpers.core.errors import LabError
from helpers.decoding.contrastive_decoder import (
    _runs_at_once,
    fit_decoders,
    info_nce_and_gradient,
)
from helpers.decoding.retrieval import probability_among_nearest, retrieval_ranks, top_k_accuracy
from helpers.decoding.ridge_decoder import (
    EmbeddingMetric,
    fit_ridge,
    identity_metric,
    whitening_metric,
)
from helpers.decoding.vectors import effective_dimension, unit

SMALL = DecoderTraining(iterations=30, batch_size=16, learning_rate=1e-2, n_seeds=3)


def world(n=70, n_voxels=12, n_dims=5, seed=0):
    """Draw responses that tell of embeddings, with noise."""
    rng = np.random.default_rng(seed)
    targets = unit(rng.standard_normal((n, n_dims)) + 1).astype(np.float32)
    responses = targets @ rng.standard_normal((n_dims, n_voxels)) + .3 * rng.standard_normal(
        (n, n_voxels))
    return responses.astype(np.float32), targets


def published_loss(predicted, targets, temperature):
    """Say the loss as the spec says it: -(1 - cos) / tau, cross entropy over rows and columns."""
    logits = -(1 - functional.normalize(predicted, dim=1)
               @ functional.normalize(targets, dim=1).T) / temperature
    own = torch.arange(len(logits))
    return (functional.cross_entropy(logits, own) + functional.cross_entropy(logits.T, own)) / 2


def test_loss_and_slope_are_those_of_automatic_differentiation():
    torch.manual_seed(0)
    predicted = torch.randn(3, 9, 4, dtype=torch.float64, requires_grad=True)
    targets = functional.normalize(torch.randn(3, 9, 4, dtype=torch.float64), dim=2)
    losses, slope = info_nce_and_gradient(predicted.detach().clone(), targets, .2)
    for run in range(3):
        loss = published_loss(predicted[run], targets[run], .2)
        assert losses[run].item() == pytest.approx(loss.item(), abs=1e-12)
        wanted, = torch.autograd.grad(loss, predicted)
        torch.testing.assert_close(slope[run], wanted[run], atol=1e-12, rtol=1e-9)


def plain_run(responses, targets, training, seed):
    """Teach one decoder with torch's layer, loss by autograd and Adam, one step after another."""
    x, y = torch.from_numpy(responses), torch.from_numpy(targets)
    random = torch.Generator().manual_seed(seed)
    layer = nn.Linear(x.shape[1], y.shape[1])
    side = x.shape[1] ** -.5
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.copy_(torch.rand(parameter.shape, generator=random) * 2 * side - side)
    adam = torch.optim.Adam(layer.parameters(), lr=training.learning_rate)
    order = torch.empty(0, dtype=torch.int64)
    for _ in range(training.iterations):
        if len(order) < training.batch_size:
            order = torch.randperm(len(x), generator=random)
        rows, order = order[:training.batch_size], order[training.batch_size:]
        noise = torch.empty(len(rows), x.shape[1]).normal_(0, training.noise, generator=random)
        loss = published_loss(layer(x[rows] + noise), y[rows], training.temperature)
        adam.zero_grad()
        loss.backward()
        adam.step()
    return layer.weight.detach().numpy(), layer.bias.detach().numpy()


def test_runs_are_those_of_a_plain_training_loop():
    responses, targets = world()
    found = fit_decoders(responses, targets, SMALL)
    runs = [plain_run(responses, targets, SMALL, seed) for seed in range(3)]
    for number, (weight, bias) in enumerate(runs):
        np.testing.assert_allclose(found.run_weights[number], weight, atol=2e-4)
        np.testing.assert_allclose(found.run_biases[number], bias, atol=2e-4)
    np.testing.assert_allclose(found.weight, np.mean([run[0] for run in runs], 0), atol=2e-4)
    np.testing.assert_allclose(found.bias, np.mean([run[1] for run in runs], 0), atol=2e-4)
    assert found.losses.shape == (3, 30) and found.losses[:, -5:].mean() < found.losses[:, 0].mean()


def test_company_changes_nothing_but_the_rounding():
    responses, targets = world(seed=1)
    alone, joint = (fit_decoders(responses, targets, SMALL, together=n) for n in (1, 3))
    np.testing.assert_allclose(alone.weight, joint.weight, atol=1e-5)
    np.testing.assert_allclose(alone.losses, joint.losses, atol=1e-4)
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        np.testing.assert_array_equal(alone.weight, fit_decoders(responses, targets, SMALL).weight)
    finally:
        torch.set_num_threads(before)


def test_only_the_direction_of_targets_counts():
    responses, targets = world()
    scaled = targets * np.random.default_rng(0).uniform(.5, 3, (len(targets), 1))
    np.testing.assert_allclose(fit_decoders(responses, targets, SMALL).weight,
                               fit_decoders(responses, scaled, SMALL).weight, atol=2e-3)


def test_what_was_seen_is_decoded_and_shuffled_labels_are_not():
    responses, targets = world(n=400, n_voxels=40, n_dims=8)
    training = DecoderTraining(iterations=300, batch_size=32, learning_rate=1e-2, n_seeds=2)
    own = np.arange(100)

    def top1(y):
        found = fit_decoders(responses[100:], y, training)
        predicted = responses[:100] @ found.weight.T + found.bias
        return (retrieval_ranks(predicted, targets[:100], own) == 1).mean()

    shuffled = np.random.default_rng(0).permutation(targets[100:])
    assert top1(targets[100:]) > .3 > .1 > top1(shuffled)


@pytest.mark.parametrize(("change", "said"), [
    (lambda x, y: (x[:8], y[:8]), "8 trials, batches of 16"),
    (lambda x, y: (x, y[:-1]), "responses .* and targets"),
    (lambda x, y: (x * np.nan, y), "NaN or infinite"),
    (lambda x, y: (x, y * 0), "70 targets without direction")])
def test_bad_trials_are_reported(change, said):
    with pytest.raises(LabError, match=said):
        fit_decoders(*change(*world()), SMALL)


def test_bad_tables_are_reported():
    with pytest.raises(ValueError, match="noise"):
        DecoderTraining(noise=-1)
    with pytest.raises(LabError, match="n_pool = 20 and n_test = 10"):
        DecodingSpec("x", n_test=10, n_pool=20)


@pytest.mark.parametrize("n", [30, 90])
def test_ridge_is_scikit_learns(n):
    """With fewer, and with more trials than voxels."""
    responses, targets = world(n=n + 40, n_voxels=50)
    asked = (responses[n:], targets[n:], np.arange(40))
    alphas = (.1, 1.0, 10.0, 1e3)
    found = fit_ridge(responses[:n], targets[:n], asked, alphas)
    shares = []
    for alpha in alphas:
        model = Ridge(alpha=alpha).fit(responses[:n].astype(float), targets[:n])
        shares.append((retrieval_ranks(model.predict(responses[n:]), targets[n:],
                                       np.arange(40)) == 1).mean())
    np.testing.assert_allclose(found.top1, shares)
    assert found.top1[alphas.index(found.alpha)] == max(shares)
    model = Ridge(alpha=found.alpha).fit(responses[:n].astype(float), targets[:n])
    np.testing.assert_allclose(found.weight, model.coef_, atol=1e-5)
    np.testing.assert_allclose(found.bias, model.intercept_, atol=1e-5)
    assert found.inside == (found.alpha in alphas[1:-1])


def test_ridge_in_another_metric_is_ridge_of_mapped_targets():
    responses, targets = world(n=100, n_voxels=20)
    rng, asked = np.random.default_rng(0), np.arange(40)
    turn = EmbeddingMetric(rng.standard_normal(5), rng.standard_normal((5, 5)))
    held_out = (responses[60:], targets[60:], asked)
    ours = fit_ridge(responses[:60], targets[:60], held_out, (1.0, 10.0), [turn])
    mapped = fit_ridge(responses[:60], turn(targets[:60]), (responses[60:], turn(targets[60:]),
                                                            asked), (1.0, 10.0))
    np.testing.assert_allclose(ours.weight, mapped.weight, atol=1e-6)
    np.testing.assert_allclose(ours.bias, mapped.bias, atol=1e-6)
    np.testing.assert_array_equal(ours.top1, mapped.top1)
    both = fit_ridge(responses[:60], targets[:60], held_out, (1.0, 10.0),
                     [turn, identity_metric(5)])
    assert max(both.top1) >= max(ours.top1)


def test_whitened_targets_have_equal_variance():
    targets = np.random.default_rng(0).standard_normal((500, 4)) * [3, 2, 1, .5] + 1
    variances = np.var(whitening_metric(targets, 1e-9)(targets), axis=0, ddof=1)
    np.testing.assert_allclose(variances, 1, atol=1e-6)
    downsample = np.sort(np.var(whitening_metric(targets, .1)(targets), axis=0, ddof=1))
    assert downsample[0] < .3 and downsample[-1] == pytest.approx(1 / 1.1, abs=1e-6)


def test_ranks_count_who_is_nearer_and_give_no_credit_for_ties():
    rng = np.random.default_rng(0)
    predicted, candidates = rng.standard_normal((20, 3)), rng.standard_normal((9, 3))
    own = rng.integers(9, size=20)
    for query, (one, answer) in enumerate(zip(predicted, own)):
        cosines = [one @ c / np.linalg.norm(one) / np.linalg.norm(c) for c in candidates]
        expected = 1 + sum(cosine > cosines[answer] for cosine in cosines)
        assert retrieval_ranks(predicted, candidates, own)[query] == expected
    same = np.ones((4, 2))
    assert retrieval_ranks(same[:1], same, np.array([2])).tolist() == [4]


@pytest.mark.parametrize(("arguments", "said"), [
    ((np.ones((2, 3)), np.ones((4, 2)), np.array([0, 1])), "rows of the same width"),
    ((np.zeros((2, 3)), np.ones((4, 3)), np.array([0, 1])), "without direction"),
    ((np.ones((2, 3)), np.ones((4, 3)), np.array([0, 4])), "one candidate for each")])
def test_what_cannot_be_ranked_is_reported(arguments, said):
    with pytest.raises(LabError, match=said):
        retrieval_ranks(*arguments)


@pytest.mark.slow
@settings(max_examples=20, deadline=None)
@given(n=st.integers(3, 30), data=st.data())
def test_pools_are_what_drawing_pools_gives(n, data):
    pool = data.draw(st.integers(1, n))
    k, rank = data.draw(st.integers(1, pool)), data.draw(st.integers(1, n))
    rng, hits = np.random.default_rng(0), 0
    for _ in range(1500):
        others = rng.choice(np.delete(np.arange(1, n + 1), rank - 1), pool - 1, replace=False)
        hits += (others < rank).sum() < k
    assert probability_among_nearest(np.array([rank]), n, pool, k)[0] == pytest.approx(hits / 1500,
                                                                                       abs=.06)
    assert probability_among_nearest(np.array([rank]), n, n, k)[0] == (rank <= k)


def test_pools_that_cannot_be_drawn_are_reported():
    with pytest.raises(LabError, match="pool of 9 of 8"):
        probability_among_nearest(np.array([1]), 8, 9, 1)


def test_curves_rise_to_one_and_images_are_the_replicates():
    rng = np.random.default_rng(0)
    rank, own = rng.integers(1, 101, 900), np.repeat(np.arange(300), 3)
    curve = top_k_accuracy(rank, own, 100)
    assert curve.ks == (1, 5, 10, 50, 100) and curve.accuracy[-1] == 1
    np.testing.assert_allclose(curve.accuracy, [(rank <= k).mean() for k in curve.ks])
    np.testing.assert_allclose(curve.chance, np.array(curve.ks) / 100)
    assert ((curve.low <= curve.accuracy) & (curve.accuracy <= curve.high)).all()
    same = np.repeat(rank[::3], 3)  # three queries of an image that say the same
    wide, narrow = top_k_accuracy(same, own, 100), top_k_accuracy(same, np.arange(900), 100)
    assert (wide.high - wide.low)[2] > 1.4 * (narrow.high - narrow.low)[2]


def test_effective_dimensions():
    assert effective_dimension(np.eye(7)) == pytest.approx(7)
    assert effective_dimension(np.outer(np.arange(1, 5), [1, 2, 3])) == pytest.approx(1)


@pytest.mark.parametrize("free_gb, expected", [(80, 50), (12, 12), (0.1, 1)])
def test_as_many_runs_are_trained_together_as_a_gpu_has_memory_for(monkeypatch, free_gb, expected):
    """50 runs of 60,000 voxels and 512 dimensions need more than 30 GB."""
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (int(free_gb * 1e9), 10**11))
    x, y = torch.empty((200, 60_000), device="meta"), torch.empty((200, 512), device="meta")
    training = replace(DecoderTraining(), n_seeds=50, batch_size=128)
    assert _runs_at_once(x, y, training, torch.device("cuda")) == expected
    assert _runs_at_once(x, y, training, torch.device("cpu")) == 1
