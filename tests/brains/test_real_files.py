"""Real files of other people, where they are: label files, object2vec, the 92-image study."""

from __future__ import annotations

import re

import numpy as np
import pytest
from scipy.io import loadmat
from scipy.spatial.distance import squareform

from helpers import lab
from helpers.brains.algonauts import read_masks
from helpers.brains.layouts import open_cohort
from helpers.brains.object2vec import Object2Vec
from helpers.brains.rsa92 import read_rsa92
from helpers.config.contrastive_coding import EncodingSpec
from helpers.core.errors import LabError
from helpers.core.paths import ROOT
from helpers.encoding.cohort_features import channel_mean_features
from helpers.encoding.regression import ridge_standardised
from helpers.rsa.dissimilarity import pearson_r

REAL = ROOT.parent / "shared" / "data"
SUBJECTS = tuple(f"subj{i:02d}" for i in range(1, 9))

needs = lambda folder: pytest.mark.skipif(  # noqa: E731
    not (REAL / folder).is_dir(), reason=f"no ../shared/data/{folder} here")

COUNTS = """
V1v L 710 599 853 585 538 299 491 444 | R 444 616 676 633 589 572 444 590
V1d L 828 845 523 557 1117 944 917 569 | R 991 677 624 553 706 712 709 815
V2v L 632 653 930 734 531 482 685 646 | R 887 883 704 647 629 610 575 744
V2d L 692 620 575 498 663 557 616 503 | R 725 623 782 595 796 559 523 719
V3v L 567 553 656 537 457 422 489 509 | R 682 732 433 563 487 532 570 527
V3d L 669 574 653 468 725 622 651 489 | R 535 756 676 578 714 527 550 766
hV4 L 531 606 457 547 584 439 540 538 | R 765 656 430 643 336 376 381 538
EBA L 2837 3059 3017 3538 3618 3605 3873 3349 | R 3400 3650 3568 4562 5741 4060 3381 3425
FBA-1 L 574 0 524 0 512 615 0 188 | R 206 0 1176 395 556 1065 0 923
FBA-2 L 0 1058 92 787 984 387 422 519 | R 856 748 415 473 200 219 522 569
mTL-bodies L 0 0 0 0 0 0 0 0 | R 0 0 0 0 0 112 0 164
OFA L 432 493 607 623 778 419 434 452 | R 305 795 836 774 883 475 302 231
FFA-1 L 552 244 549 599 542 435 484 776 | R 330 594 1067 526 658 167 601 577
FFA-2 L 0 401 125 434 335 320 39 678 | R 629 527 11 467 650 523 18 914
mTL-faces L 0 0 0 0 0 0 0 0 | R 0 0 0 0 0 0 0 0
aTL-faces L 0 0 0 0 0 0 0 0 | R 0 0 0 0 0 0 0 0
OPA L 1863 1494 1797 1707 2203 1706 1611 2647 | R 2806 2434 1421 1998 2025 1720 1474 1979
PPA L 1311 1272 1787 1551 1585 1256 1323 1277 | R 891 1490 1976 1314 1586 1512 1466 1326
RSC L 401 481 515 482 358 323 429 339 | R 660 683 890 755 726 687 719 740
OWFA L 317 580 539 454 579 519 1036 995 | R 590 717 727 683 412 467 752 624
VWFA-1 L 1381 499 1211 800 654 441 492 1406 | R 397 300 502 644 313 456 416 639
VWFA-2 L 461 189 36 46 329 678 632 126 | R 431 155 0 0 338 186 1107 0
mfs-words L 490 366 79 146 257 432 182 146 | R 0 400 0 106 340 431 298 222
mTL-words L 0 0 0 0 0 4 0 0 | R 0 0 0 0 0 0 63 0
"""
"""Voxels of every region, S1 to S8 (the authors' ROI masks)."""


def count_vertices(masks):
    """Return region -> vertices in the left and in the right hemisphere."""
    return {name: (int(left.sum()), int(right.sum())) for name, (left, right) in masks.items()}


def counts() -> dict[str, tuple[list[int], list[int]]]:
    found = {}
    for line in COUNTS.strip().splitlines():
        name, left, right = re.fullmatch(r"(\S+) L ([\d ]+) \| R ([\d ]+)", line).groups()
        found[name] = ([int(n) for n in left.split()], [int(n) for n in right.split()])
    return found


@needs("algonauts2023")
@pytest.mark.parametrize("subject", SUBJECTS)
def test_the_real_label_files_have_the_published_counts(subject):
    sizes, index = count_vertices(read_masks(REAL / "algonauts2023",
                                             subject)), SUBJECTS.index(subject)
    published = counts()
    assert len(published) == 24 and len(sizes) == 31  # 7 streams have no published count
    for name, (left, right) in published.items():
        assert sizes[name] == (left[index], right[index]), name
    n = {"subj06": (18_978, 20_220), "subj08": (18_981, 20_530)}.get(subject, (19_004, 20_544))
    assert tuple(map(len, read_masks(REAL / "algonauts2023", subject)["V1v"])) == n


@needs("algonauts2023")
def test_the_real_label_files_on_fsaverage_hold_the_same_vertices():
    folder = REAL / "algonauts2023"
    wide, narrow = (read_masks(folder, "subj01", space) for space in ("fsaverage", "challenge"))
    for index, side in enumerate(("lh", "rh")):
        inside = np.load(folder / f"subj01/roi_masks/{side}.all-vertices_fsaverage_space.npy") == 1
        assert len(inside) == 163_842
        for name in narrow:
            np.testing.assert_array_equal(wide[name][index][inside], narrow[name][index])
    with pytest.raises(LabError, match="no file .*fsaverage"):
        read_masks(folder, "subj02", "fsaverage")


@needs("object2vec/fmri")
def test_object2vec_as_published_has_81_categories_and_nine_sets():
    cohort = Object2Vec(REAL / "object2vec")
    assert cohort.subjects == ("subj001", "subj002", "subj003", "subj004")
    assert len(cohort.stimuli) == 810 and np.bincount(cohort.condition_of).tolist() == [10] * 81
    full = cohort.responses("subj001", cohort.rois("subj001"))
    assert full.betas.shape == (81, 1, 1870) and full.excluded == {}
    assert {name: int(mask.sum()) for name, mask in full.members.items()} == {
        "EVC": 200, "LOC": 195, "PFS": 200, "OPA": 200, "PPA": 200, "RSC": 200, "FFA": 200,
        "OFA": 200, "STS": 75, "EBA": 200}
    for subject in cohort.subjects:
        folds = cohort.folds(subject)
        assert [len(fold.test) for fold in folds] == [9] * 9
        assert sorted(i for fold in folds for i in fold.test) == list(range(81))
        assert all(len(fold.validation) == 2 for fold in folds)
        for name in ("PPA", "LOC"):
            assert np.isfinite(cohort.responses(subject, [name]).of(name).betas).all()


@needs("object2vec/fmri")
def test_the_responses_of_object2vec_belong_to_the_category_that_they_are_given_to():
    """Read apart: in a file's own order, the row of a category is the row found for it."""
    cohort = Object2Vec(REAL / "object2vec")
    stored = loadmat(REAL / "object2vec/fmri_ppa_loc/subj003_old/roistack.mat")["roistack"][0, 0]
    names = [str(cell[0]) for cell in stored["conds"].ravel()]
    found = cohort.responses("subj003", ["PPA"])
    ppa = stored["indices"].ravel() == [str(cell[0]) for cell in stored["rois"].ravel()
                                        ].index("PPA") + 1
    for condition, category in enumerate(cohort.categories):
        np.testing.assert_allclose(found.betas[condition, 0],
                                   stored["betas"][names.index(category)][ppa], rtol=1e-5)


@needs("rsa92")
def test_the_92_image_study_has_its_images_and_matrices():
    found = read_rsa92(REAL / "rsa92")
    assert len(found.stimuli) == 92 and found.stimuli.open(5).size == (175, 175)
    assert len(found.single) == 8 and {"human IT", "monkey IT"} == set(found.rdms)
    main = loadmat(REAL / "rsa92/Kriegeskorte_Neuron2008_supplementalData.mat", squeeze_me=True)
    monkey, human = main["RDMs_mIT_hIT_fig1"]
    for name, published in (("monkey IT", monkey), ("human IT", human)):
        np.testing.assert_allclose(found.rdms[name], published["RDM"], atol=1e-5)
    labels = [str(label).strip().lower() for label in main["categoryLabels"]]
    face = main["categoryVectors"][:, labels.index("face")] == 1
    assert face.sum() == 24
    human = squareform(found.rdms["human IT"])
    within = human[np.ix_(face, face)][~np.eye(24, dtype=bool)]
    assert within.mean() < human[np.ix_(face, ~face)].mean()  # faces look alike to IT


@needs("rsa92")
def test_a_damaged_file_of_the_92_image_study_is_named(tmp_path):
    for path in (REAL / "rsa92").glob("*.mat"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    whole = (REAL / "rsa92/92_brainRDMs.mat").read_bytes()
    (tmp_path / "92_brainRDMs.mat").write_bytes(whole[:999])
    with pytest.raises(LabError, match="92_brainRDMs.mat"):
        read_rsa92(tmp_path)
    (tmp_path / "92_brainRDMs.mat").unlink()
    with pytest.raises(LabError, match="92_brainRDMs.mat"):
        read_rsa92(tmp_path)


@pytest.mark.exhaustive
@needs("object2vec/fmri")
@pytest.mark.skipif(not (REAL / "networks").is_dir(), reason="no ../shared/data/networks here")
def test_a_real_network_predicts_real_regions_as_well_as_a_straightforward_analysis(
        monkeypatch, private):
    """Ridge from one layer's channel means, mean over the nine sets: what the data's notes say."""
    monkeypatch.setenv("LAB_DATA", str(REAL))
    laboratory = lab.open("mini", notebook="test")
    cohort, layer = open_cohort(laboratory), "features.12.expand3x3_activation"
    features = channel_mean_features(laboratory.network("squeezenet1_0-imagenet"), [layer], cohort,
                                     np.arange(81), label="test", batch_size=64)[layer]
    found = cohort.responses("subj001", ["PPA", "LOC", "OFA", "OPA"])
    y, scores = found.betas[:, 0], []
    for fold in cohort.folds("subj001"):
        fit = ridge_standardised(features[fold.fit], y[fold.fit], EncodingSpec.ridge_alphas)
        scores.append(pearson_r(fit.predict(features[fold.test]), y[fold.test]))
    mean = np.mean(scores, axis=0)
    for roi, least in {"PPA": 0.71, "LOC": 0.66, "OFA": 0.64, "OPA": 0.61}.items():
        assert mean[found.members[roi]].mean() >= least, roi
