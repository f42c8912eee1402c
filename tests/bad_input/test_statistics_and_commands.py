"""Statistics and commands: one table of bad arguments, and what is said or returned."""

from __future__ import annotations

import math
import os
import subprocess
from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from helpers import prepare, setup
from helpers.brains.reliability import ncsnr
from helpers.brains.rois import checked, domain_of, sort_rois
from helpers.core.bootstrap import bootstrap_interval, draw_weights
from helpers.core.errors import LabError
from helpers.core.intervals import (
    compare_with_draws,
    difference_interval,
    mean_interval,
    percentile_interval,
    permutation_p,
    proportion_interval,
)
from helpers.core.moments import Moments, benjamini_yekutieli_threshold, t_values
from helpers.core.paths import ROOT
from helpers.core.statistics import confidence_interval, correct_p_values
from helpers.figures.verdicts import verdict_from_interval, verdict_from_test
from helpers.rsa.dissimilarity import (
    compare_rdms,
    pearson_r,
    rdm,
    rdm_permutation_test,
    rsa_r,
    spearman_rdms,
    univariate_r,
)
from helpers.rsa.interchange import from_rsatoolbox, to_rsatoolbox
from helpers.rsa.noise_ceilings import estimate_noise_ceiling, split_half_noise_ceiling
from helpers.runner import __main__ as runner
from helpers.runner.notebooks import check_parameters
from helpers.selectivity.unit_distribution import (
    gini,
    measure_distribution,
    normalised_entropy,
    top_maps_proportion,
)

ONE = np.ones(3)
FINITE = st.floats(-1e6, 1e6)


def moments(*counts: int) -> Moments:
    made = Moments.start(len(counts), torch.zeros(4))
    for group, n in enumerate(counts):
        if n:
            made.update(torch.randn(n, 4), group)
    return made


REFUSED: dict[str, tuple[Callable[[], object], str]] = {
    "more than all": (lambda: proportion_interval(4, 3), "4 of 3"),
    "fewer than none": (lambda: proportion_interval(-1, 3), "-1 of 3"),
    "of fewer than none": (lambda: proportion_interval(0, -1), "0 of -1"),
    "a difference of more than all": (lambda: difference_interval(1, 2, 5, 3), "5 of 3"),
    "a p value above one": (lambda: correct_p_values([0.1, 1.5]), "a p value of 1.5"),
    "a negative p value": (lambda: correct_p_values([-0.1]), "a p value of -0.1"),
    "another correction": (lambda: correct_p_values([0.1], "bh"), "the method 'bh'"),
    "one image in a group": (lambda: t_values(moments(1, 5), 0, 1), "groups of 1 and 5"),
    "no image in a group": (lambda: t_values(moments(0, 5), 0, 1), "groups of 0 and 5"),
    "a rate of one": (lambda: benjamini_yekutieli_threshold(torch.ones(3), 5, alpha=1), "alpha"),
    "a rate that is none": (lambda: benjamini_yekutieli_threshold(
        torch.ones(3), 5, alpha=math.nan), "alpha = nan"),
    "a rate of zero": (lambda: benjamini_yekutieli_threshold(torch.ones(3), 5, alpha=0), "alpha"),
    "patterns of one condition": (lambda: rdm(np.ones((1, 4))), "patterns of shape"),
    "patterns of one axis": (lambda: rdm(ONE), "patterns of shape"),
    "columns of other lengths": (lambda: pearson_r(np.ones((3, 2)), np.ones((4, 2))), "columns"),
    "dissimilarities of other lengths": (lambda: compare_rdms(ONE, np.ones(6)), "dissimilarities"),
    "ranks of other lengths": (lambda: spearman_rdms(ONE, np.ones(6)), "dissimilarities"),
    "predictions of other conditions": (lambda: rsa_r(np.ones((4, 3)), np.ones((5, 3))),
                                        "patterns of shapes"),
    "responses of other shapes": (lambda: univariate_r(np.ones((4, 3)), np.ones((5, 3))),
                                  "responses of shapes"),
    "dissimilarities of no number of pairs": (lambda: rdm_permutation_test(
        np.arange(4.0), np.arange(4.0), seed=0, n=9), "4 dissimilarities"),
    "another statistic": (lambda: estimate_noise_ceiling(np.ones((4, 2, 3)), statistic="r", seed=0),
                          "the statistic 'r'"),
    "betas without repeats": (lambda: estimate_noise_ceiling(
        np.ones((4, 1, 3)), statistic="rsa", seed=0), "betas of shape"),
    "betas with a gap": (lambda: estimate_noise_ceiling(
        np.full((4, 2, 3), np.nan), statistic="rsa", seed=0), "not finite"),
    "halves of another statistic": (lambda: split_half_noise_ceiling(
        np.ones((4, 2, 3)), statistic=""), "the statistic ''"),
    "betas of two axes": (lambda: ncsnr(np.ones((4, 3))), "betas of shape"),
    "a mask of two axes": (lambda: measure_distribution(np.ones((3, 3), bool), seed=0), "a mask"),
    "no draws": (lambda: measure_distribution(np.ones((2, 3, 3), bool), seed=0, n_nulls=0),
                 "0 nulls"),
    "absence without a bound": (lambda: verdict_from_interval(-1, 1, "around 0"), "bound above 0"),
    "an infinite bound": (lambda: verdict_from_interval(-1, 1, "around 0", math.inf), "bound"),
    "a direction of no kind": (lambda: verdict_from_interval(-1, 1, "up"), "'up'"),
    "a test of absence": (lambda: verdict_from_test(0.1, 0.9, "around 0"), "test of an effect"),
    "a region of no name": (lambda: domain_of("FFA-9"), "did you mean"),
    "a region twice": (lambda: checked(["V1", "V1"]), "named twice"),
    "regions unknown": (lambda: sort_rois(["x"]), "no ROI 'x'"),
    "no RDM": (lambda: to_rsatoolbox({}, ["a", "b"]), "no RDM"),
    "RDMs of other conditions": (lambda: to_rsatoolbox({"a": ONE}, ["a", "b"]), "RDMs of shapes"),
    "a condition twice": (lambda: to_rsatoolbox({"a": ONE}, ["a", "b", "a"]), "more than once"),
    "another descriptor": (lambda: from_rsatoolbox(to_rsatoolbox({"a": ONE}, list("abc")),
                                                   name="x"), "descriptor 'x'"),
    "a parameter of no notebook": (lambda: check_parameters({"x": "1"}, {"profile": "demo"}, "01"),
                                   "x"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_arguments_that_cannot_be_are_refused(case):
    call, words = REFUSED[case]
    with pytest.raises(LabError, match=words) as error:
        call()
    assert error.value.seen and error.value.expected and error.value.remedy


UNDEFINED: dict[str, Callable[[], object]] = {
    "a proportion of none": lambda: proportion_interval(0, 0),
    "a difference to none": lambda: difference_interval(1, 2, 0, 0),
    "an interval of one": lambda: confidence_interval(np.ones(1)),
    "an interval of none": lambda: confidence_interval(np.ones(0)),
    "an interval over two shared trainings": lambda: confidence_interval(
        np.ones((5, 2)), crossed=True),
    "a mean of what is not finite": lambda: mean_interval(np.array([np.nan, np.inf])),
    "resamples of nothing": lambda: percentile_interval(np.full((9, 2), np.nan)),
    "draws of one": lambda: compare_with_draws(1.0, np.ones(1))[1:],
    "a value that is none": lambda: compare_with_draws(np.nan, np.ones(9)),
    "a permuted statistic that is none": lambda: permutation_p(np.nan, np.zeros(99)),
    "entropy without units": lambda: normalised_entropy(np.zeros(9)),
    "entropy of one bin": lambda: normalised_entropy(np.ones(1)),
    "Gini's coefficient without units": lambda: gini(np.zeros(9)),
    "the fullest of empty bins": lambda: top_maps_proportion(np.zeros(9)),
    "unknown p values": lambda: correct_p_values([np.nan, np.nan]),
    "a bootstrap of one": lambda: bootstrap_interval(1.0, np.ones(1))[1:],
}


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("case", UNDEFINED)
def test_what_is_undefined_is_not_a_number(case):
    assert np.isnan(np.asarray(UNDEFINED[case](), float)).all()


def test_an_undefined_statistic_among_others_has_no_p_value():
    p = permutation_p(np.array([np.nan, 5.0, -5.0]), np.zeros((99, 3)))
    assert np.isnan(p[0]) and p[1:].tolist() == [0.01, 1.0]
    assert permutation_p(5.0, np.zeros(99)) == 0.01


@settings(max_examples=60, deadline=None, derandomize=True, database=None)
@given(st.integers(0, 400), st.integers(0, 400))
def test_a_proportion_lies_in_its_interval(k, n):
    if k > n:
        with pytest.raises(LabError):
            proportion_interval(k, n)
    elif n:
        low, high = proportion_interval(k, n)
        assert 0 <= low <= k / n <= high <= 1


@pytest.mark.slow
@pytest.mark.parametrize("n", [0, 4, 9])
def test_corrected_p_values_are_never_smaller(n):
    p = np.random.default_rng(n).random(n) ** 5
    p[::3] = math.nan
    for method in ("holm", "bonferroni"):
        found = correct_p_values(p, method)
        known = ~np.isnan(p)
        assert (found[known] >= p[known] - 1e-12).all() and (found[known] <= 1).all()
        assert np.isnan(found[~known]).all()


@settings(max_examples=40, deadline=None, derandomize=True, database=None)
@given(arrays(float, st.integers(2, 9), elements=FINITE))
def test_a_mean_lies_in_its_interval_and_moves_with_the_values(values):
    mean, low, high = mean_interval(values)
    assert low <= mean + 1e-6 and mean <= high + 1e-6
    shifted = mean_interval(values + 7)
    np.testing.assert_allclose(np.subtract(shifted, (mean, low, high)), 7, atol=1e-4)


@settings(max_examples=40, deadline=None, derandomize=True, database=None)
@given(arrays(np.int64, st.integers(2, 12), elements=st.integers(0, 50)))
def test_measures_of_distribution_stay_in_their_range(counts):
    for value, top in ((normalised_entropy(counts), 1), (gini(counts), 1),
                       (top_maps_proportion(counts), 1)):
        assert np.isnan(value) if counts.sum() == 0 else -1e-9 <= value <= top + 1e-9


@settings(max_examples=30, deadline=None, derandomize=True, database=None)
@given(st.lists(st.integers(0, 3), min_size=1, max_size=20), st.integers(0, 99))
def test_a_bootstrap_draws_as_many_of_each_group(labels, seed):
    labels = np.array(labels)
    weights = draw_weights(labels, seed=seed, n_resamples=5)
    for group in np.unique(labels):
        assert (weights[:, labels == group].sum(1) == (labels == group).sum()).all()


# ---- commands ------------------------------------------------------------------------------------

COMMANDS: dict[str, tuple[Callable[[], int], str]] = {
    "prepare an unknown profile": (lambda: prepare.main(["--profile", "dmo"]),
                                   "did you mean 'demo'"),
    "layers of a profile that leads away": (lambda: prepare.main(["--layers", "--profile", "../x"]),
                                            "no profile '../x'"),
    "layers of a profile with a shell in it": (
        lambda: prepare.main(["--layers", "--profile", "$(id)"]), "no profile '$(id)'"),
    "run an unknown profile": (lambda: runner.main(["--profile", "dmo"]), "did you mean 'demo'"),
    "run a profile that is a file of nothing": (lambda: runner.main(["--profile", "x.toml"]),
                                                "no profile 'x.toml'"),
    "run an unknown notebook": (lambda: runner.main(["--only", "99"]), "99"),
    "run a notebook that leads away": (lambda: runner.main(["--only", "../../etc/passwd"]),
                                       "passwd"),
    "a parameter without a value": (lambda: runner.main(["-p", "seed"]), "-p seed"),
    "a parameter of no notebook": (lambda: runner.main(["--only", "01", "-p", "sed=1"]), "sed"),
    "publish another profile": (lambda: runner.main(["--profile", "mini", "--only", "99",
                                                     "--publish"]), "99"),
}


@pytest.mark.parametrize("case", COMMANDS)
def test_commands_end_in_words_and_a_status(private, capsys, case):
    call, words = COMMANDS[case]
    assert call() in (1, 2)
    said = capsys.readouterr().err
    assert words in said and "expected:" in said and "to do:" in said and "Traceback" not in said


@pytest.mark.parametrize("call, arguments", [
    (prepare.main, ["fetch"]), (runner.main, ["--jobs", "many"]),
    (runner.main, ["--unknown"]), (setup.main, ["--venv"])])
def test_arguments_that_no_command_has_get_the_usage(capsys, call, arguments):
    with pytest.raises(SystemExit) as ended:
        call(arguments)
    assert ended.value.code == 2 and "usage:" in capsys.readouterr().err


def test_the_notebook_server_keeps_its_token():
    """What `make lab` calls: no option takes the token, the password or the local address away."""
    said = subprocess.run(["make", "-C", str(ROOT), "-n", "-o", ".venv/.ready", "lab", "VENV=x"],
                          capture_output=True, text=True, check=True,
                          env={"PATH": os.environ["PATH"]}).stdout
    command, = (line for line in said.splitlines() if " -m jupyter " in line)
    assert command.split(" -m ")[1] == "jupyter lab notebooks"
    for name in ("jupyter_server_config", "jupyter_lab_config", "jupyter_notebook_config",
                 "jupyter_config"):
        assert not [path for path in ROOT.rglob(f"{name}.*") if ".venv" not in path.parts]
    lines = [line for path in (ROOT / "Makefile", *(ROOT / "docs").glob("*.md"), ROOT / "README.md")
             for line in path.read_text(encoding="utf-8").splitlines()]
    for word in ("token=''", 'token=""', "allow-root", "--ip", "disable_check_xsrf",
                 "allow_origin"):
        assert not [line for line in lines if word in line and "jupyter" in line], word
