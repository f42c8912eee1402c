"""DeepNSD's published tables: read, checked, and refused where they are not what they were."""

from __future__ import annotations

import pandas as pd
import pytest

from helpers import lab
from helpers.brains.deepnsd import FILES, MEASURES, open_published_scores, read_deepnsd
from helpers.core.errors import LabError
from helpers.core.paths import ROOT
from helpers.encoding.published_scores import NETWORKS, beside_ours, select_published

REAL = ROOT.parent / "shared" / "data" / "deepnsd"
SCORES = {"squeezenet_classification": (0.3, 0.4, 0.6), "squeezenet_random": (0.1, 0.2, 0.15)}


def write(root, name, rows):
    root.mkdir(exist_ok=True)
    pd.DataFrame(rows).to_csv(root / name, index=False)


@pytest.fixture
def published(tmp_path):
    """Two networks, two participants with two simulations each."""
    write(tmp_path, FILES[0], [
        {"model_string": name, "display_name": name.title(), "train_task": name.split("_")[1],
         "train_data": "imagenet" if "random" not in name else "NA", "metric": metric,
         "score": score, "rank": 1} for metric, index in zip(MEASURES, range(3))
        for name, values in SCORES.items() for score in [values[index]]])
    write(tmp_path, FILES[1], [{"subj_id": one, "sim_id": sim, "value": value}
                               for one, values in ((1, (0.7, 0.8)), (5, (0.5, 0.6)))
                               for sim, value in enumerate(values)])
    return tmp_path


def changed(root, name, change):
    """Change a table on disk."""
    table = pd.read_csv(root / name, keep_default_na=False, dtype=object)
    change(table).to_csv(root / name, index=False)


def test_scores_and_ceilings_are_read(published):
    found = read_deepnsd(published)
    scores = found.scores.set_index("network")
    for name, values in SCORES.items():
        assert tuple(scores.loc[name, list(MEASURES.values())]) == values
    assert scores.loc["squeezenet_random", ["objective", "diet"]].tolist() == ["random", ""]
    assert found.ceilings == {1: pytest.approx(0.75), 5: pytest.approx(0.55)}


@pytest.mark.parametrize(("name", "change", "seen"), [
    (FILES[0], lambda t: t.assign(score=["1.2", *t["score"][1:]]), r"line 2: score is '1\.2'"),
    (FILES[0], lambda t: t.assign(score=["x", *t["score"][1:]]), "line 2: score is 'x'"),
    (FILES[0], lambda t: t.iloc[1:], "squeezenet_classification has"),
    (FILES[0], lambda t: pd.concat([t, t.iloc[:1]]), "squeezenet_classification has"),
    (FILES[0], lambda t: t.assign(metric="other"), "no score of the measures"),
    (FILES[0], lambda t: t.drop(columns="metric"), "has the columns"),
    (FILES[1], lambda t: t.assign(value="1.5"), r"value is '1\.5'"),
    (FILES[1], lambda t: t.assign(value="nan"), "value is 'nan'"),
    (FILES[1], lambda t: t.iloc[:0], "is empty")])
def test_what_is_not_as_published_is_refused_by_name(published, name, change, seen):
    changed(published, name, change)
    with pytest.raises(LabError, match=seen) as caught:
        read_deepnsd(published)
    assert caught.value.remedy


def test_a_missing_file_is_named(published):
    (published / FILES[1]).unlink()
    with pytest.raises(LabError, match="noise_ceilings.csv"):
        read_deepnsd(published)


def test_a_profile_names_them_or_has_none(private, monkeypatch):
    mini = (ROOT / "helpers/profiles/mini.toml").read_text()
    text = mini.split("[published_scores]")[0].replace('name = "mini"', 'name = "none"')
    (private / "none.toml").write_text(text)
    laboratory = lab.open(str(private / "none.toml"), notebook="03_predict_regions_sparsely")
    assert open_published_scores(laboratory) is None
    assert lab.load_profile("mini").published_scores.source == "fetch:deepnsd"
    assert lab.load_profile("demo").published_scores is None


def table_of_all():
    return pd.DataFrame([{"network": one.published, "classical RSA": 0.1 * i,
                          "voxel-encoding RSA": 0.05 * i} for i, one in enumerate(NETWORKS, 1)])


def test_the_networks_of_the_figure_stand_in_order_with_fractions_of_the_ceiling():
    selected = select_published(table_of_all().iloc[::-1], 0.8, ("classical RSA",))
    assert selected["network"].tolist() == [one.published for one in NETWORKS]
    assert selected["classical RSA / ceiling"].tolist() == pytest.approx(
        [0.1 * i / 0.8 for i in range(1, len(NETWORKS) + 1)])
    assert "voxel-encoding RSA / ceiling" not in selected
    with pytest.raises(LabError, match="RN50_clip"):
        select_published(table_of_all().iloc[1:], 0.8, ())


def test_ours_stands_beside_the_very_same_network_only():
    selected = select_published(table_of_all(), 0.8, ("classical RSA",))
    beside = beside_ours(selected, {"classical RSA": {"squeezenet1_0-imagenet": 0.25,
                                                      "demo-barlow-twins": 0.9}})
    assert beside["network"].tolist() == ["squeezenet1_0-imagenet"]
    assert beside.loc[0, ["published", "ours"]].tolist() == pytest.approx([0.4, 0.25])


@pytest.mark.skipif(not REAL.is_dir(), reason="no ../shared/data/deepnsd here")
def test_the_published_tables_hold_what_the_paper_reports():
    found = read_deepnsd(REAL)
    assert len(found.scores) == 224 and sorted(found.ceilings) == [1, 2, 5, 7]
    assert 0.79 < sum(found.ceilings.values()) / 4 < 0.81  # their figures draw 0.7975
    selected = select_published(found.scores, 0.8, ("classical RSA",)).set_index("label")
    assert selected.loc["SqueezeNet, ImageNet labels", "voxel-encoding RSA"] == pytest.approx(
        0.623, abs=5e-4)
    assert selected["voxel-encoding RSA"].is_monotonic_decreasing
