"""Content channels: published and aligned trajectories, separability, tuning, the image set."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from PIL import Image
from scipy import stats
from scipy.linalg import orthogonal_procrustes
from scipy.spatial.distance import pdist, squareform
from scipy.stats import ortho_group
from sklearn.decomposition import PCA
from sklearn.manifold import MDS
from sklearn.metrics import silhouette_score
from sklearn.neighbors import NearestCentroid
from sklearn.preprocessing import normalize

from data.synthetic import images
from data.synthetic.image_files import write_channels, write_localizer
from helpers.config.profile import load_profile
from helpers.content_channels import plots, separability, trajectories, tuning_reorientation
from helpers.core.bootstrap import bootstrap_interval, draw_weights
from helpers.core.errors import LabError
from helpers.core.intervals import permutation_p
from helpers.figures.style import COLOURS
from helpers.stimuli.image_sets import LAYOUTS, MC8

GOLDEN = {("OLS", False): (1.514, 100), ("Lasso", False): (1.941, 2),
          ("ElasticNet", False): (1.885, 9), ("Ridge", False): (1.529, 100),
          ("OLS", True): (0.254, 2), ("Lasso", True): (0.055, 2),
          ("ElasticNet", True): (0.140, 6), ("Ridge", True): (0.242, 24)}
"""Index and number of weights that are not 0 (figure titles of the authors' page; authors'
TuningReorientation.html)."""

LABELS = np.repeat(["a", "b", "c", "d"], 6)


def layers(rng: np.random.Generator, *, strength: float = 1.0, n_layers: int = 3) -> dict:
    """Make layers of 24 images of 4 categories whose means lie ``strength`` apart."""
    latent = rng.normal(size=(24, 12)) + strength * np.repeat(rng.normal(size=(4, 12)), 6, axis=0)
    return {f"layer{i}": np.tanh(latent @ rng.normal(size=(12, 40 + 10 * i)))
            + 0.1 * rng.normal(size=(24, 40 + 10 * i)) for i in range(n_layers)}


@pytest.fixture
def scores():
    return trajectories.compute_pca_scores(layers(np.random.default_rng(3)))


# ---- tuning --------------------------------------------------------------------------------------

def test_the_eight_golden_values_of_the_tuning_demonstration():
    fits = tuning_reorientation.fit_models(tuning_reorientation.published_features())
    result = {(fit.model, fit.positive): (round(fit.index, 3), fit.n_nonzero) for fit in fits}
    assert result == GOLDEN


def test_the_legacy_stream_is_the_one_of_the_global_seed():
    state = np.random.get_state()
    try:
        np.random.seed(1)
        expected = np.random.randn(100, 2) * 1.5 - 0.75
    finally:
        np.random.set_state(state)
    np.testing.assert_array_equal(tuning_reorientation.published_features(), expected)


def test_reorientation_index_of_known_fits():
    features = np.array([[2.0, 0.0], [0.0, 5.0], [-3.0, 0.0]])
    for weights, expected in (([1, 0, 0], 0), ([0, -4, 0], 1), ([0, 0, -1], 2), ([1, 0, -3], 1.5)):
        index = tuning_reorientation.reorientation_index(np.array(weights), features,
                                                         np.array([1.0, 0.0]))
        assert index == pytest.approx(expected)


@pytest.mark.parametrize("weights, features", [
    (np.ones(3), np.ones((2, 2))), (np.zeros(2), np.ones((2, 2))),
    (np.ones(2), np.array([[1, 0], [0, 0]]))])
def test_reorientation_index_refuses_what_has_no_direction(weights, features):
    with pytest.raises(LabError, match="expected"):
        tuning_reorientation.reorientation_index(weights, features, np.ones(2))


# ---- trajectories --------------------------------------------------------------------------------

def test_published_embedding_against_a_plain_transcription():
    activations = layers(np.random.default_rng(0))
    stacked = np.vstack([PCA(10, random_state=0).fit_transform(x) for x in activations.values()])
    distances = squareform(pdist(stacked, "correlation"))
    plain = MDS(2, metric="precomputed", n_init=4, init="random", max_iter=300, eps=1e-6,
                random_state=0).fit_transform(distances)
    scores = trajectories.compute_pca_scores(activations)
    assert scores.shape == (3, 24, 10)
    rdm = trajectories.correlation_rdm(scores)
    np.testing.assert_allclose(rdm, distances, atol=1e-12)
    made = trajectories.fit_mds(rdm, 3)
    np.testing.assert_allclose(made.points.reshape(-1, 2), plain, atol=1e-3)
    in_plane = squareform(pdist(made.points.reshape(-1, 2)))
    stress = np.sqrt(((in_plane - rdm) ** 2).sum() / (in_plane ** 2).sum())
    assert made.stress == pytest.approx(stress, rel=1e-2)


def test_cosine_distances_are_scipys(scores):
    expected = squareform(pdist(scores.reshape(-1, 10), "cosine"))
    np.testing.assert_allclose(trajectories.cosine_rdm(scores), expected, atol=1e-12)


def test_only_the_aligned_rdm_is_invariant_to_flips_and_rotations(scores):
    turned = scores.copy()
    turned[0] = scores[0] * np.random.default_rng(1).choice([-1, 1], 10)
    turned[2] = scores[2] @ ortho_group.rvs(10, random_state=2)
    np.testing.assert_allclose(trajectories.aligned_rdm(turned), trajectories.aligned_rdm(scores),
                               atol=1e-6)
    between, within = trajectories.block_correlations(
        trajectories.correlation_rdm(scores), trajectories.correlation_rdm(turned), 3)
    assert abs(between) < 0.8 and within < 0.999


def test_alignment_keeps_distances_within_layers_and_finds_a_planted_rotation(scores):
    aligned = trajectories.procrustes_align(scores)
    for before, after in zip(scores, aligned):
        scale = np.linalg.norm(before)
        np.testing.assert_allclose(pdist(after) * scale, pdist(before), rtol=1e-9)
    one = scores[0]
    copies = np.stack([one, 7 * one @ ortho_group.rvs(10, random_state=0),
                       one @ ortho_group.rvs(10, random_state=1)])
    assert trajectories.consensus_variance(
        trajectories.procrustes_align(copies)) == pytest.approx(1, abs=1e-9)


def test_every_layer_is_rotated_to_the_consensus_of_all_and_not_to_the_first(scores):
    aligned = trajectories.procrustes_align(scores)
    for layer in aligned:
        turn = orthogonal_procrustes(layer, aligned.mean(0))[0]
        np.testing.assert_allclose(turn, np.eye(10), atol=0.01)
    backwards = trajectories.procrustes_align(scores[::-1])
    assert trajectories.consensus_variance(backwards) == pytest.approx(
        trajectories.consensus_variance(aligned), abs=1e-5)


def test_agreement_exceeds_that_of_shuffled_images_only_where_layers_share_them(scores):
    null = trajectories.permuted_consensus_variance(scores, n_shuffles=20)
    assert trajectories.consensus_variance(trajectories.procrustes_align(scores)) > null.max()
    noise = np.random.default_rng(0).normal(size=scores.shape)
    null = trajectories.permuted_consensus_variance(noise - noise.mean(1, keepdims=True),
                                                    n_shuffles=20)
    observed = trajectories.consensus_variance(
        trajectories.procrustes_align(noise - noise.mean(1, keepdims=True)))
    assert abs(observed - null.mean()) < 4 * null.std()


def test_sign_flips_change_the_published_distances_and_not_the_aligned_ones(scores):
    published = trajectories.sign_flip_correlations(scores, trajectories.correlation_rdm,
                                                    n_flips=40)
    aligned = trajectories.sign_flip_correlations(scores, trajectories.aligned_rdm, n_flips=5)
    low, high = np.quantile(published[:, 0], [0.025, 0.975])
    assert low < 0 < high and abs(published[:, 0].mean()) < 0.2
    assert aligned.min() > 1 - 1e-6
    unaligned = trajectories.sign_flip_correlations(scores, trajectories.cosine_rdm, n_flips=5)
    assert unaligned[:, 1].min() > 1 - 1e-9 > unaligned[:, 0].max()


def test_older_signs_make_the_largest_score_positive(scores):
    older = trajectories.legacy_pca_signs(scores)
    np.testing.assert_allclose(np.abs(older), np.abs(scores))
    assert (older.max(1) >= -older.min(1)).all() and not np.allclose(older, scores)


def test_few_images_give_few_components_and_bad_layers_are_named():
    rng = np.random.default_rng(0)
    few = {name: x[:8] for name, x in layers(rng).items()}
    assert trajectories.compute_pca_scores(few).shape == (3, 8, 7)
    with pytest.raises(LabError, match="at least 4"):
        trajectories.compute_pca_scores({name: x[:3] for name, x in few.items()})
    for flaw in (np.zeros((8, 9)), np.full((8, 9), np.nan)):
        with pytest.raises(LabError, match="'flat'.*\n.*activations that differ"):
            trajectories.compute_pca_scores({**few, "flat": flaw})


def test_selected_images_keep_the_order_and_a_missing_category_is_named():
    there = ["b", "a", "a", "b", "c", "a"]
    assert trajectories.select_images(there, ["a", "b"], 2).tolist() == [1, 2, 0, 3]
    with pytest.raises(LabError, match=r"'cats'.*\n.*b \(2\), a \(3\), c \(1\)"):
        trajectories.select_images(there, ["a", "cats"], 2)


def test_the_paper_profile_finds_its_categories_in_the_published_folders(tmp_path):
    """The folders are numbered; the figure's legend has the bare names, and their own colours."""
    profile = load_profile("paper")
    for name in MC8:
        (tmp_path / name).mkdir()
        for number in range(3):
            Image.new("L", (8, 8), number).save(tmp_path / name / f"{name[2:]}{number}.jpg")
    images = LAYOUTS[profile.image_sets[profile.channels.images].layout](tmp_path)
    stimuli = images.select(trajectories.select_images(images.categories,
                                                       profile.channels.categories, 2))
    assert stimuli.categories == ("faces",) * 2 + ("buildings",) * 2 + ("cats",) * 2 + (
        "hammers",) * 2
    styles = plots.category_styles(dict(zip(stimuli.categories, stimuli.domains)))
    labels = [handle.get_label() for handle in plots.category_handles(styles, ("a", "b"))]
    assert labels[4:] == ["a", "b"]
    assert labels[:4] == list(profile.channels.categories) == list(styles)
    assert len({colour for colour, _ in styles.values()}) == 4
    assert styles["buildings"][0] == pytest.approx(to_rgb(COLOURS["scenes"]))


# ---- separability -------------------------------------------------------------------------------

def test_distances_and_silhouettes_are_scikit_learns():
    activations = list(layers(np.random.default_rng(5)).values())
    rdms = np.stack([separability.layer_rdm(x.astype(np.float32)) for x in activations])
    result = separability.silhouettes(rdms, LABELS)
    for x, rdm, value in zip(activations, rdms, result):
        np.testing.assert_allclose(rdm, squareform(pdist(x, "correlation")), atol=1e-6)
        assert value == pytest.approx(silhouette_score(rdm, LABELS, metric="precomputed"))


def test_centroid_hits_against_a_plain_loop():
    x = layers(np.random.default_rng(6), strength=0.7)["layer0"]
    z = (x - x.mean(1, keepdims=True)) / x.std(1, keepdims=True)
    plain = []
    for i in range(24):
        rest = np.arange(24) != i
        near = [np.corrcoef(z[i], z[rest & (LABELS == k)].mean(0))[0, 1] for k in "abcd"]
        plain.append("abcd"[int(np.argmax(near))] == LABELS[i])
    result = separability.nearest_centroid_correct(separability.layer_rdm(x)[None], LABELS)[0]
    assert result.tolist() == plain and 0.3 < result.mean() < 1


def test_a_bootstrap_sample_is_classified_without_copies_of_the_image():
    """Against a loop with scikit-learn over the drawn images; patterns of norm 1, centroids too."""
    x = layers(np.random.default_rng(6), strength=0.7)["layer0"]
    z = normalize(x - x.mean(1, keepdims=True))
    sampled = separability.bootstrap_accuracy(separability.layer_rdm(x)[None], LABELS, seed=4,
                                              n_resamples=3)
    for weights, accuracy in zip(draw_weights(np.repeat(range(4), 6), seed=4, n_resamples=3),
                                 sampled[:, 0]):
        drawn, correct = np.repeat(np.arange(24), weights.astype(int)), []
        for i in drawn:
            rest = drawn[drawn != i]
            model = NearestCentroid().fit(z[rest], LABELS[rest])
            near = z[i] @ normalize(model.centroids_).T
            correct.append(model.classes_[near.argmax()] == LABELS[i])
        assert len(drawn) == 24 and accuracy == pytest.approx(np.mean(correct))


def test_the_bootstrap_of_an_accuracy_contrast_covers_its_mean_over_sets_of_images():
    """Trained minus untrained, separable or not: at least 90 of 100 intervals, none absurdly wide.

    The jackknife's standard error is at least twice too large here.
    """
    contrast, means = np.array([-1.0, 1.0]), np.random.default_rng(99).normal(size=(4, 30))
    for strengths in ((0.0, 0.0), (0.2, 0.5)):
        estimates, intervals = [], []
        for seed in range(50):
            rng = np.random.default_rng(seed)
            rdms = np.stack([separability.layer_rdm(s * means.repeat(10, axis=0)
                                                    + rng.normal(size=(40, 30)))
                             for s in strengths])
            labels = np.repeat(range(4), 10)
            estimates.append(contrast @ separability.nearest_centroid_accuracy(rdms, labels))
            resampled = separability.bootstrap_accuracy(rdms, labels, seed=seed, n_resamples=40)
            intervals.append(bootstrap_interval(estimates[-1], resampled @ contrast))
        _, low, high = np.transpose(intervals)
        covered = (low < np.mean(estimates)) & (np.mean(estimates) < high)
        assert covered.mean() >= 0.9
        assert np.mean(high - low) < 1.6 * 2 * 1.96 * np.std(estimates)
        assert (np.mean(estimates) > 0.2) == (strengths[1] > 0) == (np.mean(low > 0) > 0.5)


@pytest.mark.slow
@pytest.mark.parametrize("measure",
                         [separability.silhouettes, separability.nearest_centroid_accuracy])
def test_planted_separability_is_detected_and_noise_is_not(measure):
    rejected = 0
    for seed in range(60):
        noise = np.random.default_rng(seed).normal(size=(24, 30))
        rdm = separability.layer_rdm(noise)[None]
        null = separability.label_permutation_null(rdm, LABELS, measure, n_permutations=99,
                                                   seed=seed)
        rejected += permutation_p(measure(rdm, LABELS), null)[0] <= 0.05
    assert rejected <= 8  # 60 * .05 = 3 expected
    planted = separability.layer_rdm(layers(np.random.default_rng(0))["layer0"])[None]
    null = separability.label_permutation_null(planted, LABELS, measure, n_permutations=99)
    assert permutation_p(measure(planted, LABELS), null)[0] == 0.01


def test_a_trend_over_layers_is_detected_and_its_absence_rarely_rejected():
    def trend(strengths, seed):
        rng = np.random.default_rng(seed)
        means = np.repeat(rng.normal(size=(4, 30)), 6, axis=0)
        rdms = np.stack([separability.layer_rdm(s * means + rng.normal(size=(24, 30)))
                         for s in strengths])
        return separability.jackknife_contrast(rdms, LABELS,
                                               separability.slope_weights(len(strengths)))

    grown = trend([0, 0.5, 1, 1.5], 0)
    assert grown.estimate > 0 and grown.p < 0.001
    assert trend([1.5, 1, 0.5, 0], 0).p > 0.99
    low, high = grown.interval
    assert 0 < low < grown.estimate < high and high - grown.estimate == pytest.approx(
        grown.estimate - low) == pytest.approx(stats.t.isf(0.025, 23) * grown.se)
    level = [trend([0.8, 0.8, 0.8], seed).p < 0.05 for seed in range(80)]
    assert sum(level) <= 10  # 80 * .05 = 4 expected


def test_slope_weights_give_the_least_squares_slope():
    y = np.array([0.1, 0.5, 0.2, 0.9])
    assert separability.slope_weights(4) @ y == pytest.approx(np.polyfit(range(4), y, 1)[0])


def test_a_category_of_one_image_is_refused():
    with pytest.raises(LabError, match="2 images in each"):
        separability.silhouettes(np.zeros((1, 3, 3)), ["a", "a", "b"])


# ---- images and panels -------------------------------------------------------------------------

@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    folder = tmp_path_factory.mktemp("universe") / "mc8-shined"
    return write_channels(folder, seed=7, n_per_category=3, processes=1)


def test_channel_images_have_the_published_folders_and_matched_luminance(drawn):
    assert sorted(path.name for path in drawn.iterdir()) == [
        "bodies", "buildings", "cars", "cats", "chairs", "faces", "hammers"]
    for folder in drawn.iterdir():
        assert sorted(path.name for path in folder.iterdir()) == [
            f"{folder.name}-{i}.jpg" for i in (1, 2, 3)]
        for path in folder.iterdir():
            image = Image.open(path)
            pixels = np.asarray(image, dtype=float) / 255
            assert image.mode == "L" and image.size == (128, 128)
            assert pixels.mean() == pytest.approx(images.LUMINANCE_MEAN, abs=0.01), path.name
            assert pixels.std() == pytest.approx(images.LUMINANCE_SD, abs=0.01), path.name


def test_channel_images_depend_on_the_seed_alone(tmp_path, drawn):
    def digests(folder):
        return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
                for path in folder.rglob("*.jpg")}

    again = write_channels(tmp_path / "again", seed=7, n_per_category=3, processes=2)
    assert digests(again) == digests(drawn)
    other = write_channels(tmp_path / "other", seed=8, n_per_category=1, processes=1)
    localizer = write_localizer(tmp_path / "localizer", seed=7, n_per_category=1, processes=1)
    for folder in (other, localizer):
        assert not set(digests(folder).values()) & set(digests(drawn).values())


def test_categories_of_one_domain_look_different():
    published = ("faces", "bodies", "cats", "buildings", "cars", "chairs", "hammers", "phones")
    styles = plots.category_styles({name: name for name in published})
    assert len({colour for colour, _ in styles.values()}) == 8
    assert len({marker for _, marker in styles.values()}) == 8
    floc = plots.category_styles({"adult": "faces", "child": "faces", "car": "objects"})
    assert floc["adult"] != floc["child"] and floc["adult"] == styles["faces"]
