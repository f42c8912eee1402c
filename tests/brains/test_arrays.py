"""A user's own arrays: what is written is what is read; what does not fit is named on opening."""

from __future__ import annotations

import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from support.brain_files import write_tiny_arrays

from helpers.brains import rois
from helpers.brains.arrays import N_FOLDS, Arrays
from helpers.brains.layouts import read_cohort
from helpers.brains.rois import domain_of, sort_rois
from helpers.core.errors import LabError
from helpers.finetuning.data import region_group


@pytest.fixture(autouse=True)
def _forget_own_regions():
    """Leave the table of regions as it was."""
    before = dict(rois.TABLE)
    yield
    rois.TABLE.clear()
    rois.TABLE.update(before)


@pytest.fixture
def root(private) -> Path:
    return write_tiny_arrays(private / "mine")


# ---- what is written is what is read -------------------------------------------------------------

def test_all_that_was_written_is_read(root):
    cohort = read_cohort("arrays", root)
    written = np.load(root / "p01/responses.npy")
    assert cohort.name == "mine" and cohort.subjects == ("p01", "p02")
    assert cohort.images == tuple(f"stimuli/image-{n}.png" for n in range(1, 21))
    assert cohort.rois("p01") == ("V1v", "FFA-1", "my patch")
    assert cohort.rois("p02") == ("FFA-1", "PPA")
    patch = cohort.responses("p01", ["my patch", "FFA-1"])
    assert patch.vertex.tolist() == [0, 1, 3, 4, 6, 7] and patch.conditions.tolist() == [*range(20)]
    np.testing.assert_array_equal(patch.betas, written[..., patch.vertex])
    assert patch.of("my patch").vertex.tolist() == [1, 4, 7]
    assert patch.hemisphere.tolist() == ["lh", "lh", "lh", "lh", "rh", "rh"]
    np.testing.assert_array_equal(patch.ncsnr, np.load(root / "p01/ncsnr.npy").astype(
        np.float32)[patch.vertex])
    np.testing.assert_allclose(patch.mean(np.array([3, 5])), [
        written[3, 0, patch.vertex], written[5][:, patch.vertex].mean(0)], rtol=1e-6)
    with pytest.raises(LabError, match="fewer than 2 repeats"):
        patch.repeated(np.array([3]), 2)


def test_a_participant_who_saw_some_images(root):
    found = Arrays(root).responses("p02", ["PPA"])
    listed = (root / "p02/images.csv").read_text().split()[1:]
    number = np.array([int(name.removeprefix("stimuli/image-").removesuffix(".png")) - 1
                       for name in listed])
    np.testing.assert_array_equal(found.conditions, np.sort(number))
    np.testing.assert_allclose(found.betas[:, 0], np.load(root / "p02/responses.npy")[
        np.argsort(number), :7].astype(np.float32))
    assert np.isnan(found.ncsnr).all() and set(found.hemisphere) == {"both"}
    assert Arrays(root, subjects=["p02"]).subjects == ("p02",)


@pytest.mark.parametrize("saved", [
    lambda names, rows: np.array(names)[rows], lambda names, rows: rows,
    lambda names, rows: np.isin(np.arange(len(names)), rows)], ids=["names", "places", "mask"])
def test_seen_images_as_an_array(root, saved):
    cohort = Arrays(root)
    expected = cohort.responses("p02", ["PPA"])
    order = np.argsort([cohort.images.index(name) for name in
                        (root / "p02/images.csv").read_text().split()[1:]])
    np.save(root / "p02/responses.npy", np.load(root / "p02/responses.npy")[order])
    np.save(root / "p02/images.npy", saved(cohort.images, np.arange(2, 20)))
    (root / "p02/images.csv").unlink()
    found = Arrays(root).responses("p02", ["PPA"])
    np.testing.assert_array_equal(found.betas, expected.betas)
    np.testing.assert_array_equal(found.conditions, expected.conditions)


@settings(max_examples=25, deadline=None,
          suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_any_responses_come_back(root, data):
    """Property: shown trials, measured voxels and any overlapping regions, whatever their order."""
    shown = np.array(data.draw(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=20,
                                        max_size=20)))
    shown[:15, data.draw(st.integers(0, 1))] = True
    n_voxels = data.draw(st.integers(1, 6))
    measured = np.array(data.draw(st.lists(st.booleans(), min_size=n_voxels, max_size=n_voxels)))
    measured[data.draw(st.integers(0, n_voxels - 1))] = True
    members = np.array(data.draw(st.lists(st.lists(st.booleans(), min_size=n_voxels,
                                                   max_size=n_voxels), min_size=2, max_size=2)))
    members[:, measured] |= ~members[:, measured].any(1, keepdims=True)
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    betas = np.where(shown[..., None] & measured, rng.normal(size=(20, 2, n_voxels)), np.nan)
    lines = [(v, name) for name, mask in zip(("A", "B"), members) for v in np.flatnonzero(mask)]
    (root / "p01/rois.csv").write_text("roi;voxel\n" + "".join(
        f"{name};{v}\n" for v, name in (lines[i] for i in rng.permutation(len(lines)))))
    np.save(root / "p01/responses.npy", betas)
    (root / "p01/ncsnr.npy").unlink(missing_ok=True)
    cohort = Arrays(root, subjects=["p01"])
    found = cohort.responses("p01", ["B", "A"])
    np.testing.assert_array_equal(found.conditions, np.flatnonzero(shown.any(1)))
    np.testing.assert_array_equal(found.vertex, np.flatnonzero(members.any(0) & measured))
    for name, mask in zip(("A", "B"), members):
        np.testing.assert_array_equal(found.members[name], mask[found.vertex])
    for row, image in enumerate(found.conditions):
        trials = betas[image, shown[image]][:, found.vertex].astype(np.float32)
        np.testing.assert_array_equal(found.betas[row, :len(trials)], trials)
        assert np.isnan(found.betas[row, len(trials):]).all()
    np.testing.assert_array_equal(cohort.whole_brain("p01", 0.2).vertex, np.flatnonzero(measured))


def test_whole_brain_has_voxels_of_no_region_and_reliable_ones(root):
    cohort = Arrays(root)
    ncsnr = np.load(root / "p01/ncsnr.npy")
    found = cohort.whole_brain("p01", 0.5)
    np.testing.assert_array_equal(found.vertex, np.flatnonzero(ncsnr > 0.5))
    assert found.excluded == {"ncsnr not above 0.5": int((ncsnr <= 0.5).sum())}
    assert len(cohort.whole_brain("p02", 0.5).vertex) == 9


# ---- regions -------------------------------------------------------------------------------------

def test_own_regions_have_the_declared_group_and_domain(root):
    text = (root / "p01/rois.csv").read_text().replace("V1v,lh,,", "new,lh,higher,faces").replace(
        "V1v,rh,,", "new,rh,higher,faces")
    (root / "p01/rois.csv").write_text(text)
    np.save(root / "p02/rois.npy", np.array(["mine"] * 9))
    cohort = Arrays(root)
    assert sort_rois(["new", "my patch", "FFA-1"])[0] == "FFA-1"
    assert {name: region_group(name) for name in ("my patch", "new", "mine", "FFA-1")} == {
        "my patch": "early", "new": "higher", "mine": "higher", "FFA-1": "higher"}
    assert [domain_of(name) for name in ("my patch", "new", "mine", "FFA-1")] == [
        "", "faces", "", "faces"]
    copy = pickle.dumps(cohort)
    del rois.TABLE["new"]
    again = pickle.loads(copy)  # as in a worker process
    assert domain_of("new") == "faces"
    np.testing.assert_array_equal(again.responses("p01", ["new"]).betas,
                                  cohort.responses("p01", ["new"]).betas)


def test_a_published_region_keeps_its_group(root):
    (root / "p01/rois.csv").write_text("voxel,roi,group,domain\n0,FFA-1,early,scenes\n")
    Arrays(root, subjects=["p01"])
    assert domain_of("FFA-1") == "faces" and region_group("FFA-1") == "higher"


# ---- folds ---------------------------------------------------------------------------------------

def test_folds_test_every_image_once_and_depend_on_contents_alone(root):
    cohort = Arrays(root)
    content = {i: (root / name).read_bytes() for i, name in enumerate(cohort.images)}
    tests = [fold.test for fold in cohort.folds("p01")]
    assert len(tests) == N_FOLDS
    np.testing.assert_array_equal(np.sort(np.concatenate(tests)), np.arange(20))
    for fold in cohort.folds("p01"):
        np.testing.assert_array_equal(fold.fit, np.setdiff1d(np.arange(20), fold.test))
        predicted = np.concatenate([predict for _, predict in fold.validation])
        np.testing.assert_array_equal(np.sort(predicted), fold.fit)
    assert np.concatenate([fold.test for fold in cohort.folds("p02")]).min() == 2
    # The same images under other names, in another order, fall into the same folds.
    names = [f"stimuli/z{i}.png" for i in np.random.default_rng(1).permutation(20)]
    for i, name in enumerate(names):
        (root / name).write_bytes(content[i])
        (root / cohort.images[i]).unlink()
    shuffled = Arrays(root, subjects=["p01"])
    again = [{(root / shuffled.images[i]).read_bytes() for i in fold.test}
             for fold in shuffled.folds("p01")]
    assert again == [{content[i] for i in test} for test in tests]


def test_copies_of_an_image_are_in_one_fold(root):
    for number in (2, 9, 17):
        shutil.copy(root / "stimuli/image-1.png", root / f"stimuli/image-{number}.png")
    tests = [set(fold.test.tolist()) for fold in Arrays(root, subjects=["p01"]).folds("p01")]
    assert sum({0, 1, 8, 16} <= test for test in tests) == 1


# ---- identity ------------------------------------------------------------------------------------

def test_the_digest_follows_contents(root):
    def digests():
        cohort = Arrays(root)
        return cohort.stimuli.digest, cohort.digest("p01"), cohort.digest("p02")

    before = digests()
    shutil.copytree(root, root.with_name("copy"))
    assert Arrays(root.with_name("copy")).digest("p01") == before[1]
    values = np.load(root / "p01/responses.npy")
    for change, changed in (
            (lambda: np.save(root / "p01/responses.npy", values + 1e-3), [False, True, False]),
            (lambda: np.save(root / "p01/ncsnr.npy", np.ones(9)), [False, True, False]),
            (lambda: np.save(root / "p02/rois.npy", np.array(["PPA"] * 9)), [False, False, True]),
            (lambda: (root / "p01/rois.csv").write_text("voxel,roi\n0,V1v\n"),
             [False, True, False]),
            (lambda: Image.new("RGB", (8, 8)).save(root / "stimuli/image-4.png"),
             [True, False, False]),
            (lambda: (root / "images.csv").write_text("image\n" + "".join(
                f"stimuli/image-{n}.png\n" for n in range(20, 0, -1))), [True, True, True])):
        change()
        after = digests()
        assert [one != other for one, other in zip(before, after)] == changed
        before = after


# ---- what does not fit ---------------------------------------------------------------------------

def save(name: str, change):
    return lambda root: np.save(root / name, change(np.load(root / name)), allow_pickle=True)


def put(name: str, text: str):
    return lambda root: (root / name).write_text(text)


def filled(value, place):
    def change(values):
        values[place] = value
        return values
    return change


R, C = "p01/responses.npy", "voxel,roi\n"
REFUSED = {
    "length": (save(R, lambda v: v[:-1]), "19 rows.*20 images.*one row for each"),
    "axes": (save(R, lambda v: v[:, 0].T), "exchange the axes"),
    "four axes": (save(R, lambda v: v[None]), r"shape \(1, 20, 2, 9\).*images x voxels"),
    "no voxel": (save(R, lambda v: v[..., :0]), r"shape \(20, 2, 0\)"),
    "all NaN": (save(R, lambda v: v * np.nan), "all values are NaN"),
    "infinite": (save(R, filled(np.inf, (7, 0, 2))), "image 7, voxel 2 .* is inf"),
    "too large": (save(R, lambda v: v.astype(float) * 1e300), "not finite in float32"),
    "NaN": (save(R, filled(np.nan, (7, 0, 2))), "voxel 2 .*is NaN for image 7.*1 such"),
    "text": (save(R, lambda v: v.astype(str)), "is of type <U.*numbers"),
    "truth": (save(R, lambda v: v > 0), "is of type bool"),
    "complex": (save(R, lambda v: v * 1j), "is of type complex"),
    "pickle": (save(R, lambda v: v.astype(object)), "Python objects.*numpy.save"),
    "damaged": (lambda r: (r / R).write_bytes((r / R).read_bytes()[:200]), "cannot be read"),
    "no array": (put(R, "1,2,3"), "cannot be read.*in a .npy file"),
    "web page": (put(R, "<!DOCTYPE html><title>Sign in</title>"), "it is a web page"),
    "archive": (lambda r: (np.savez(r / "x.npz", a=1), (r / "x.npz").rename(r / R)),
                "is an archive"),
    "absent": (lambda r: (r / R).unlink(), "no file .*responses.npy"),
    "few images": (lambda r: (np.save(r / R, np.load(r / R)[:14]), put(
        "p01/images.csv", "image\n" + "".join(f"stimuli/image-{i}.png\n" for i in range(1, 15)))(r)
    ), "responses to 14 different images.*15 or more"),
    "ncsnr length": (save("p01/ncsnr.npy", lambda v: v[1:]), r"\(8,\).*9 voxels"),
    "ncsnr negative": (save("p01/ncsnr.npy", lambda v: -v), "voxel 0 .* is -0"),
    "no regions": (lambda r: (r / "p01/rois.csv").unlink(), "neither rois.csv nor rois.npy"),
    "two lists of regions": (lambda r: shutil.copy(r / "p02/rois.npy", r / "p01"), "has both"),
    "voxel": (put("p01/rois.csv", C + "1,V1v\n9,V1v\n"), "line 3: voxel 9.*0 to 8.*from 0"),
    "fraction": (put("p01/rois.csv", C + "1.5,V1v\n"), "line 2: voxel is '1.5'"),
    "voxel twice": (put("p01/rois.csv", C + "1,V1v\n1,V1v\n"), "line 3.*listed before"),
    "hemispheres": (put("p01/rois.csv", "voxel,roi,hemisphere\n1,V1v,lh\n1,EBA,rh\n"),
                    "another hemisphere"),
    "hemisphere": (put("p01/rois.csv", "voxel,roi,hemisphere\n1,V1v,left\n"),
                   "line 2: the hemisphere 'left'.*lh, rh"),
    "letters": (put("p01/rois.csv", C + "1,ffa-1\n"), "region 'ffa-1'.*'FFA-1', or another"),
    "group": (put("p01/rois.csv", "voxel,roi,group\n1,mine,erly\n"),
              "group 'erly' of mine.*early, higher, other.*did you mean 'early'"),
    "domain": (put("p01/rois.csv", "voxel,roi,domain\n1,mine,cars\n"), "domain 'cars' of mine"),
    "two groups": (put("p01/rois.csv", "voxel,roi,group\n1,mine,early\n2,mine,\n"),
                   "line 3: mine is.*further up"),
    "groups of two": (put("p02/rois.csv", C + "1,my patch\n"), "has both"),
    "two participants": (lambda r: ((r / "p02/rois.npy").unlink(),
                                    put("p02/rois.csv", C + "1,my patch\n")(r)),
                         "p02: my patch has another group"),
    "empty region": (save(R, filled(np.nan, (slice(None), slice(None), [0, 3, 6]))),
                     "region FFA-1 has no voxel with a response"),
    "names length": (save("p02/rois.npy", lambda v: v[1:]), r"\(8,\).*9 voxels"),
    "names as objects": (save("p02/rois.npy", lambda v: v.astype(object)), "Python objects"),
    "names as numbers": (save("p02/rois.npy", lambda v: np.arange(9)), "a name for each voxel"),
    "no names": (save("p02/rois.npy", lambda v: np.full(9, "")), "names no region"),
    "unknown image": (put("p02/images.csv", "image\nstimuli/imge-1.png\n"),
                      "lists the image 'stimuli/imge-1.png'.*did you mean 'stimuli/image-1.png'"),
    "image twice": (put("p02/images.csv", "image\nstimuli/image-1.png\nstimuli/image-1.png\n"),
                    "twice.*repeats on an axis"),
    "missing image": (put("images.csv", "image\nstimuli/image-1.png\nstimuli/none.png\n"),
                      "line 3: the image 'stimuli/none.png' is not there"),
    "listed twice": (put("images.csv", "image\nstimuli/image-1.png\nstimuli/image-1.png\n"),
                     "line 3: .*named twice"),
    "no images": (lambda r: shutil.rmtree(r / "stimuli"), "images.csv, or images in stimuli/"),
    "copy of a participant": (lambda r: shutil.copytree(r / "p01", r / "p01_old"),
                              "'p01_old' .*name of a copy"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_does_not_fit_is_named_on_opening(case, root):
    spoil, message = REFUSED[case]
    spoil(root)
    with pytest.raises(LabError, match=f"(?s){message}") as found:
        Arrays(root)
    assert "delete" not in found.value.remedy and found.value.expected and found.value.remedy


@pytest.mark.parametrize("saved, message", [
    (np.arange(18) + 3, "the value 20"), (np.arange(18.0) + 0.5, "the value 0.5"),
    (np.zeros((18, 2), int), "one axis"), (np.zeros(18, int), "'stimuli/image-1.png' twice"),
    (np.zeros(20, bool), "no image"), (np.array(["x"] * 18), "the image 'x'")])
def test_seen_images_that_do_not_fit(root, saved, message):
    (root / "p02/images.csv").unlink()
    np.save(root / "p02/images.npy", saved)
    with pytest.raises(LabError, match=message):
        Arrays(root)


def test_who_is_not_there_and_what_is_not_known(root):
    with pytest.raises(LabError, match="no participant 'p03'(?s:.)*p01, p02"):
        Arrays(root, subjects=["p03"])
    with pytest.raises(LabError, match="no participant in"):
        Arrays(root / "stimuli")
    with pytest.raises(LabError, match="there is no ROI 'nowhere'"):
        Arrays(root).responses("p01", ["nowhere"])
    with pytest.raises(LabError, match="no such key|per_run"):
        read_cohort("arrays", root, per_run="vertex")
    with pytest.raises(LabError, match="split of its own"):
        read_cohort("arrays", root, n_pool=3)


def test_images_in_folders_or_beside_them(root):
    names = Arrays(root).images
    for i, name in enumerate(names):
        (root / f"stimuli/{'ab'[i % 2]}").mkdir(exist_ok=True)
        (root / name).rename(root / f"stimuli/{'ab'[i % 2]}/{i}.png")
    assert Arrays(root, subjects=["p01"]).images[9:11] == ("stimuli/a/18.png", "stimuli/b/1.png")
    shutil.copy(root / "stimuli/a/0.png", root / "stimuli")
    with pytest.raises(LabError, match="images both beside and in folders"):
        Arrays(root)
