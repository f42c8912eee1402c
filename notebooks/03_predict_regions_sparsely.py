# %% [markdown]
# # 03 · Do the same units predict the matching brain regions?
#
# Prince, Alvarez & Konkle (2024), Figure 4
# ([doi 10.1126/sciadv.adl1776](https://doi.org/10.1126/sciadv.adl1776)).
# On two cores: two minutes the first time and 2 GB under `demo`, seven and 5 GB under `mini`; under
# `paper` not measured: it needs the Natural Scenes Dataset (ask its owners) and much memory.

# %% [markdown]
# **Goal.** Notebook 01 found units that prefer faces, bodies, scenes or words; human cortex has
# regions with the same preferences. Is their tuning the same? A linear fit with thousands of
# free weights predicts almost any region from almost any features, so it cannot answer this. Here
# a region is predicted from pre-identified units of *its own* domain only, with few weights and
# none negative: **[sparse positive encoding](GLOSSARY.md#sparse-positive-encoding)**.
#
# **You will learn**
# - why the sign of a weight matters more than the number of weights;
# - how a [noise ceiling](GLOSSARY.md#noise-ceiling) estimates the score of the best possible model;
# - why a layer must be selected on other images than those it is tested on.

# %% tags=["parameters"]
profile = "demo"       # demo, mini, paper, or the path of your own TOML file
metric = "veUnivar"    # score shown in panels E to G and by layer: veUnivar or veRSA
n_jobs = 2             # processes for the fits; or set DASK_SCHEDULER_ADDRESS

# %%
import numpy as np
import pandas as pd
from IPython.display import Markdown

from helpers import lab
from helpers.brains.deepnsd import WITH_CEILING, open_published_scores
from helpers.brains.layouts import open_cohort
from helpers.brains.rois import domain_of
from helpers.brains.rsa92 import open_rsa92
from helpers.core.intervals import mean_interval
from helpers.exercises import check
from helpers.figures import schematic, style
from helpers.figures.claims import UNCORRECTED, ClaimsTable, format_p, round_numbers
from helpers.figures.deviations import deviation_table
from helpers.figures.verdicts import CHECK, EXPLORATORY
from helpers.rsa.dissimilarity import rsa_r
from helpers.rsa.participant_ceiling import participant_ceiling
from helpers.rsa.study import correlate_layer_rdms

# %% [markdown]
# The analysis of this notebook, and the laboratory with the data of the profile.

# %%
from helpers.encoding import cohort_responses, plots, statistics, supplement_plots
from helpers.encoding.cohort_features import WHOLE_LAYER, UnitPools, unit_features
from helpers.encoding.positive_regression import sparse_positive
from helpers.encoding.published_plots import (
    beside_ours_panel,
    published_panel,
    training_handles,
)
from helpers.encoding.published_scores import beside_ours, select_published
from helpers.encoding.regression import GIST, OLS, RIDGE, SPARSE_POSITIVE, STANDARDISED
from helpers.encoding.study import EncodingStudy, select_own_pool
from helpers.selectivity.study import localize_network
from helpers.stimuli.domains import find_absence, intact_domains, require_domains
from helpers.stimuli.image_sets import DOMAINS

laboratory = lab.open(profile, notebook="03_predict_regions_sparsely")
claims = ClaimsTable(laboratory.provenance)
network_names, spec = laboratory.profile.networks, laboratory.profile.table("encoding")
seed, batch = laboratory.profile.seed, {"batch_size": laboratory.profile.batch_size}
style.use_style()
print(laboratory.provenance.line)

# %% [markdown]
# ## 1 · Participants and regions
#
# A region is defined by a localizer scan in each participant; not every participant has every
# region. Of its *vertices* (points of the cortical surface; in some data, voxels) we use the
# reliable ones: **[ncsnr](GLOSSARY.md#ncsnr)**, the standard deviation of the signal over images
# divided by that of the noise over repeats, must exceed a threshold. The table counts them.

# %%
cohort = open_cohort(laboratory)
study = EncodingStudy(cohort, spec, n_jobs=n_jobs, **batch)
regions = cohort_responses.roi_table(cohort, cohort.subjects, study.rois, min_ncsnr=spec.min_ncsnr)
domain_by_roi = {roi: domain_of(roi) for roi in study.rois}
localizer_images = require_domains(laboratory.images("localizer"))
domains = intact_domains(localizer_images.domains)
style.add_domains(localizer_images.domain_names)
pool_rois = study.select_pool_rois(domains)
fold = cohort.folds(cohort.subjects[0])[0]
print(f"{len(cohort.subjects)} participants, in the layout of {cohort.name}; "
      f"responses: {cohort.units}")
print(f"fit on {len(fold.fit)} conditions, choose on {len(fold.validation[0][1])}, "
      f"test on {len(fold.test)}; {len(cohort.folds(cohort.subjects[0]))} fold(s)")
regions.pivot(index="roi", columns="subject", values="n_reliable_vertices").loc[list(study.rois)]

# %% [markdown]
# **The analysis in one line.** The same images go through a network and to a participant; the
# network's units of one domain predict the region of this domain.

# %%
shown = np.flatnonzero(np.isin(cohort.condition_of, fold.test))[:4]
pink, green = (style.COLOURS[name] for name in ("characters", "scenes"))
draw = schematic.Step
schematic.draw_schematic([
    draw("Images", schematic.images([cohort.stimuli.open(i) for i in shown]),
         f"{len(fold.fit)} to fit,\n{len(fold.test)} to test"),
    draw("Network", schematic.network(5, (3, 4), green), "units selective\nfor one domain"),
    draw("Sparse positive fit", schematic.formula(r"$\hat{y} = Xw + b$", r"$w \geq 0$, few"),
         f"layer selected on\n{len(fold.validation[0][1])} conditions"),
    draw("Region", schematic.brain(((0.68, 0.32, green),)), "the region of\nthe same domain"),
    draw("Score", schematic.bars([0.9, 0.3, 0.4], [green, pink, "0.6"]),
         "own pool, others")],
    laboratory.provenance, alt="Images pass through a network; its units of one domain predict, by "
    "few positive weights, the region of the same domain; the score is compared with other pools.")

# %% [markdown]
# ## 2 · Noise ceilings
#
# Responses are noisy, so even the noise-free signal would not correlate 1 with them. A generative
# model of signal and noise, estimated from the repeats, gives the correlation that it would reach:
# the **noise ceiling**. We check it against split-half reliability, which needs no such model.
# There are two ceilings: for a region's mean response (*univariate*), and for its representational
# geometry (*rsa*). For the geometry the check is only approximate, and too low where noise is
# strong (supplement, last panel).

# %%
ceilings = cohort_responses.noise_ceiling_table(cohort, cohort.subjects, study.rois,
                                                min_ncsnr=spec.min_ncsnr, seed=seed)
known = ceilings.dropna(subset=["value", "split_half"])
medians = (known["value"] - known["split_half"]).abs().groupby(known["statistic"]).median()
print(f"{len(ceilings) // 2} regions of participants have repeats; the two estimates differ by "
      + ", ".join(f"{value:.3f} ({name})" for name, value in medians.items()) + ", median"
      if len(known) else "no repeats here: no noise ceiling")
ceilings.pivot_table(index="roi", columns="statistic", values="value").round(3)

# %% [markdown]
# ## 3 · One fit by hand
#
# For one region and one layer: take the activations $X$ (*n* images × units) of the layer's units
# selective for *the region's* domain; find non-negative weights $w$, made sparse by the penalty α,
# and an intercept $b$ that predict the responses $y$ of each vertex:
#
# $$\min_{w \ge 0} \tfrac{1}{2n} \lVert y - Xw - b \rVert^2 + \alpha \lVert w \rVert_1$$
#
# First on a piece that can be printed: the eight units that respond most specifically to the
# domain, and the region's most reliable vertex, in one participant. Both sides are centred, which
# takes care of the intercept.

# %%
network = laboratory.network(network_names.main)
localizer = localize_network(network, localizer_images, **batch)
usable = regions[(regions["n_reliable_vertices"] >= 2)
                 & regions["roi"].map(domain_by_roi).isin(domains)]
subject, roi = usable.sort_values("roi", key=lambda names: names != "PPA", kind="stable")[
    ["subject", "roi"]].iloc[0]
layer, domain = spec.layers[len(spec.layers) // 2], domain_by_roi[roi]
mean_t = localizer.ranking(layer)[localizer.domains.index(domain)]
eight_units = np.sort(np.argsort(-mean_t)[:8])
print(f"{style.display_name(network.name)}, {layer}: units {eight_units} (of {len(mean_t)}), "
      f"for {style.display_name(domain)}; {roi} of {subject}")

# %% [markdown]
# Their activations to images of the fit, and to five test images for later.

# %%
fold = cohort.folds(subject)[0]
conditions = np.union1d(fold.fit[:360], fold.test[:5])
is_test = np.isin(conditions, fold.test)
activations = unit_features(network, UnitPools({layer: eight_units}, {}), cohort, conditions,
                            label="eight units", **batch)[layer].astype(float)
region = cohort_responses.read_responses(cohort, subject, study.rois).of(
    roi, min_ncsnr=spec.min_ncsnr)
X, Y = activations[~is_test], region.mean(conditions[~is_test]).astype(float)
vertex = int(np.argmax(np.nan_to_num(region.ncsnr)))
x, y = X - X.mean(0), Y[:, vertex] - Y[:, vertex].mean()
print(f"X: {x.shape[0]} images × {x.shape[1]} units; y: {y.shape[0]} images, of vertex {vertex} "
      f"among {Y.shape[1]}; α = {spec.alpha:g}")

# %% [markdown]
# The objective is convex, and for one weight alone it is a parabola. With $r_j$ the part of $y$
# that the *other* units leave over, its minimum over $w_j \ge 0$ is
#
# $$w_j = \max\!\left(0,\; x_j^\top r_j / n - \alpha\right) \big/ \operatorname{var}(x_j)$$
#
# A unit enters only if its covariance with what is left exceeds α; a negative covariance never
# helps. **Coordinate descent** repeats this, unit after unit, until nothing changes.

# %%
def sparse_positive_by_hand(x, y, alpha, n_rounds=1000):
    """Return the weights that minimise |y - x w|² / 2n + alpha sum(w), w >= 0; x, y centred."""
    w, variance = np.zeros(x.shape[1]), x.var(0)
    for _ in range(n_rounds):
        for j in np.flatnonzero(variance):
            rest = y - x @ w + x[:, j] * w[j]
            w[j] = max(0.0, x[:, j] @ rest / len(y) - alpha) / variance[j]
    return w

weights = sparse_positive_by_hand(x, y, spec.alpha)
print("weights:", weights.round(3))

# %% [markdown]
# Is this *the* minimum? The **[KKT conditions](GLOSSARY.md#kkt-conditions)** are necessary and
# sufficient: with $g = X^\top (y - Xw)/n$, the covariance of each unit with what is left (minus the
# gradient of the squared error), a unit with a weight has $g_j = \alpha$, a unit without has
# $g_j \le \alpha$. The laboratory's solver (an active-set method, for many
# vertices at once) must find the same weights.

# %%
g = x.T @ (y - x @ weights) / len(y)
np.testing.assert_allclose(g[weights > 0], spec.alpha, atol=1e-6)
assert (g[weights == 0] <= spec.alpha + 1e-6).all()
solved = sparse_positive(X, Y, spec.alpha)
np.testing.assert_allclose(weights, solved.weights[:, vertex], atol=1e-4)
print("The KKT conditions hold, and the solver of helpers/encoding finds the same weights.")
pd.DataFrame({"unit": eight_units, "covariance with y": x.T @ y / len(y), "weight": weights,
              "covariance with the rest, g": g,
              "condition": np.where(weights > 0, "g = α", "g ≤ α")}).set_index("unit").round(3)

# %% [markdown]
# Read the table: a unit with a large covariance of its own can be left without a weight, because
# units correlated with it have already explained its part.
#
# Of the predictions there are two scores, both correlations with the measured data: of the region's
# mean response (**[veUnivar](GLOSSARY.md#veunivar)**), and of the **[RDM](GLOSSARY.md#rdm)**
# (**[veRSA](GLOSSARY.md#versa)**). The RDM, the representational dissimilarity matrix, holds for
# each pair of images one minus the correlation of their response patterns over vertices. Here it is
# for five test images, predicted and measured.

# %%
test_images = conditions[is_test]
measured, predicted = region.mean(test_images).astype(float), solved.predict(activations[is_test])
rdms = {name: 1 - np.corrcoef(patterns)
        for name, patterns in (("measured", measured), ("predicted", predicted))}
pairs = np.triu_indices(len(test_images), 1)
veRSA = np.corrcoef(*(rdm[pairs] for rdm in rdms.values()))[0, 1]
if solved.weights.any():  # else the predicted patterns are all the same
    np.testing.assert_allclose(veRSA, rsa_r(predicted, measured), atol=1e-6)
print(f"{len(pairs[0])} pairs of images: veRSA = {veRSA:.3f}, by hand and by helpers/rsa "
      "(so few images serve to show the calculation only)")
pd.concat({name: pd.DataFrame(rdm) for name, rdm in rdms.items()}, axis=1).round(2)

# %% [markdown]
# ## 4 · The published fit, in every region
#
# Now all selective units of a layer, every vertex, region and participant: fit on one set of
# images, select the layer on a second, test on a third. The table has the mean over participants
# of both scores, with the number of participants and p (one-sided t test above zero, Holm over
# regions).

# %%
curves, best = study.selective_unit_scores(network, localizer)
contrastive = select_own_pool(best, SPARSE_POSITIVE, domain_by_roi)
tests = {name: statistics.roi_summary(contrastive[contrastive["metric"] == name], spec.rois)
         for name in ("veUnivar", "veRSA")}
example_roi = next((one for one in ("PPA", *spec.rois) if one in set(contrastive["roi"])), "PPA")
for name, table in tests.items():
    claims.number(f"{name} by region", round_numbers(dict(zip(table["roi"], table["mean"]))))
pd.concat({name: table.set_index("roi")[["n", "mean", "p_holm"]].round(4)
           .assign(p_holm=[format_p(p) for p in table["p_holm"]])
           for name, table in tests.items()}, axis=1)

# %% [markdown]
# ## 5 · Competing predictors
#
# Each answers one question. A randomly initialised control (**untrained**): does training matter?
# A network trained on **faces only**: is a specialised network better for a face region? **Gabor**
# energy (orientation and spatial frequency of contrast at each position) and its 50 leading
# principal axes (**GistPC**): are low-level image features sufficient? And **ridge** on whole
# layers, without the constraint: how well can the region be predicted at all?

# %%
predictor_scores = {"contrastive": contrastive}
untrained_network = laboratory.network(network_names.untrained)
untrained_best = study.untrained_unit_scores(
    untrained_network, localize_network(untrained_network, localizer_images, **batch))[1]
predictor_scores["untrained"] = select_own_pool(untrained_best, SPARSE_POSITIVE, domain_by_roi)
face_curves = curves.iloc[:0]
if spec.face_network:  # compared in face regions; in the others its curves by layer are shown
    face_curves, face_best = study.face_network_scores(laboratory.network(spec.face_network))
    predictor_scores["faces only"] = select_own_pool(
        face_best[face_best["roi"].map(domain_by_roi) == "faces"], SPARSE_POSITIVE, domain_by_roi)
print("from a network's units, sparse positive:", ", ".join(predictor_scores))

# %% [markdown]
# The image features and ridge, which have no constraint. The table shows every predictor's mean
# over participants.

# %%
gabor_scores, ridge_scores = study.gabor_scores()[1], study.ridge_scores(network)[1]
predictor_scores["GistPC"] = select_own_pool(gabor_scores, GIST, domain_by_roi)
predictor_scores["Gabor"] = select_own_pool(gabor_scores, OLS, domain_by_roi)
predictor_scores["ridge, whole layers"] = select_own_pool(ridge_scores, RIDGE, domain_by_roi)
scores = pd.concat([table.assign(predictor=name) for name, table in predictor_scores.items()],
                   ignore_index=True)
scores[scores["metric"] == metric].pivot_table(
    index="roi", columns="predictor", values="score").reindex(list(spec.rois)).round(2)

# %% [markdown]
# Who is better, region by region? As published: a paired *t* test over participants, corrected
# (Bonferroni) over all regions and competitors. The table shows the mean difference, contrastive
# minus competitor.

# %%
competitors = {name: table for name, table in predictor_scores.items()
               if name not in ("contrastive", "ridge, whole layers")}
comparisons = {name: statistics.compare_with_competitors(
    contrastive[contrastive["metric"] == name],
    {rival: table[table["metric"] == name] for rival, table in competitors.items()}, spec.rois)
    for name in tests}
for name, table in comparisons.items():
    better = table.loc[table["p_bonferroni"] < 0.05, "difference"] > 0
    print(f"{name}: better in {better.sum()} of {len(table)} comparisons (Bonferroni), "
          f"worse in {(~better).sum()}")
comparisons[metric].pivot(index="roi", columns="competitor", values="difference").reindex(
    [roi for roi in spec.rois if roi in set(comparisons[metric]["roi"])]).round(2)

# %% [markdown]
# And over all regions: each participant's mean gain, the basis of panels B and D and of the claims.

# %%
gains = {name: {rival: statistics.gains(*(table[table["metric"] == name]
                                          for table in (contrastive, other)))
                for rival, other in competitors.items()} for name in tests}
pd.DataFrame({name: {rival: np.nanmean(values) for rival, values in by_rival.items()}
              for name, by_rival in gains.items()}).rename_axis("mean gain over").round(3)

# %% [markdown]
# ## 6 · What the constraint does
#
# Now the units of *every* domain (a *pool*) predict some regions, once under the sparse positive
# constraint, once by ordinary least squares (OLS). If any pool predicts any region, the fit says
# little about the pool. Where the data have them, regions are added that are *known* to respond to
# one domain (in the demo, `aTL-faces` was simulated from face content alone).

# %%
pools = {method: best[(best["method"] == method) & (best["metric"] == metric)
                      & best["roi"].isin(pool_rois)] for method in (SPARSE_POSITIVE, OLS)}
advantage = {method: statistics.pool_advantage(table, domain_by_roi)
             for method, table in pools.items()}
own_best = {method: (table["best_domain"] == table["roi"].map(domain_by_roi)).mean()
            for method, table in advantage.items()}
for method, table in advantage.items():
    print(f"{method}: own pool best in {own_best[method]:.0%} of {len(table)} (participant, "
          f"region) pairs; mean advantage over the other pools {table['advantage'].mean():.2f}")
pd.concat({method: table.groupby("roi")[["own_pool", "other_pools", "advantage"]].mean()
           .reindex(pool_rois) for method, table in advantage.items()}, axis=1).round(2)

# %% [markdown]
# ## 7 · A penalty on the same scale in every layer
#
# The published α = 0.1 applies to raw activations, whose scale differs from layer to layer, and the
# untrained network had a different α. With units and responses standardised on the fitted images,
# α is on the scale of a *correlation*: the first unit enters only if its correlation exceeds α.

# %%
standardised = select_own_pool(best, STANDARDISED, domain_by_roi)
for name in tests:
    difference, p, n = statistics.paired_test_over_rois(*(
        table[table["metric"] == name] for table in (standardised, contrastive)))
    print(f"{name}: standardised - published {difference:+.3f} ({format_p(p)}, n = {n})")

# %% [markdown]
# How many units predict a vertex at the published α, by layer and pool (mean over vertices, regions
# and participants)? A mean of 0.2 says that at least 80 % of the vertices have *no* unit at all,
# and are predicted by a constant: there the penalty is too strong for this layer's scale.

# %%
test_curves = curves[(curves["partition"] == "test") & (curves["method"] == SPARSE_POSITIVE)]
units_per_vertex = test_curves.pivot_table(index="layer", columns="domain",
                                           values="n_nonzero_weights", sort=False)
units_per_vertex.rename(columns=style.display_name).round(2)

# %% [markdown]
# ## 8 · One stimulus set, two species
#
# Where the profile has the 92 images that were shown to humans and monkeys (Kriegeskorte et al.
# 2008), we compare each layer's RDM with that of inferior temporal cortex (IT).

# %%
images_92 = open_rsa92(laboratory)
stimuli, references = (images_92.stimuli, images_92.rdms) if images_92 else (None, {})
rdm_correlations = correlate_layer_rdms([network, untrained_network], stimuli, references,
                                        layers=spec.layers, seed=seed)
print(f"{rdm_correlations['measured'].nunique()} measured RDMs" if len(rdm_correlations) else
      "this profile has no measured RDMs")
rdm_table = rdm_correlations.assign(
    network=rdm_correlations["network"].map(style.display_name)).pivot_table(
    index="layer", columns=["measured", "network"], values="spearman_r", sort=False).round(2)
rdm_table if len(rdm_table) else None

# %% [markdown]
# ### The published scores of the same networks
#
# Conwell et al. (2024) scored 224 networks on the Natural Scenes Dataset (NSD): all voxels of
# occipitotemporal cortex, four participants, 1,000 photographs, of which one half fits and selects
# the layer and the other tests. Where the profile names their table, we place this run's networks
# in it: **classical RSA** (a layer's RDM against the measured one), **voxel encoding** (mean r of
# voxels, by ridge regression), **voxel-encoding RSA** (the RDM of the predicted voxels).

# %%
published, published_table, ceiling = open_published_scores(laboratory), pd.DataFrame(), np.nan
if published is not None:
    ceiling = np.mean(list(published.ceilings.values()))
    published_table = select_published(published.scores, ceiling, WITH_CEILING)
    print(f"{len(published.scores)} networks; noise ceiling of {len(published.ceilings)} "
          f"participants: {ceiling:.2f}, from {min(published.ceilings.values()):.2f} to "
          f"{max(published.ceilings.values()):.2f} (RDM of all voxels, r)")
else:
    print("This profile names no published scores: this part does not apply.")
(published_table.drop(columns=["network", "training", "ours"]).set_index("label").round(3)
 if len(published_table) else None)

# %% [markdown]
# Beside them, this run. The published SqueezeNet has torchvision's weights, which `mini` downloads
# (another file that lies ready is another training of the same architecture on the same images).
# Three things differ, so only directions can be compared: the brains (here object2vec's
# participants, means over the regions that all of them have; for classical RSA human IT of the
# 92-image study), the images (81 kinds of isolated objects, or 92 objects), and the fit (ridge on
# channel means of the profile's few layers; the published one on random projections of every layer
# in the second half of the network).

# %%
ours, our_ceilings = {}, {}
if published is not None:
    shared = [roi for roi in study.rois
              if regions.query("roi == @roi and n_reliable_vertices > 1").shape[0]
              == len(cohort.subjects)]
    tables = {one.name: study.ridge_scores(one)[1] for one in (network, untrained_network)}
    for measure, column in (("voxel encoding", "r_vertex"), ("voxel-encoding RSA", "veRSA")):
        ours[measure] = {name: table[(table["metric"] == column) & table["roi"].isin(shared)]
                         .groupby("subject")["score"].mean().mean()
                         for name, table in tables.items()}
    print(f"means over {', '.join(shared)} of {len(cohort.subjects)} participants, ridge")

# %% [markdown]
# Classical RSA: the best layer against human IT. Its noise ceiling lies between the mean
# correlation of a participant's RDM with the mean of the *others* (lower bound) and with the mean
# of *all* (upper bound). object2vec's files hold one beta per category: no ceiling.

# %%
if published is not None and images_92 is not None:
    people = {}
    for name, one in images_92.single.items():  # "hIT | BE | Session: 1"
        people.setdefault(name.split("|")[1], []).append(one)
    human = rdm_correlations[rdm_correlations["measured"] == "human IT"]
    ours["classical RSA"] = human.groupby("network")["spearman_r"].max().to_dict()
    our_ceilings = {"classical RSA": participant_ceiling(
        np.stack([np.mean(sessions, axis=0) for sessions in people.values()]))}
    print("noise ceiling, 92 images, {} participants: {:.2f} to {:.2f}".format(
        len(people), *our_ceilings["classical RSA"]))
side_by_side = beside_ours(published_table, ours) if published is not None else pd.DataFrame()
side_by_side.drop(columns="network").set_index(["measure", "label"]).unstack().round(3) if len(
    side_by_side) else None

# %% [markdown]
# ## 9 · The figures
#
# The main figure asks whether a region's own units predict it (A, C), whether they do so better
# than rivals (B, D), and what the constraint has to do with it (E to G).

# %%
figure = style.new_figure(7.6, alt="""Seven panels. A and C: participants' scores of each region
from its own units, below grey noise ceilings and beside ridge. B and D: gains over each rival.
E and F: matrices of regions and pools of units, with the constraint and without. G: the advantage
of the own pool, one line a participant, with the constraint and without.""")
rows = figure.add_gridspec(3, 1, height_ratios=[1.25, 1, 1], hspace=0.55, left=0.065, right=0.975,
                           top=0.925, bottom=0.11)
ridge = predictor_scores["ridge, whole layers"]
for line, name, statistic, letters in ((0, "veUnivar", "univariate", "AB"),
                                       (1, "veRSA", "rsa", "CD")):
    left, right = rows[line].subgridspec(1, 2, width_ratios=[2.5, 1], wspace=0.28).subplots()
    plots.score_by_region(left, *(table[table["metric"] == name]
                                  for table in (contrastive, standardised, ridge)),
                          ceilings[ceilings["statistic"] == statistic], spec.rois, domain_by_roi)
    plots.gains_by_rival(right, gains[name])
    plots.label_scores(left, right, name, letters)

# %% [markdown]
# The lower row: every pool of units with the constraint and without it.

# %%
cells = rows[2].subgridspec(1, 6, width_ratios=[0.1, 1, 1, 0.05, 0.45, 1.5], wspace=0.1)
*pool_axes, bar_axes, last = (figure.add_subplot(cells[place]) for place in (1, 2, 3, 5))
for axes, letter, (method, table) in zip(pool_axes, "EF", pools.items()):
    image = plots.pool_matrix(axes, table, pool_rois, domains, domain_by_roi)
    axes.set(title=method, xlabel="which pool predicts?")
    style.panel_letter(axes, letter, x=-0.01)
plots.pool_colour_bar(figure, image, pool_axes[1], bar_axes)
plots.pool_advantage_pairs(last, advantage, pool_rois, domain_by_roi)
last.set(title="Does the own pool win?", ylabel=f"own − others ({metric}, r)")
style.panel_letter(last, "G", x=-0.12)
style.domain_legend(figure, [one for one in DOMAINS if one in domain_by_roi.values()])

# %% [markdown]
# Every panel's numbers are saved with the figure.

# %%
columns = ["subject", "roi", "predictor", "metric", "score", "layer", "n_vertices",
           "predicts_nothing"]
style.save_figure(figure, laboratory.provenance, {
    "AC": scores[scores["metric"].isin(list(tests))][columns],
    "BD": pd.DataFrame([(name, rival, value) for name, by_rival in gains.items()
                        for rival, values in by_rival.items() for value in values],
                       columns=["metric", "rival", "gain"]),
    "EF": pd.concat(pools.values()), "regions": regions,
    "G": pd.concat([table.assign(method=method) for method, table in advantage.items()])})

# %% [markdown]
# **Figure 03.** **A, C** Score of each region from the contrastive network's units of its own
# domain, on test images, in the layer that was selected on validation: dots are participants (n
# under each region), bars their mean and 95 % interval (Student's *t*), colours the domain.
# Squares: the same units with a penalty on the scale of a correlation, chosen on validation
# (section 7); triangles: ridge on whole layers; mean and 95 % interval. Grey band: range of the
# participants' noise ceilings. A fit in which every weight is zero predicts nothing and scores 0.
# **B, D** Gain over each rival, averaged over the regions that both predict: dots are participants,
# bars mean and 95 % interval. **E, F** Mean score of every pool of units in its best layer, on test
# images; colour: as a fraction of the region's best pool; framed: the region's own domain. **G**
# Score of the own pool minus the mean of the other pools: lines are participants, large markers
# means; filled: sparse positive; open: OLS. The stamp says whether the data are REAL or SYNTHETIC.

# %% [markdown]
# **The supplement** shows every predictor in every region (A, B), the own pool against the others
# layer by layer (C to F), and a check of the noise ceilings, or the measured RDMs (G).

# %%
names = [name for name in supplement_plots.PREDICTOR_STYLES if name in predictor_scores]
supplement = style.new_figure(7.8, alt="""Seven panels. A and B: every predictor's scores by region.
C to F: scores by layer of a region's own pool of units and of the others, with the constraint and
without. G: noise ceilings against split-half reliability, or layers against measured RDMs.""")
rows = supplement.add_gridspec(3, 1, height_ratios=[1, 1, 0.95], hspace=0.5, left=0.07,
                               right=0.985, top=0.93, bottom=0.09)
for letter, line, name, statistic in (("A", 0, "veUnivar", "univariate"), ("B", 1, "veRSA", "rsa")):
    axes = supplement.add_subplot(rows[line])
    supplement_plots.predictor_scores(
        axes, scores[scores["metric"] == name], ceilings[ceilings["statistic"] == statistic],
        spec.rois, names)
    supplement_plots.significance_row(axes, comparisons[name], spec.rois, names, y=1.03)
    axes.set_ylabel(f"{name}, test images (r)")
    style.panel_letter(axes, letter, x=-0.035)
style.top_legend(supplement, supplement_plots.predictor_handles(names))

# %% [markdown]
# Its lower row: layers, on the same scale in every region; and the check of the ceilings.

# %%
lower = rows[2].subgridspec(1, 2, width_ratios=[4, 1.2], wspace=0.17)
curve_rois = [roi for roi in spec.curve_rois if roi in pool_rois] or pool_rois[:4]
layer_axes = lower[0].subgridspec(1, len(curve_rois), wspace=0.12).subplots(
    sharey=True, squeeze=False)[0]
validation = pd.concat([curves, face_curves]).query("partition == 'validation'")
for axes, letter, roi in zip(layer_axes, "CDEF", curve_rois):
    supplement_plots.own_and_other_curves(axes, validation[validation["roi"] == roi], metric,
                                          domain_by_roi[roi], spec.layers, (SPARSE_POSITIVE, OLS))
    axes.set_title(roi)
    style.panel_letter(axes, letter, x=-0.02)
layer_axes[0].set_ylabel(f"{metric}, validation (r)")
supplement_plots.curve_legend(layer_axes, faces_only=len(face_curves) > 0)
supplement_plots.last_panel(supplement.add_subplot(lower[1]), rdm_correlations, known, spec.layers)

# %% [markdown]
# Saved beside the main figure, under the same name with `-supplement`.

# %%
style.save_figure(supplement, laboratory.provenance, {
    "supplement-AB-tests": pd.concat([table.assign(metric=name)
                                      for name, table in comparisons.items()]),
    "supplement-CDEF": validation[validation["roi"].isin(curve_rois)].replace(
        {"domain": {WHOLE_LAYER: "whole layer"}}),
    "supplement-G": rdm_correlations if len(rdm_correlations) else known}, part="supplement")

# %% [markdown]
# **Figure 03, supplement.** **A, B** Best layer of each participant, selected on validation, scored
# on test images: dots are participants (n under each region), bars their mean; "2 × 0": for two of
# them every weight is zero, so that nothing is predicted, which scores 0 and counts in means and
# tests. No dots: this predictor has no units here, or does not apply to the region. Grey band:
# range of the participants' noise ceilings. Stars above a predictor: the contrastive network's
# units differ from it (paired *t* over participants, p < .05 after Bonferroni over all regions and
# competitors; filled: they are better, open: worse; ridge is not tested). **C to F** Score by
# layer, of the region's own units (colour) and mean of the other domains' units (grey), under the
# sparse positive constraint (solid) and by OLS (dashed), and of whole layers of the network trained
# on faces only (dotted; sparse positive); after a layer's name: how many of the region's own units
# have a weight for a vertex, under the sparse positive constraint; mean ± SEM over participants,
# validation images, as published, except that a fit without any weight scores 0 (published: it is
# left out); a gap: too few units there. **G** Noise ceilings of the model against split-half
# reliability, one dot a participant and region; or, where the profile has them, correlation of each
# layer's RDM with human and monkey IT (Spearman ρ; markers: p < .05, permuting images, Holm over
# layers).

# %% [markdown]
# Where the profile names published scores, a figure of them: the same networks, other brains.

# %%
if published is not None:
    beside = style.new_figure(3.5, alt="""Three panels. A and B: published scores of ten networks,
one row each, against grey noise ceilings and ticks of all published networks. C: this run's scores
of the trained and the untrained network beside the published ones of the same two.""")
    axes = beside.subplots(1, 3, gridspec_kw={
        "width_ratios": [1, 1, 1.35], "wspace": 0.3, "left": 0.21, "right": 0.985, "top": 0.83,
        "bottom": 0.16})
    for one, letter, measure in zip(axes, "AB", WITH_CEILING):
        published_panel(one, published_table, measure, published.scores[measure],
                        published.ceilings)
        style.panel_letter(one, letter)
    axes[1].set_yticklabels([])
    beside_ours_panel(axes[2], side_by_side.merge(published_table[["label", "training"]]), {
        name: {"published": (min(published.ceilings.values()), max(published.ceilings.values()))}
        | ({"ours": our_ceilings[name]} if name in our_ceilings else {}) for name in WITH_CEILING})

# %%
if published is not None:
    axes[2].set_title("the same two networks, here")
    style.panel_letter(axes[2], "C", x=-0.12)
    style.top_legend(beside, training_handles(published_table))
    style.save_figure(beside, laboratory.provenance, {
        "published-AB": published_table, "published-C": side_by_side}, part="published")

# %% [markdown]
# **Figure 03, published scores** (not in every profile). REAL: **A, B** published scores (Conwell
# et al. 2024) of ten networks on human occipitotemporal cortex, mean over four participants of NSD;
# colours: what they were trained with; ticks at the bottom: all 224 networks; grey band: range of
# the participants' noise ceilings. The four IPCL networks differ in their diet alone. **C** Filled:
# the published scores of SqueezeNet and of its untrained control; open: this run's, on other
# brains, images and regions (see above); grey bars: noise ceilings, where there is one (published: range
# over participants; here: lower to upper bound over participants of the 92-image study).

# %% [markdown]
# ## 10 · Claims
#
# Each claim has a rule with a bound that was fixed before its result was seen, with two exceptions,
# which are *exploratory*. That scene units predict the simulated face region least was added after
# panel E had been seen; its bounds, a third and two thirds, have not changed since; variants tried
# before them are not recorded. That units predict their regions where the penalty is chosen on
# validation images was added after the published penalty had left some vertices of the demo without
# any unit; its rule is that of the published one. The verdict comes from the 95 % interval. The
# paper's numbers are *not at hand* here: its text was not available.

# %%
ONE = "one training of each network"
n_subjects = pd.concat(tests.values()).query("n > 0")["n"]

def by_region(table):
    found = {name: statistics.subject_by_roi(table[table["metric"] == name]) for name in tests}
    return {f"{name} {roi}": mean_interval(one[roi].dropna() if roi in one else [])
            for name, one in found.items() for roi in spec.rois if domain_by_roi[roi]}

every_region = {"n": f"n = {n_subjects.min()} to {n_subjects.max()}",
                "absent": find_absence(domains, list(dict.fromkeys(
                    filter(None, map(domain_by_roi.get, spec.rois))))),
                "of": "mean over participants, in every region of the figure", "rests_on": ONE}
claims.intervals("Pre-identified units predict their region, in both scores",
                 by_region(contrastive), "above 0", **every_region,
                 source="Fig. 4; abstract", paper="all regions; values not at hand")

# %%
claims.intervals("Pre-identified units predict their region where the penalty is chosen on "
                 "validation images", by_region(standardised), "above 0", **every_region,
                 source="Fig. 4; the penalty on the scale of a correlation is ours",
                 paper="all regions, one penalty; values not at hand", kind=EXPLORATORY)

# %% [markdown]
# The rivals that are networks; then the two that describe the image without a network.

# %%
published = {"source": "Fig. 4; direction inferred", "paper": "values not at hand",
             "rests_on": ONE, "of": "mean difference over regions, over participants, in both "
             "scores" + UNCORRECTED}
spans = {rival: {name: mean_interval(gains[name][rival]) for name in tests}
         for rival in competitors}
without_network = ("GistPC", "Gabor")
for which, names in (("that are networks", [one for one in competitors
                                             if one not in without_network]),
                     ("without a network: GistPC and Gabor", without_network)):
    claims.intervals(f"They predict better than the rivals {which}",
                     {f"{rival} {name}": spans[rival][name] for rival in names for name in tests},
                     "above 0", **published)

# %% [markdown]
# What the constraint does, over participants.

# %%
positive, unconstrained = (advantage[method].groupby("subject")["advantage"].mean()
                           for method in (SPARSE_POSITIVE, OLS))
claims.interval(
    "Without the constraint almost any pool predicts a region; with it the own pool wins",
    positive - unconstrained.reindex(positive.index), "above 0", rests_on=ONE,
    of="advantage of the own pool over the mean of the others, with minus without the constraint",
    source="Suppl. layer curves; inferred", paper="direction; values not at hand")

# %% [markdown]
# Where it is known which domain drives a region, the rule can be stricter: a fraction of the own
# pool's score is compared with another pool's.

# %%
def own_pool_margin(method, roi, pool, fraction, sign):
    """Interval of ``fraction`` of the own pool's score minus the other pool's, times ``sign``."""
    table = pools[method][pools[method]["roi"] == roi].fillna({"score": 0.0})
    wide = table.pivot(index="subject", columns="domain", values="score")
    others = wide.drop(columns=domain_by_roi[roi])
    other_score = others.mean(axis=1) if pool == "other_pools" else wide[pool]
    return mean_interval(sign * (fraction * wide[domain_by_roi[roi]] - other_score))

claims.intervals("A region that one domain alone drives is predicted by this domain's units only",
                 {f"{roi}, {method}": own_pool_margin(method, roi, "other_pools", 1 / 3, sign)
                  for roi in spec.single_domain_rois if roi in pool_rois
                  for method, sign in ((SPARSE_POSITIVE, 1), (OLS, -1))}, "above 0",
                 of="sparse positive: a third of the own pool's score minus the mean of the other "
                 "pools; OLS: the reverse; over participants", rests_on=ONE,
                 source="beyond the paper: known truth", paper="–")

# %% [markdown]
# The same with one other pool, of scenes.

# %%
face_rois = [roi for roi, domain in spec.single_domain_rois.items()
             if domain == "faces" and {"faces", "scenes"} <= set(domains)]
claims.intervals(
    "Units of scenes predict it least of all; without the constraint they predict it too",
    {f"{roi}, {method}": own_pool_margin(method, roi, "scenes", fraction, sign)
     for roi in face_rois
     for method, fraction, sign in ((SPARSE_POSITIVE, 1 / 3, 1), (OLS, 2 / 3, -1))},
    "above 0", rests_on=ONE, absent=find_absence(domains, ["faces", "scenes"]),
    of="under the constraint a third of the face units' score minus the scene units'; "
    "by OLS the scene units' minus two thirds of the face units'; over participants",
    source="beyond the paper: known truth; rule added after panel E was seen",
    paper="–", kind=EXPLORATORY)

# %% [markdown]
# The standardised penalty, and the price of the constraint.

# %%
loss = {name: tuple(value + 0.01 for value in mean_interval(statistics.gains(*(
    table[table["metric"] == name] for table in (standardised, contrastive))))) for name in tests}
claims.intervals("A penalty that means the same in every layer loses nothing", loss, "above 0",
                 of="standardised minus published, mean over regions, plus .01 (the second printed "
                 "digit of a score), over participants", source="beyond the paper", paper="–",
                 rests_on=ONE)

# %% [markdown]
# The price is measured vertex by vertex, not in a region's mean.

# %%
vertex_scores = {name: predictor_scores[name].query("metric == 'r_vertex'")
                 for name in ("contrastive", "ridge, whole layers")}
claims.interval(
    "The sparse non-negative constraint has a price: ridge on whole layers predicts vertices "
    "better",
    statistics.gains(vertex_scores["ridge, whole layers"], vertex_scores["contrastive"]), "above 0",
    of="mean r of a vertex, ridge minus sparse positive", source="beyond the paper", paper="–",
    rests_on=ONE)
for name, table in vertex_scores.items():
    by_vertex = table.groupby("roi")["score"].mean()
    claims.number(f"r of a vertex, {name}", round_numbers(by_vertex.reindex(study.rois).to_dict()))

# %% [markdown]
# A check: how near to the noise ceiling do scores come, and is any above it?

# %%
to_metric = {"univariate": "veUnivar", "rsa": "veRSA"}
with_ceiling = contrastive.merge(ceilings.assign(metric=ceilings["statistic"].map(to_metric)),
                                 on=["subject", "roi", "metric"])
fraction = (with_ceiling["score"] / with_ceiling["value"]).groupby(with_ceiling["metric"]).median()
claims.number("fraction of the noise ceiling reached", round_numbers(fraction.to_dict()))
print("reached:", ", ".join(f"{name} {value:.0%}" for name, value in fraction.items()) or "–")
claims.count("No prediction is better than the noise ceiling allows",
             int((with_ceiling["score"] > with_ceiling["high"]).sum()), len(with_ceiling), "below",
             0.1, of="scores above the 97.5th percentile of experiments with the estimated signal "
             "and noise (which leaves out the error of the estimate)",
             source="check of this laboratory", paper="–", kind=CHECK)

# %% [markdown]
# Where there are measured RDMs: the best layer, against the untrained network's best.

# %%
by_network = {name: rdm_correlations[rdm_correlations["network"] == name]
              for name in (network.name, untrained_network.name)}
untrained_r = by_network[untrained_network.name].groupby("measured")["spearman_r"].max()
best_layer = {name: table.loc[table["spearman_r"].idxmax()]
              for name, table in by_network[network.name].groupby("measured", sort=False)}
claims.tests("The layers resemble inferior temporal cortex, and training is the reason",
             {name: (row["spearman_r"] - untrained_r[name], row["p_holm"])
              for name, row in best_layer.items()}, "above 0",
             of="r of the best layer minus the untrained network's best; the best layer's p (Holm "
             "over layers), for each measured RDM", source="beyond the paper", paper="–")

# %% [markdown]
# All claims with their numbers; then the verdicts alone, which must be the same on every machine.

# %%
for measure in side_by_side["measure"].unique() if len(side_by_side) else ():
    pair = side_by_side[side_by_side["measure"] == measure].set_index("network")
    for origin in ("published", "ours"):
        claims.number(f"{measure}, {origin}", round_numbers(pair[origin].to_dict()))
path = claims.save()
print(claims.text())

# %%
# NBVAL_CHECK_OUTPUT
print(claims.verdicts())

# %% [markdown]
# ## 11 · What we see, what the paper says, why they differ
#
# The paper's argument has two halves. Pools of units that were chosen without any brain data
# predict the matching regions under a constraint that leaves little freedom. And this is
# informative because of the constraint: without it, nearly every pool predicts nearly every region.
# The numbers of this run:

# %% tags=["prose"]
of_rivals = "; ".join(
    f"{rival} {np.nanmean(gains['veUnivar'][rival]):+.3f} and "
    f"{np.nanmean(gains['veRSA'][rival]):+.3f}" for rival in competitors)
Markdown(f"""
**Do the units predict their regions?** In both scores and every region: *{
claims.verdict("Pre-identified units predict their region, in")}* (A, C). Where there is a noise ceiling, the median
score reaches {fraction.get("veUnivar", np.nan):.0%} of it for the mean response and {
fraction.get("veRSA", np.nan):.0%} for the geometry. With a penalty that is chosen on validation
images (squares): *{claims.verdict("Pre-identified units predict their region where")}*. **Better than rivals?** Mean gain in veUnivar
and veRSA (B, D): {of_rivals}. Better than the other networks: *{
claims.verdict("They predict better than the rivals that")}*; better than both sets of image
features, which are fitted without any constraint: *{
claims.verdict("They predict better than the rivals without")}*. Whatever the verdict, a score alone
does not show what a prediction rests on; the advantage of the *own* pool does (E to G).
""")

# %% [markdown]
# A fit that may *subtract* can construct a region's tuning from units with different tuning
# (notebook 04 shows this in two dimensions). How far does the constraint prevent it? Only a known
# ground truth can distinguish shared tuning from leakage between domains: an image with a face has
# less room for a scene, and often shows a body. Real brain data cannot.

# %% tags=["prose"]
single = {method: table[table["roi"].isin(spec.single_domain_rois)].groupby("roi")[
    ["own_pool", "other_pools"]].mean() for method, table in advantage.items()}
known_truth = " ".join(
    f"In {roi}, which one domain alone drives, the own pool scores {row['own_pool']:.2f} and the "
    f"others {row['other_pools']:.2f} with the constraint, {single[OLS].loc[roi, 'own_pool']:.2f} "
    f"and {single[OLS].loc[roi, 'other_pools']:.2f} without."
    for roi, row in single[SPARSE_POSITIVE].iterrows())
r_of_vertex = {name: table["score"].mean() for name, table in vertex_scores.items()}
Markdown(f"""
With the constraint the own pool is the best in {own_best[SPARSE_POSITIVE]:.0%} of participants and
regions, without it in {own_best[OLS]:.0%}; its advantage over the others is {
positive.mean():.2f} and {unconstrained.mean():.2f} (E to G). That the constraint
makes the difference: *{claims.verdict("Without the constraint almost any")}*. {known_truth}
The constraint has a price: the mean r of a vertex is {r_of_vertex["ridge, whole layers"]:.2f} by
ridge on whole layers and {r_of_vertex["contrastive"]:.2f} by sparse positive encoding.
""")

# %% [markdown]
# The advantage of the own pool was not measured for the untrained network. Under `mini` the
# responses are one beta (response estimate) per category and voxel, so there is no noise ceiling;
# most regions come from one person, and layers are chosen on few conditions: its verdicts rest on
# the two regions that all four participants have, PPA and LOC.

# %% tags=["prose"]
text = "This profile names no published scores of other laboratories to compare with."
if len(side_by_side):
    found = side_by_side.set_index(["measure", "network"])
    above = [measure for measure in ours if found.loc[(measure, network.name), "ours"]
             > found.loc[(measure, untrained_network.name), "ours"]]
    diets = published_table[published_table["label"].str.startswith("IPCL")].set_index("label")
    text = f"""**Beside the published scores.** In {len(above)} of {len(ours)} measures
{style.display_name(network.name)} scores above its untrained control here, as it does in all three
of the published table (voxel-encoding RSA {found.loc[("voxel-encoding RSA", network.name),
"published"]:.2f} and {found.loc[("voxel-encoding RSA", untrained_network.name),
"published"]:.2f}, ceiling {ceiling:.2f}). Heights cannot be compared: brains, images and regions
differ. Diets: no small network of another diet is public, so the published IPCL networks stand for
them: {", ".join(f"{label.split(', ')[1]} {score:.2f}" for label, score in
diets["voxel-encoding RSA"].items())} (voxel-encoding RSA of all of occipitotemporal cortex)."""
Markdown(text)

# %% [markdown]
# ## Known deviations from the paper
#
# Where a step differs from the published code or text, under every profile; of all notebooks:
# [REPRODUCING.md](../REPRODUCING.md).

# %%
Markdown(deviation_table(laboratory.provenance.notebook))

# %% [markdown]
# ## 12 · Exercises
#
# **Read.** From the tables of sections 2 and 4: which fraction of its noise ceiling does the
# *veRSA* of PPA (`example_roi`) reach (mean score over mean ceiling)? Give `fraction_of_ceiling`,
# two digits after the point.

# %% tags=["exercise"]
fraction_of_ceiling = None    # a number between 0 and 1

# %% tags=["solution"]
ceiling = ceilings[ceilings["roi"] == example_roi].groupby("statistic")["value"].mean()
mean_score = tests["veRSA"].set_index("roi")["mean"].get(example_roi, np.nan)
fraction_of_ceiling = mean_score / ceiling.get("rsa", np.nan)    # NaN: there is no ceiling

# %% tags=["check"]
# NBVAL_CHECK_OUTPUT
ppa = {name: tests[name].set_index("roi")["mean"].get(example_roi, np.nan) for name in tests}
ceiling_of = ceilings[ceilings["roi"] == example_roi].groupby("statistic")["value"].mean()
rsa, univariate = (ceiling_of.get(name, np.nan) for name in ("rsa", "univariate"))
check(fraction_of_ceiling, ppa["veRSA"] / rsa, tolerance=0.03,
      hint="Divide the region's mean veRSA by its ceiling in the column 'rsa'.", wrong={
          "This is the score itself: how high could it be?": ppa["veRSA"],
          "This is the ceiling: how much of it is reached?": rsa,
          "This is the fraction for the mean response; veRSA has a ceiling of its own.":
              ppa["veUnivar"] / univariate,
          "Both are correlations already: nothing is squared.": (ppa["veRSA"] / rsa) ** 2})

# %% [markdown]
# **Change.** Raise α in `sparse_positive_by_hand(x, y, alpha)`: fewer and fewer of the eight units
# keep a weight. From which α on has none? Give `smallest_alpha`, three digits after the point. (You
# can search for it; or read it from the KKT conditions.)

# %% tags=["exercise"]
smallest_alpha = None    # a penalty, in the units of spec.alpha

# %% tags=["solution"]
smallest_alpha = (x.T @ y / len(y)).max()
assert not sparse_positive_by_hand(x, y, smallest_alpha + 1e-9).any()    # rounding

# %% tags=["check"]
# NBVAL_CHECK_OUTPUT
check(smallest_alpha, (x.T @ y / len(y)).max(),
      hint="With all weights 0, g is X'y/n: when do the KKT conditions hold?", wrong={
          "At the published penalty some units still have a weight.": spec.alpha,
          "This is a correlation; the published fit does not standardise units and responses.":
              np.nanmax(x.T @ y / len(y) / x.std(0) / y.std()),
          "This is the smallest of the eight: there, the first unit has left, not the last.":
              (x.T @ y / len(y)).min(),
          "The sum over images must be divided by their number.": (x.T @ y).max(),
          "This is the largest weight at the published penalty.": weights.max()})

# %% [markdown]
# **Extend.** Is it the sparseness or the sign? Write `sparse_signed(x, y, alpha)`: the same
# objective *without* $w \ge 0$ (the Lasso). Only one line of coordinate descent changes: the
# covariance moves towards zero by α, from either side, and stops at zero. Return the weights.

# %% tags=["exercise"]
def sparse_signed(x, y, alpha):
    """Return the weights that minimise |y - x w|² / 2n + alpha sum(|w|); x, y centred."""
    raise NotImplementedError

# %% tags=["solution"]
def sparse_signed(x, y, alpha):
    """Return the weights that minimise |y - x w|² / 2n + alpha sum(|w|); x, y centred."""
    w, variance = np.zeros(x.shape[1]), x.var(0)
    for _ in range(1000):
        for j in np.flatnonzero(variance):
            covariance = x[:, j] @ (y - x @ w + x[:, j] * w[j]) / len(y)
            w[j] = np.sign(covariance) * max(0.0, abs(covariance) - alpha) / variance[j]
    return w

# %% tags=["check"]
# NBVAL_CHECK_OUTPUT
from sklearn.linear_model import Lasso

rng = np.random.default_rng(0)
drawn = rng.normal(size=(60, 4))
mixed = drawn @ [1.0, -0.8, 0.3, 0.0] + rng.normal(size=60)
check(sparse_signed, lambda x, y, alpha: Lasso(alpha=alpha, tol=1e-10, max_iter=10_000).fit(
    x, y).coef_, on=[(drawn - drawn.mean(0), mixed - mixed.mean(), 0.2), (x, y, 0.05)],
      hint="Shrink the absolute value, then give it back its sign.", wrong={
          "These weights are still non-negative.": sparse_positive_by_hand,
          "Nothing is shrunk: α does not act.": lambda x, y, alpha: np.linalg.lstsq(x, y)[0],
          "A unit predicts what the others leave over; these are regressions unit by unit.":
              lambda x, y, alpha: np.nan_to_num(x.T @ y / len(y) / x.var(0)),
          "Two fits, one for each sign, do not know of one another.": lambda x, y, alpha: (
              sparse_positive_by_hand(x, y, alpha) - sparse_positive_by_hand(-x, y, alpha))})

# %% [markdown]
# **Discuss.** (1) A region's vertices differ in their tuning. What does veRSA measure that veUnivar
# does not? (2) If ridge predicts better than sparse positive encoding, which of the two is the
# better *model* of a region? (3) The layer is selected for each participant. What would it mean
# if the same layer were selected for all, and what if not?
#
# **References.** Prince, Alvarez & Konkle (2024), *Science Advances* 10(39), eadl1776 · Allen et
# al. (2022), *Nat Neurosci* 25(1) (NSD) · Bonner & Epstein (2021), *Nat Commun* 12, 4081
# (object2vec) · Kriegeskorte et al. (2008), *Neuron* 60(6) (92 images) · Conwell et al. (2024),
# *Nat Commun* 15, 9383 (published scores) · Nili et al. (2014), *PLoS Comput Biol* 10(4) (noise ceiling
# of RDMs).
#
# Previous: [02 · Lesion selective units](02_lesion_selective_units.ipynb) · Next:
# [04 · Trace content channels](04_trace_content_channels.ipynb), and why signs matter so much.
