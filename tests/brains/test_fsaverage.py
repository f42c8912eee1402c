"""Regions on fsaverage5: points that fsaverage shares with it, and the flat map of nilearn."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from helpers import lab, prepare
from helpers.brains import fsaverage
from helpers.brains.fsaverage import fsaverage5_flat_map, on_map, read_region_masks, sulci
from helpers.core.errors import LabError
from helpers.core.paths import ROOT

REAL = ROOT.parent / "shared" / "data" / "algonauts2023"


def write_masks(root, *, subject="subj01", size=fsaverage.N_FSAVERAGE, shift=0):
    """Write FFA-1 at the points 5, 10241 and 10242 (left), and nowhere (right)."""
    folder = root / subject / "roi_masks"
    folder.mkdir(parents=True)
    np.save(folder / "mapping_floc-faces.npy", np.array(
        {0: "Unknown", 1: "OFA", 2: "FFA-1", 3: "FFA-2", 4: "mTL-faces", 5: "aTL-faces"},
        dtype=object), allow_pickle=True)
    for hemisphere, points in (("lh", [5, 10_241, 10_242]), ("rh", [])):
        labels = np.zeros(size, int)
        labels[points] = 2 + shift
        np.save(folder / f"{hemisphere}.floc-faces_fsaverage_space.npy", labels)


@pytest.fixture
def masked(tmp_path):
    write_masks(tmp_path)
    return tmp_path


def test_the_first_points_of_fsaverage_are_kept(masked):
    masks = read_region_masks(masked, "subj01")
    np.testing.assert_array_equal(masks.vertices["FFA-1"]["lh"], [5, 10_241])
    assert masks.n_fsaverage["FFA-1"] == {"lh": 3, "rh": 0}
    assert len(masks.vertices["FFA-1"]["rh"]) == 0 and len(masks.vertices["OFA"]["lh"]) == 0


def test_labels_of_another_size_or_meaning_are_refused(tmp_path):
    write_masks(tmp_path / "small", size=20_000)
    with pytest.raises(LabError, match="20000 labels") as caught:
        read_region_masks(tmp_path / "small", "subj01")
    assert "163842" in caught.value.expected
    write_masks(tmp_path / "strange", shift=9)
    with pytest.raises(LabError, match="label 11"):
        read_region_masks(tmp_path / "strange", "subj01")
    with pytest.raises(LabError, match="subj02"):
        read_region_masks(tmp_path / "small", "subj02")


def open_with(private, monkeypatch, table):
    mini = (ROOT / "helpers/profiles/mini.toml").read_text()
    text = mini.split("[region_masks]")[0].replace('name = "mini"', 'name = "maps"') + table
    (private / "maps.toml").write_text(text)
    return lab.open(str(private / "maps.toml"), notebook="00_meet_the_universe")


MASKS = '[region_masks]\npath = "algonauts2023"\nsource = "fetch:algonauts2023"\n'


def test_a_profile_names_them_or_has_none(private, monkeypatch):
    laboratory = open_with(private, monkeypatch, "")
    assert fsaverage.open_region_masks(laboratory) is None
    laboratory = open_with(private, monkeypatch, MASKS)
    with pytest.raises(LabError, match="algonauts2023 is not in"):
        fsaverage.open_region_masks(laboratory)
    (laboratory.data / "algonauts2023/subj02/roi_masks").mkdir(parents=True)
    with pytest.raises(LabError, match="no masks on fsaverage"):
        fsaverage.open_region_masks(laboratory)
    write_masks(laboratory.data / "algonauts2023")
    assert fsaverage.open_region_masks(laboratory).subject == "subj01"
    assert "region_masks" in laboratory.provenance.inputs


def test_maps_alone_do_not_make_a_profile_incomplete(private, monkeypatch):
    profile = open_with(private, monkeypatch, MASKS).profile
    asked = []
    monkeypatch.setattr(prepare, "ensure_available", lambda profile, spec, data: asked.append(spec))
    monkeypatch.setattr(prepare, "read_images", lambda *_: None)
    monkeypatch.setattr(prepare, "weights_file", lambda *_, **__: None)
    monkeypatch.setattr(prepare, "readout_file", lambda *_, **__: None)
    assert prepare.prepare(profile, private) == []
    assert profile.region_masks not in asked and profile.published_scores in asked


@pytest.mark.parametrize("hemisphere", ["lh", "rh"])
def test_the_flat_map_holds_the_points_of_its_triangles_only(hemisphere):
    surface = fsaverage5_flat_map(hemisphere)
    assert surface.flat and len(surface.place) == fsaverage.N_FSAVERAGE5
    assert set(surface.faces.ravel()) == set(range(len(surface.points)))
    on_sheet = np.flatnonzero(surface.place >= 0)
    assert 9_000 < len(on_sheet) < fsaverage.N_FSAVERAGE5
    off = np.setdiff1d(np.arange(fsaverage.N_FSAVERAGE5), on_sheet)
    np.testing.assert_array_equal(on_map(surface, np.array([off[0], on_sheet[3]])), on_sheet[3:4])
    assert 0.3 < sulci(hemisphere).mean() < 0.7


@pytest.mark.skipif(not REAL.is_dir(), reason="no ../shared/data/algonauts2023 here")
def test_real_regions_are_connected_patches_of_the_coarser_cortex():
    """They are patches, as on fsaverage: random points would fall into as many pieces."""
    masks = read_region_masks(REAL, "subj01")
    for hemisphere in ("lh", "rh"):
        surface = fsaverage5_flat_map(hemisphere)
        edges = np.concatenate([surface.faces[:, [0, 1]], surface.faces[:, [1, 2]]])
        n = len(surface.points)
        graph = coo_matrix((np.ones(len(edges)), edges.T), (n, n)).tocsr()
        for roi in ("V1v", "V2d", "EBA", "OPA", "PPA", "VWFA-1", "OFA"):
            place = surface.place[on_map(surface, masks.vertices[roi][hemisphere])]
            n_fine = masks.n_fsaverage[roi][hemisphere]
            assert n_fine / len(place) == pytest.approx(16, rel=0.15), roi
            pieces = connected_components(graph[place][:, place], directed=False)[0]
            assert pieces <= 4, (roi, pieces)
