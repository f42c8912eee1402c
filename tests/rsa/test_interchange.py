"""RDMs to and from rsatoolbox, and rsatoolbox as an independent reference for ours."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rsatoolbox.data import Dataset
from rsatoolbox.inference import boot_noise_ceiling
from rsatoolbox.rdm import RDMs, calc_rdm, compare
from scipy.stats import rankdata

from helpers.core.errors import LabError
from helpers.rsa.dissimilarity import compare_rdms, rdm, spearman_rdms
from helpers.rsa.interchange import from_rsatoolbox, read_rdms, save_rdms, to_rsatoolbox

CONDITIONS = ["face", "house", "hand", "word", "car", "tree"]


def patterns(seed: int, n_units: int = 20) -> np.ndarray:
    shared = np.random.default_rng(99).normal(size=(len(CONDITIONS), n_units))
    return shared + np.random.default_rng(seed).normal(size=(len(CONDITIONS), n_units))


def rdms(n: int = 3) -> dict[str, np.ndarray]:
    return {f"layer{i}": rdm(patterns(i)) for i in range(n)}


# ---- an independent reference -------------------------------------------------------------------

@given(st.integers(0, 10_000), st.integers(4, 40))
@settings(max_examples=25, deadline=None)
def test_dissimilarities_are_rsatoolboxs(seed, n_units):
    values = patterns(seed, n_units)
    found = calc_rdm(Dataset(values), method="correlation").get_vectors()[0]
    np.testing.assert_allclose(rdm(values), found, atol=1e-10)


@pytest.mark.parametrize(("method", "ours"), [("spearman", spearman_rdms), ("corr", compare_rdms)])
def test_comparisons_of_rdms_are_rsatoolboxs(method, ours):
    one, other = to_rsatoolbox(rdms(4), CONDITIONS), to_rsatoolbox({"x": rdm(patterns(9))},
                                                                   CONDITIONS)
    expected = compare(one, other, method=method)[:, 0]
    found = [ours(values, rdm(patterns(9))) for values in rdms(4).values()]
    np.testing.assert_allclose(found, expected, atol=1e-10)
    assert np.ptp(expected) > 1e-3


def test_the_upper_noise_ceiling_is_the_mean_rank_rdms():
    """The best possible Spearman correlation is that of the mean of the participants' ranks."""
    participants = rdms(5)
    best = np.mean([rankdata(values) for values in participants.values()], axis=0)
    ours = np.mean([spearman_rdms(best, values) for values in participants.values()])
    upper = boot_noise_ceiling(to_rsatoolbox(participants, CONDITIONS), method="spearman")[1]
    assert ours == pytest.approx(float(np.squeeze(upper)), abs=1e-10)


# ---- there and back -----------------------------------------------------------------------------

def test_what_rsatoolbox_gets_comes_back():
    there = to_rsatoolbox(rdms(), CONDITIONS)
    assert there.dissimilarity_measure == "1 - Pearson r"
    assert there.get_matrices()[1][0, 2] == pytest.approx(rdms()["layer1"][1])
    back, conditions = from_rsatoolbox(there)
    assert conditions == CONDITIONS and list(back) == ["layer0", "layer1", "layer2"]
    for name, values in rdms().items():
        np.testing.assert_array_equal(back[name], values)


def test_files_hold_rdms_and_names(tmp_path):
    save_rdms(tmp_path / "rdms.h5", rdms(), CONDITIONS)
    save_rdms(tmp_path / "rdms.h5", rdms(2), CONDITIONS)  # in place of the first
    back, conditions = read_rdms(tmp_path / "rdms.h5")
    assert conditions == CONDITIONS and list(back) == ["layer0", "layer1"]
    np.testing.assert_array_equal(back["layer1"], rdms()["layer1"])


def test_rdms_that_rsatoolbox_made_are_read_by_their_index():
    made = calc_rdm([Dataset(patterns(0)), Dataset(patterns(1))], method="correlation")
    with pytest.raises(LabError, match="matrices without the descriptor 'name'") as error:
        from_rsatoolbox(made)
    assert "index" in str(error.value)
    back, conditions = from_rsatoolbox(made, name="index", condition="index")
    assert conditions == [str(i) for i in range(6)]
    np.testing.assert_allclose(back["1"], rdm(patterns(1)), atol=1e-10)


@pytest.mark.parametrize(("some", "conditions", "seen"), [
    ({}, CONDITIONS, "no RDM"),
    ({"a": np.zeros(14)}, CONDITIONS, r"\(14,\)"),
    ({"a": np.zeros((6, 6))}, CONDITIONS, r"\(6, 6\)"),
    (rdms(1), ["face", *CONDITIONS[:5]], "'face' is named more than once")])
def test_rdms_that_do_not_fit_their_conditions_are_refused(some, conditions, seen):
    with pytest.raises(LabError, match=seen):
        to_rsatoolbox(some, conditions)


def test_matrices_that_share_a_name_are_refused():
    double = RDMs(np.array(list(rdms(2).values())), rdm_descriptors={"name": ["a", "a"]},
                  pattern_descriptors={"condition": CONDITIONS})
    with pytest.raises(LabError, match="share a name"):
        from_rsatoolbox(double)


def test_files_that_cannot_be_read_or_written_are_named(tmp_path):
    (tmp_path / "text.h5").write_text("no HDF5")
    for name in ("text.h5", "absent.h5"):
        with pytest.raises(LabError, match=f"{name} cannot be read as RDMs"):
            read_rdms(tmp_path / name)
    with pytest.raises(LabError, match="'Gesicht, groß'"):
        save_rdms(tmp_path / "new.h5", rdms(), ["Gesicht, groß", *CONDITIONS[1:]])
    assert not (tmp_path / "new.h5").exists()
