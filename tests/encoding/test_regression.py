"""Ways to predict: exact, agreeing with references, indifferent to what should not matter."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import Lasso, LinearRegression, Ridge
from sklearn.model_selection import KFold
from sklearn.preprocessing import StandardScaler

from helpers.core.errors import LabError
from helpers.encoding import positive_regression
from helpers.encoding.positive_regression import (
    LinearFit,
    kkt_violation,
    sparse_positive,
    sparse_positive_standardised,
)
from helpers.encoding.regression import METHODS, gist_ols, ols, ridge_standardised
from helpers.stimuli.gabor import gist_axes


def activations(n=120, p=60, v=5, seed=0, noise=1.0):
    """Rectified, correlated units of very different scales; sparse positive truth and noise."""
    rng = np.random.default_rng(seed)
    common = rng.normal(size=(n, 8)) @ rng.normal(size=(8, p))
    x = np.maximum(common + 2 * rng.normal(size=(n, p)), 0) * np.exp(rng.normal(size=p))
    weights = (rng.random((p, v)) < 0.1) * rng.random((p, v))
    y = x @ weights
    y = y / np.maximum(y.std(0), 1e-9) + noise * rng.normal(size=y.shape)
    return x.astype(np.float32), y.astype(np.float32)


def gradient_scale(x, y):
    return np.abs((x - x.mean(0)).T.astype(float) @ (y - y.mean(0)) / len(x)).max(0)


@settings(max_examples=40, deadline=None)
@given(n=st.integers(5, 60), p=st.integers(1, 90), v=st.integers(1, 4),
       share=st.floats(0.01, 1.2), seed=st.integers(0, 99), dead=st.booleans(),
       twins=st.booleans())
def test_every_fit_satisfies_the_optimality_conditions(n, p, v, share, seed, dead, twins):
    x, y = activations(n, p, v, seed)
    if dead:
        x[:, 0] = 3.7
    if twins and p > 2:
        x[:, 1] = x[:, 2]
    scale = gradient_scale(x, y)
    alpha = float(share * scale.max() + 1e-6)
    fit = sparse_positive(x, y, alpha)
    assert (fit.weights >= 0).all()
    assert (kkt_violation(x, y, fit, alpha) <= 2e-6 * scale + 1e-9).all()
    assert not dead or not fit.weights[0].any()


@settings(max_examples=60, deadline=None)
@given(n=st.integers(3, 12), p=st.integers(1, 40), levels=st.integers(1, 3),
       share=st.floats(1e-4, 0.9), seed=st.integers(0, 999))
def test_ties_copies_and_mixtures_of_units_do_not_stop_the_fit(n, p, levels, share, seed):
    """Whole numbers on few conditions: units equal, opposite, or sums of others all the time."""
    rng = np.random.default_rng(seed)
    x, y = (rng.integers(0, levels + 1, (n, k)).astype(float) for k in (p, 3))
    scale = gradient_scale(x, y)
    alpha = float(share * scale.max() + 1e-6)
    fit = sparse_positive(x, y, alpha)
    assert (kkt_violation(x, y, fit, alpha) <= 2e-6 * scale + 1e-9).all()


def test_kkt_violation_notices_a_wrong_fit():
    x, y = activations()
    fit = sparse_positive(x, y, 0.05)
    assert kkt_violation(x, y, fit, 0.05).max() < 1e-4 < kkt_violation(x, y, fit, 0.06).min()
    worse = type(fit)(fit.weights - 1e-3, fit.intercept)
    assert np.isinf(kkt_violation(x, y, worse, 0.05)).any()


def test_kkt_violation_notices_a_unit_that_was_left_out():
    x, y = activations()
    fit = sparse_positive(x, y, 0.05)
    rest = np.delete(np.arange(x.shape[1]), (fit.weights * x.std(0)[:, None]).sum(1).argmax())
    lacking = sparse_positive(x[:, rest], y, 0.05)
    weights = np.zeros_like(fit.weights)
    weights[rest] = lacking.weights
    assert kkt_violation(x[:, rest], y, lacking, 0.05).max() < 1e-4
    assert kkt_violation(x, y, LinearFit(weights, lacking.intercept), 0.05).max() > 1e-2


@pytest.mark.parametrize("alpha", [0.1, 0.02, 0.001])
def test_predictions_agree_with_scikit_learn_at_tight_tolerance(alpha):
    x, y = activations(200, 150, 6)
    ours = sparse_positive(x, y, alpha).predict(x)
    reference = Lasso(alpha=alpha, positive=True, tol=1e-12, max_iter=1_000_000)
    theirs = reference.fit(x.astype(float), y.astype(float)).predict(x.astype(float))
    assert np.abs(ours - theirs).max() < 1e-4 * theirs.std()


def test_of_too_many_units_the_answer_is_the_same(monkeypatch):
    """Weaker copies of all units change nothing but the number of units, and so the way."""
    x, y = activations(80, 300, 7, seed=3)
    whole = sparse_positive(x, y, 0.03).predict(x)
    monkeypatch.setattr(positive_regression, "MAX_ENTERING_PER_TARGET", 2)
    many = np.hstack([x, 0.5 * x])
    fit = sparse_positive(many, y, 0.03)
    np.testing.assert_allclose(fit.predict(many), whole, atol=1e-3)
    assert not fit.weights[300:].any()
    assert (kkt_violation(many, y, fit, 0.03) <= 2e-6 * gradient_scale(many, y)).all()


@pytest.mark.parametrize("together, most", [(2, 8192), (10, 600), (10, 60), (10, 1)])
def test_vertices_that_need_too_many_units_together_are_fitted_in_groups(monkeypatch, together,
                                                                         most):
    """The covariance matrix stays small, unless one vertex alone needs it; the fit is the same."""
    x, y = activations(200, 1200, 10, seed=5)
    whole, solve, sizes = sparse_positive(x, y, 0.03), positive_regression._solve, []

    def solve_and_count(gram, cross, *rest):
        sizes.append((len(gram), len(cross)))
        return solve(gram, cross, *rest)

    monkeypatch.setattr(positive_regression, "_solve", solve_and_count)
    monkeypatch.setattr(positive_regression, "MAX_FULL_GRAM", 24 * together)
    monkeypatch.setattr(positive_regression, "MAX_CANDIDATES", most)
    fit = sparse_positive(x, y, 0.03)
    assert all(n_units <= most or n_targets == 1 for n_units, n_targets in sizes)
    assert max(n_targets for _, n_targets in sizes) <= together
    np.testing.assert_allclose(fit.predict(x), whole.predict(x), atol=1e-3)
    assert (kkt_violation(x, y, fit, 0.03) <= 2e-6 * gradient_scale(x, y)).all()


def test_far_more_units_than_conditions_and_hardly_a_penalty_still_converges():
    """As on 63 categories: the units in use can be mixtures of one another at any time."""
    x, y = activations(30, 800, 4, seed=8)
    x = np.hstack([x, x[:, :200] + x[:, 200:400], 2 * x[:, :50]])
    alpha = 1e-4 * float(gradient_scale(x, y).max())
    fit = sparse_positive(x, y, alpha)
    assert (kkt_violation(x, y, fit, alpha) <= 2e-6 * gradient_scale(x, y)).all()


def test_at_the_largest_useful_penalty_nothing_is_used_and_just_below_one_unit():
    x, y = activations(v=1)
    largest = ((x - x.mean(0)).T @ (y - y.mean(0)) / len(x)).max()
    assert not sparse_positive(x, y, 1.0001 * largest).weights.any()
    assert sparse_positive(x, y, 0.999 * largest).n_nonzero_weights == [1]


def test_permuting_voxels_and_units_permutes_the_fit():
    x, y = activations()
    voxels, units = np.array([3, 0, 4, 1, 2]), np.random.default_rng(1).permutation(x.shape[1])
    fit = sparse_positive(x, y, 0.05)
    other = sparse_positive(x[:, units], y[:, voxels], 0.05)
    np.testing.assert_allclose(other.weights, fit.weights[units][:, voxels], atol=1e-4)


def test_standardised_fits_do_not_care_about_units_of_measurement():
    x, y = activations()
    rng = np.random.default_rng(2)
    gains, shifts = rng.uniform(0.01, 50, x.shape[1]), rng.normal(size=x.shape[1])
    one = sparse_positive_standardised(x, y, 0.1).predict(x)
    other = sparse_positive_standardised(x.astype(float) * gains + shifts, 7 * y + 3, 0.1)
    np.testing.assert_allclose(other.predict(x.astype(float) * gains + shifts), 7 * one + 3,
                               rtol=1e-3, atol=1e-2)
    raw = sparse_positive(x, y, 0.05).n_nonzero_weights
    assert (raw != sparse_positive(x * 30, y, 0.05).n_nonzero_weights).any(), "raw fits do care"


def test_the_standardised_penalty_is_a_correlation():
    """Just below a unit's correlation with the response, that unit enters; above it, none."""
    x, y = activations(v=1)
    r = np.corrcoef(np.column_stack([x, y]).T)[-1, :-1]
    assert sparse_positive_standardised(x, y, float(r.max()) + 1e-3).n_nonzero_weights == [0]
    fit = sparse_positive_standardised(x, y, float(r.max()) - 1e-3)
    assert np.flatnonzero(fit.weights[:, 0])[0] == r.argmax()


@pytest.mark.parametrize("break_it, words", [
    (lambda x, y: (np.where(np.arange(x.size).reshape(x.shape) == 7, np.nan, x), y), "NaN"),
    (lambda x, y: (x[:-1], y), "features"), (lambda x, y: (x[:1], y[:1]), "1 condition")])
@pytest.mark.parametrize("method", METHODS)
def test_bad_input_is_refused_by_every_method(break_it, words, method):
    with pytest.raises(LabError, match=words):
        METHODS[method].fit(*break_it(*activations()), (0.1,))


def test_impossible_penalties_and_too_few_rounds_are_errors(monkeypatch):
    x, y = activations()
    for alpha in (0.0, -1.0):
        with pytest.raises(LabError, match="alpha"):
            sparse_positive(x, y, alpha)
    with pytest.raises(LabError, match="correlation between 0 and 1"):
        sparse_positive_standardised(x, y, 1.5)
    with pytest.raises(LabError, match="units of the fit"):
        sparse_positive(x, y, 0.1).predict(x[:, :5])
    monkeypatch.setattr(positive_regression, "MAX_ROUNDS", 1)
    with pytest.raises(LabError, match="did not converge"):
        sparse_positive(x, y, 1e-4)


@pytest.mark.parametrize("p", [20, 200])
def test_ols_is_scikit_learns_with_few_and_with_too_many_units(p):
    x, y = activations(p=p)
    theirs = LinearRegression().fit(x.astype(float), y.astype(float))
    new = activations(p=p, seed=9)[0]
    np.testing.assert_allclose(ols(x, y).predict(new), theirs.predict(new.astype(float)),
                               rtol=1e-4, atol=1e-4)



def test_standardised_ridge_is_scikit_learns_with_one_penalty_for_all():
    x, y = activations(90, 40, 6)
    x[:, 3] = 2.5
    alphas, new = (1.0, 30.0, 1000.0), activations(90, 40, 6, seed=5)[0]
    scaler = StandardScaler().fit(x.astype(float))
    z, loss = scaler.transform(x.astype(float)), []
    for a in alphas:
        loss.append(np.mean([((Ridge(a).fit(z[f], y[f]).predict(z[t]) - y[t]) ** 2).mean()
                             for f, t in KFold(5).split(z)]))
    assert np.argmin(loss) == 1, "neither end of the penalties"
    expected = Ridge(alphas[1]).fit(z, y).predict(scaler.transform(new.astype(float)))
    np.testing.assert_allclose(ridge_standardised(x, y, alphas).predict(new), expected, rtol=1e-3,
                               atol=1e-3)


def test_gist_axes_come_from_the_fitted_images_alone():
    x, y = activations(60, 100, 3)
    new = activations(30, 100, 3, seed=4)[0]
    axes = gist_axes(x, n_axes=10)
    expected = LinearRegression().fit(x @ axes, y).predict(new @ axes)
    np.testing.assert_allclose(gist_ols(x, y, n_axes=10).predict(new), expected, rtol=1e-4,
                               atol=1e-4)


def test_every_name_of_a_method_stands_for_that_method():
    x, y = activations()
    penalties, new = (0.05, 500.0), activations(seed=9)[0]
    expected = {"sparse positive": sparse_positive(x, y, 0.05),
                "sparse positive, standardised": sparse_positive_standardised(x, y, 0.05),
                "OLS": ols(x, y), "GistPC": gist_ols(x, y),
                "ridge, standardised": ridge_standardised(x, y, penalties)}
    assert set(expected) == set(METHODS)
    made = {name: method.fit(x, y, penalties).predict(new) for name, method in METHODS.items()}
    for name, fit in expected.items():
        np.testing.assert_allclose(made[name], fit.predict(new))
        assert sum(np.allclose(made[name], other, atol=1e-3) for other in made.values()) == 1


def test_gistpc_units_are_scores_on_the_images_own_axes():
    x = np.random.default_rng(0).random((12, 30)).astype(np.float32)
    _, _, axes = np.linalg.svd(x.astype(np.float64), full_matrices=False)
    scores = METHODS["GistPC"].units(x)
    expected = x @ axes.T
    np.testing.assert_allclose(scores, expected * np.sign(expected.mean(0)), rtol=1e-5, atol=1e-6)
    assert (METHODS["OLS"].units(x) == x).all()
