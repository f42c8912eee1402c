# %% [markdown]
# # 03 · Do the same units predict the matching brain regions?
#
# Prince, Alvarez & Konkle (2024), Figure 4
# ([doi 10.1126/sciadv.adl1776](https://doi.org/10.1126/sciadv.adl1776)).
# On two cores: three minutes the first time and 2 GB under `demo`, about ten minutes under `mini`;
# under `paper` not measured: it needs the Natural Scenes Dataset (ask its owners) and much memory.

# %% [markdown]
# **Goal.** Notebook 01 found units that prefer faces, bodies, scenes or words; people have
# cortex that does. Is that the same thing, or only the same word? A linear fit with thousands of
# free weights predicts almost any region from almost any features, so it cannot tell. Here a
# region may be built from *its own* pre-identified units only, with few weights and none
# negative: **sparse positive encoding**. What passes this needle's eye shares its tuning.
#
# **You will learn**
# - why the sign of a weight matters more than the number of weights;
# - how a noise ceiling says what the best possible model could reach;
# - why a layer must be chosen on other pictures than those it is judged by.

# %% tags=["parameters"]
profile = "demo"          # demo, mini, paper, or the path of your own TOML file
metric = "veUnivar"       # score that chooses the layer in panels C and E: veUnivar or veRSA
n_jobs = 2                # processes for the fits; or set DASK_SCHEDULER_ADDRESS

# %%
import numpy as np
import pandas as pd

from helpers import lab
from helpers.brains.rois import domain_of
from helpers.encoding import brain_data, encoding_study, encoding_tests
from helpers.figures import plots, plots_encoding
from helpers.figures.claims import Ledger, p_text, rounded
from helpers.ground.intervals import mean_interval
from helpers.selectivity import localizer
from helpers.similarity.rdm_study import layer_agreement
from helpers.stimuli.image_sets import DOMAINS

laboratory = lab.open(profile, notebook="03_predict_regions_sparsely")
ledger = Ledger(laboratory.provenance)
chosen, spec = laboratory.profile.networks, laboratory.profile.table("encoding")
seed, size = laboratory.profile.seed, {"batch_size": laboratory.profile.batch_size}
plots.use_style()
print(laboratory.provenance.line)

# %% [markdown]
# ## 1 · Who was scanned, and where we look
#
# A region is what its own localizer scan marked in a participant; not everyone has every region.
# Of its *vertices* (points of the cortical surface; in some data, voxels) we keep those whose
# signal is clear enough: **ncsnr**, the spread of the signal over pictures divided by the spread
# of the noise over repeats, must exceed a bound. The table counts them.

# %%
cohort = laboratory.cohort()
study = encoding_study.Study(cohort, spec, n_jobs=n_jobs, **size)
regions = brain_data.region_table(cohort, cohort.subjects, study.rois, least_ncsnr=spec.least_ncsnr)
fold = cohort.folds(cohort.subjects[0])[0]
print(f"{len(cohort.subjects)} participants, in the layout of {cohort.name}; "
      f"responses: {cohort.units}")
print(f"fit on {len(fold.fit)} conditions, choose on {len(fold.validation[0][1])}, "
      f"test on {len(fold.test)}; {len(cohort.folds(cohort.subjects[0]))} fold(s)")
regions.pivot(index="roi", columns="subject", values="n_used").loc[list(study.rois)]

# %% [markdown]
# ## 2 · How good could the best model be?
#
# Responses are noisy, so even the truth would not correlate 1 with them. A generative model of
# signal and noise, estimated from the repeats, says what the truth would reach: the **noise
# ceiling**. We check it against the repeats' own reliability, which needs no such model. Two
# ceilings: of a region's mean response, and of its geometry of pictures (*rsa*). For geometry the
# check is only approximate, and too low where noise is strong (panel F).

# %%
ceilings = brain_data.ceiling_table(cohort, cohort.subjects, study.rois,
                                    least_ncsnr=spec.least_ncsnr, seed=seed)
known = ceilings.dropna(subset=["value", "split_half"])
gap = (known["value"] - known["split_half"]).abs().groupby(known["statistic"]).median()
print(f"{len(ceilings) // 2} regions of participants have repeats; the two estimates differ by "
      + ", ".join(f"{value:.3f} ({name})" for name, value in gap.items()) + ", median"
      if len(known) else "no repeats here: no noise ceiling")
ceilings.pivot_table(index="roi", columns="statistic", values="value").round(2)

# %% [markdown]
# ## 3 · The published fit
#
# For one region and one layer: take the activations $X$ (*n* pictures × units) of the layer's units
# selective for *the region's* domain; find non-negative weights $w$, as few as the penalty α asks
# for, and a constant $b$ that predict the responses $y$ of each vertex:
#
# $$\min_{w \ge 0} \tfrac{1}{2n} \lVert y - Xw - b \rVert^2 + \alpha \lVert w \rVert_1$$
#
# Fit on one set of pictures, choose the layer on a second, report on a third. Two scores, both
# correlations: is the region's mean response predicted (**veUnivar**), are the dissimilarities
# between its response patterns to pictures (**veRSA**)?

# %%
main = encoding_study.Seen(laboratory.network(chosen.main), localizer.localize_network(
    laboratory.network(chosen.main), laboratory.images("localizer"), **size))
curves, best = study.selective(main)
own = {roi: domain_of(roi) for roi in study.rois}
contrastive = encoding_study.chosen(best, encoding_study.POSITIVE, own)
tests = {name: encoding_tests.summary(contrastive[contrastive["metric"] == name], spec.rois)
         for name in ("veUnivar", "veRSA")}
for name, table in tests.items():
    ledger.number(f"{name} by region", rounded(dict(zip(table["roi"], table["mean"]))))
tests[metric].round(4)

# %% [markdown]
# ## 4 · The rivals
#
# Each asks one question. An **untrained** twin: does training matter? A network taught on **faces
# only**: does one need a specialist for a special region? **Gabor** energy (how much of each
# orientation and size of edge there is, and where) and its 50 leading axes (**GistPC**): is it only
# what the picture looks like? And **ridge** on whole layers, unconstrained: what can be had at all?

# %%
found = {"contrastive": contrastive}
twin = laboratory.network(chosen.untrained)
found["untrained"] = encoding_study.chosen(study.untrained(encoding_study.Seen(
    twin, localizer.localize_network(twin, laboratory.images("localizer"), **size)))[1],
    encoding_study.POSITIVE, own)
if spec.faces:
    found["faces only"] = encoding_study.chosen(
        study.faces_only(laboratory.network(spec.faces))[1], encoding_study.POSITIVE, own)

# %%
low_level = study.low_level()[1]
found["GistPC"] = encoding_study.chosen(low_level, encoding_study.GIST, own)
found["Gabor"] = encoding_study.chosen(low_level, encoding_study.OLS, own)
found["ridge, whole layers"] = encoding_study.chosen(study.ridge(main.network)[1],
                                                     encoding_study.RIDGE, own)
scores = pd.concat([table.assign(predictor=name) for name, table in found.items()],
                   ignore_index=True)
scores[scores["metric"] == metric].pivot_table(
    index="roi", columns="predictor", values="score").reindex(list(spec.rois)).round(2)

# %%
rivals = {name: table for name, table in found.items()
          if name not in ("contrastive", "ridge, whole layers")}
against = {name: encoding_tests.against_rivals(
    contrastive[contrastive["metric"] == name],
    {rival: table[table["metric"] == name] for rival, table in rivals.items()}, spec.rois)
    for name in ("veUnivar", "veRSA")}
for name, table in against.items():
    passed = (table["p_bonferroni"] < 0.05) & (table["difference"] > 0)
    print(f"{name}: better in {passed.sum()} of {len(table)} comparisons (Bonferroni), worse in "
          f"{((table['p_bonferroni'] < 0.05) & (table['difference'] < 0)).sum()}")
against[metric].pivot(index="roi", columns="rival", values="difference").reindex(
    [roi for roi in spec.rois if roi in set(against[metric]["roi"])]).round(2)

# %% [markdown]
# ## 5 · The needle's eye: what the constraint does
#
# Now *every* domain's units (a *pool*) predict some regions, once under the sparse positive
# constraint, once by ordinary least squares (OLS). If any pool predicts any region, the fit says
# little about the pool. Where the data have them, regions are added of which we *know* what drives
# them (in the demo, `aTL-faces` was built from face content alone).

# %%
probed = [*spec.curve_rois, *spec.known]
pools = {method: best[(best["method"] == method) & (best["metric"] == metric)
                      & best["roi"].isin(probed)]
         for method in (encoding_study.POSITIVE, encoding_study.OLS)}
advantage = {method: encoding_tests.pool_advantage(table, own) for method, table in pools.items()}
for method, table in advantage.items():
    right = (table["best"] == table["roi"].map(own)).mean()
    print(f"{method}: own pool best in {right:.0%} of {len(table)} (participant, region) pairs; "
          f"mean advantage over the other pools {table['advantage'].mean():.2f}")
pd.concat({method: table.groupby("roi")[["own", "others", "advantage"]].mean().loc[probed]
           for method, table in advantage.items()}, axis=1).round(2)

# %% [markdown]
# ## 6 · A penalty that means the same everywhere
#
# The published α = 0.1 acts on raw activations, whose scale differs from layer to layer, and the
# untrained network got another one. With units and responses standardised on the fitted pictures,
# α is on the scale of a *correlation*: the first unit enters only if its correlation exceeds α.

# %%
standardised = encoding_study.chosen(best, encoding_study.STANDARDISED, own)
for name in ("veUnivar", "veRSA"):
    difference, p, n = encoding_tests.overall(*(
        table[table["metric"] == name] for table in (standardised, contrastive)))
    print(f"{name}: standardised - published {difference:+.3f} ({p_text(p)}, n = {n})")
used = curves[(curves["partition"] == "test") & (curves["method"] == encoding_study.POSITIVE)]
print("units used per vertex, published α:",
      used.groupby("layer", sort=False)["n_used"].mean().round(1).to_dict())

# %% [markdown]
# ## 7 · One stimulus set, two species
#
# Where the profile has the 92 pictures that people and monkeys saw, we ask each layer whether it
# finds the same pictures alike as inferior temporal cortex (IT) does. Both are summarised as a
# representational dissimilarity matrix (RDM): one number for each pair of pictures.

# %%
measured = laboratory.measured_rdms()
album, references = (measured.album, measured.rdms) if measured else (None, {})
rdms = layer_agreement([main.network, twin], album, references, layers=spec.layers, seed=seed)
print(f"{rdms['measured'].nunique()} measured RDMs" if len(rdms) else
      "this profile has no measured RDMs")
rdms.pivot_table(index="layer", columns=["measured", "network"], values="r", sort=False).round(2)

# %% [markdown]
# ## 8 · The figure

# %%
names = ["contrastive", *[n for n in plots_encoding.RIVALS if n in found and n != "contrastive"]]
figure = plots.new_figure(9.6)
lines = figure.add_gridspec(5, 1, height_ratios=[1.5, 1.5, 1, 1, 1.15], hspace=0.55,
                            left=0.075, right=0.985, top=0.95, bottom=0.075)
for letter, line, name in (("A", 0, "veUnivar"), ("B", 1, "veRSA")):
    axes = figure.add_subplot(lines[line])
    part = scores[scores["metric"] == name]
    band = ceilings[ceilings["statistic"] == {"veUnivar": "univariate", "veRSA": "rsa"}[name]]
    plots_encoding.rival_violins(axes, part, band, spec.rois, names)
    plots_encoding.significance_row(axes, against[name], spec.rois, names, y=1.08)
    axes.set(ylim=(min(-0.1, part["score"].min() - 0.05), 1.12), ylabel=f"{name}, test (r)")
    plots.panel_letter(axes, letter, x=-0.05)
plots.top_legend(figure, plots_encoding.rival_handles(names))

# %%
panels = lines[2:4].subgridspec(2, len(spec.curve_rois), wspace=0.12, hspace=0.2).subplots(
    sharex=True, sharey="row", squeeze=False)
for row, letter, method in zip(panels, "CD", (encoding_study.POSITIVE, encoding_study.OLS)):
    for axes, roi in zip(row, spec.curve_rois):
        part = curves[(curves["roi"] == roi) & (curves["method"] == method)
                      & (curves["partition"] == "validation")]
        plots_encoding.pool_curves(axes, part, metric, DOMAINS, spec.layers)
        n = part.loc[part[metric].notna(), "subject"].nunique()
        axes.set_title(f"{roi}, {method} (n = {n})", fontsize=6.5)
    row[0].set_ylabel(f"{metric} (r)")
    plots.panel_letter(row[0], letter, x=-0.2)

# %%
last = lines[4].subgridspec(1, 3, wspace=0.25, width_ratios=[1.4, 1.4, 1]).subplots()
for axes, (method, table) in zip(last, pools.items()):
    plots_encoding.pool_bars(axes, table, probed, DOMAINS, own)
    axes.set_title(f"every pool, best layer: {method}", fontsize=6.5)
for axes in last[:2]:
    axes.set_ylim(min(a.get_ylim()[0] for a in last[:2]), max(a.get_ylim()[1] for a in last[:2]))
last[0].set_ylabel(f"{metric}, test (r)")
plots.panel_letter(last[0], "E", x=-0.14)
if len(rdms):
    plots_encoding.rdm_lines(last[2], rdms, spec.layers)
else:
    plots_encoding.ceiling_check(last[2], known)
plots.panel_letter(last[2], "F", x=-0.2)
plots.domain_legend(figure, DOMAINS, loc="lower left")

# %%
columns = ["subject", "roi", "predictor", "metric", "score", "layer", "n_vertices"]
plots.save_figure(figure, laboratory.provenance, {
    "AB": scores[scores["metric"].isin(["veUnivar", "veRSA"])][columns],
    "AB-tests": pd.concat([t.assign(metric=name) for name, t in against.items()]),
    "CD": curves[curves["roi"].isin(spec.curve_rois) & (curves["partition"] == "validation")],
    "E": pd.concat(pools.values()), "F": rdms if len(rdms) else known, "regions": regions})
figure

# %% [markdown]
# **Figure 03.** **A, B** Best layer of each participant (dots), chosen on validation, scored on
# test pictures; violins over participants (three or more), bar: mean; n under each region: the
# participants behind it (a small number: fewer for this predictor). No violin: this predictor has
# no units here, or is not meant for the region. Grey band: range of the participants' noise
# ceilings. Stars: the contrastive network's units differ from this rival (paired t over
# participants, p < .05 after Bonferroni over all regions and rivals; filled: better, open: worse;
# ridge is not tested). **C, D** Score by layer for each domain's units, under the sparse positive
# constraint and by ordinary least squares; mean ± SEM over participants, validation pictures, as
# published; a gap: no score there. **E** Every pool's best layer, test pictures, mean ± SEM;
# framed: the region's own domain. Axes of C and D differ. **F** Noise ceilings
# of the model against the repeats' reliability, one dot a participant and region; or, where the
# profile has them, agreement of each layer's dissimilarities with human and monkey IT (Spearman;
# filled: p < .05, permuting pictures, Holm over layers). The stamp says whether the data are REAL
# or SYNTHETIC.

# %% [markdown]
# ## 9 · Claims
#
# Each claim has a rule with a bound that was fixed before its result was seen, with one exception
# that says so; the verdict comes from the 95 % interval.
# The paper's numbers are *unknown* here: its text was not at hand.

# %%
ONE = "one training of each network"
BOTH = ("veUnivar", "veRSA")
behind = pd.concat(tests.values()).query("n > 0")["n"]
driven = [roi for roi in spec.rois if own[roi]]
for name in BOTH:
    by_region = encoding_tests.by_subject(contrastive[contrastive["metric"] == name])
    ledger.intervals(f"Pre-identified units predict their region ({name})",
                     {roi: mean_interval(by_region[roi].dropna() if roi in by_region else [])
                      for roi in driven}, "above 0", n=f"n = {behind.min()} to {behind.max()}",
                     of="mean over participants, in every region of the figure", rests_on=ONE,
                     source="Fig. 4; abstract", paper="all regions; values unknown")

# %%
def gained(main, rival):
    """Interval of the mean gain over regions, over participants, in both scores."""
    return {name: mean_interval(encoding_tests.gains(*(table[table["metric"] == name]
                                                       for table in (main, rival))))
            for name in BOTH}

for rival in rivals:
    ledger.intervals(f"They predict better than the rival: {rival}",
                     gained(contrastive, rivals[rival]), "above 0",
                     of="mean difference over regions, over participants, in both scores",
                     source="Fig. 4; direction inferred", paper="values unknown", rests_on=ONE)

# %%
gains = {method: table.groupby("subject")["advantage"].mean() for method, table in advantage.items()}
positive, free = (gains[m] for m in (encoding_study.POSITIVE, encoding_study.OLS))
ledger.interval("Without the constraint almost any pool predicts a region; with it the own pool wins",
                positive - free.reindex(positive.index), "above 0", rests_on=ONE,
                of="advantage of the own pool over the mean of the others, with minus without the "
                   "constraint", source="Suppl. layer curves; inferred",
                paper="direction; values unknown")

# %%
def leaves(method, roi, pool, share, sign):
    """Interval of ``share`` of the own pool's score minus the other pool's, over participants."""
    table = pools[method][pools[method]["roi"] == roi].fillna({"score": 0.0})
    wide = table.pivot(index="subject", columns="domain", values="score")
    rest = wide.drop(columns=own[roi]).mean(axis=1) if pool == "others" else wide[pool]
    return mean_interval(sign * (share * wide[own[roi]] - rest))

sparse, least = encoding_study.POSITIVE, encoding_study.OLS
ledger.intervals("A region that one domain alone drives is predicted by this domain's units only",
                 {f"{roi}, {method}": leaves(method, roi, "others", 1 / 3, sign)
                  for roi in spec.known for method, sign in ((sparse, 1), (least, -1))},
                 "above 0", rests_on=ONE,
                 of="sparse positive: a third of the own pool's score minus the mean of the other "
                    "pools; OLS: the reverse; over participants",
                 source="beyond the paper: known truth", paper="–")

# %%
faces_alone = [roi for roi, domain in spec.known.items() if domain == "faces"]
ledger.intervals("Units of scenes predict it least of all; without the constraint they predict it too",
                 {f"{roi}, {method}": leaves(method, roi, "scenes", share, sign)
                  for roi in faces_alone
                  for method, share, sign in ((sparse, 1 / 3, 1), (least, 2 / 3, -1))},
                 "above 0", rests_on=ONE,
                 of="under the constraint a third of the face units' score minus the scene units'; "
                    "by OLS the scene units' minus two thirds of the face units'; over participants",
                 source="beyond the paper: known truth; rule added after panel E was seen",
                 paper="–")

# %%
ledger.intervals("A penalty that means the same in every layer loses nothing",
                 {name: tuple(value + 0.01 for value in span)
                  for name, span in gained(standardised, contrastive).items()}, "above 0",
                 of="standardised minus published, mean over regions, plus .01 (the second printed "
                    "digit of a score), over participants", source="beyond the paper", paper="–",
                 rests_on=ONE)

# %%
ledger.interval("The needle's eye has a price: ridge on whole layers predicts vertices better",
                encoding_tests.gains(*(found[name][found[name]["metric"] == "r_vertex"] for name in (
                    "ridge, whole layers", "contrastive"))), "above 0",
                of="mean r of a vertex, ridge minus sparse positive", source="beyond the paper",
                paper="–", rests_on=ONE)
for name in ("contrastive", "ridge, whole layers"):
    by_vertex = found[name][found[name]["metric"] == "r_vertex"].groupby("roi")["score"].mean()
    ledger.number(f"r of a vertex, {name}", rounded(by_vertex.reindex(study.rois).to_dict()))

# %%
reached = contrastive.merge(ceilings.replace({"statistic": {"univariate": "veUnivar", "rsa": "veRSA"}})
                            .rename(columns={"statistic": "metric"}), on=["subject", "roi", "metric"])
share = (reached["score"] / reached["value"]).groupby(reached["metric"]).median()
above = int((reached["score"] > reached["high"]).sum())
ledger.number("share of the noise ceiling reached", rounded(share.to_dict()))
print("reached:", ", ".join(f"{name} {value:.0%}" for name, value in share.items()) or "–")
ledger.count("No prediction is better than the noise ceiling allows", above, len(reached), "below",
             0.1, of="scores above the 97.5th percentile of experiments with the estimated signal "
             "and noise (which leaves out the error of the estimate)",
             source="check of this laboratory", paper="–")

# %%
trained = rdms[rdms["network"] == main.network.name]
bare = {m: rdms.loc[(rdms["measured"] == m) & (rdms["network"] == twin.name), "r"].max()
        for m in trained["measured"].unique()}
best_layer = {m: t.loc[t["r"].idxmax()] for m, t in trained.groupby("measured", sort=False)}
ledger.tests("The layers resemble inferior temporal cortex, and training is the reason",
             {m: (row["r"] - bare[m], row["p_holm"]) for m, row in best_layer.items()}, "above 0",
             of="r of the best layer minus the untrained network's best; the best layer's p (Holm "
                "over layers), for each measured RDM", source="beyond the paper", paper="–")

# %%
path = ledger.save()
print(ledger.text())

# %%
# NBVAL_CHECK_OUTPUT
print(ledger.verdicts())

# %% [markdown]
# ## 10 · What we see, what the paper says, why they differ
#
# The paper's argument has two halves, and the demo shows both. Pools of units that were chosen
# without any brain data predict the matching regions under a constraint that leaves little freedom
# (A, B). And the constraint is what gives this its meaning: without it, nearly every pool predicts
# nearly every region (D, E right). A fit that may *subtract* can build the wanted tuning from units
# that have another one (notebook 04 shows this in two dimensions).
#
# But E also shows what the constraint does not do. In the demo, a region driven by faces *alone* is
# still predicted, less well but plainly, from other pools. Where there is a face there is less room
# for a place, and often a body; and units selective for one domain respond a little to others. Only
# truth that was planted can tell such leakage from shared tuning; in the real brain we cannot. Nor
# is a score alone a proof of content: in the demo, fifty axes of Gabor energy, fitted freely,
# predict mean responses about as well as the constrained units, and geometry slightly better. What
# speaks for content is the *advantage of the own pool* (not measured for the untrained twin).
#
# Three differences in procedure. The axes of GistPC are fitted on the fitted pictures only; the
# published ones were fitted anew on the test pictures, so the two sets of axes were not the same.
# The untrained twin is one saved network; the published one was drawn anew at every call. The noise
# ceiling's signal is scaled by solving for the data's own reliability, where the published code
# tries steps of a tenth.
#
# Under `mini` the responses are one beta (response estimate) per category and voxel, so there is no
# noise ceiling; most regions come from one person, and layers are chosen on few conditions. There,
# over four people's PPA and LOC, the own units do *not* beat the rivals. But the constraint bites:
# in PPA it leaves only units of scenes and objects above zero, where without it every pool
# predicts.

# %% [markdown]
# ## 11 · Exercises
#
# **Read.** In which region does the contrastive network's score come nearest to ridge on whole
# layers, that is, where does the needle's eye cost least?

# %%
your_region = None    # one of spec.rois

if your_region is None:
    print("Hint: in `scores`, compare the two predictors' means by region, for `metric`.")
else:
    table = scores[scores["metric"] == metric].groupby(["roi", "predictor"])["score"].mean().unstack()
    price = (table["ridge, whole layers"] - table["contrastive"]).dropna()
    print("Right." if your_region == price.idxmin() else "Look again at both columns.")

# %% tags=["solution"]
table = scores[scores["metric"] == metric].groupby(["roi", "predictor"])["score"].mean().unstack()
(table["ridge, whole layers"] - table["contrastive"]).dropna().sort_values().round(2)

# %% [markdown]
# **Change.** Set `metric = "veRSA"` in the parameters cell and run again. Does the own pool still
# win in panel E? Then copy the profile and set `alpha = 0.01` in its table `[encoding]`: how many
# more units are used (step 6), and what becomes of the advantage of the own pool?
#
# **Extend.** One number hides much. For a participant and region of your choice, print the
# advantage of the own pool under both constraints; is there one for whom the argument fails?

# %%
who = None    # one of cohort.subjects

if who is None:
    print("Hint: `advantage[method]` has one row a participant and region.")
else:
    for method, table in advantage.items():
        print(method, table[table["subject"] == who].set_index("roi")["advantage"].round(2).to_dict())

# %% tags=["solution"]
worst = advantage[encoding_study.POSITIVE].sort_values("advantage").iloc[0]
print(f"{worst['subject']}, {worst['roi']}: advantage {worst['advantage']:.2f}, "
      f"best pool {worst['best']}")

# %% [markdown]
# **Discuss.** (1) A region's vertices differ in their tuning. What does veUnivar not see that
# veRSA sees? (2) If ridge predicts better than sparse positive encoding, which of the two is the
# better *model* of a region? (3) The layer is chosen for each participant. What would it mean
# if all participants chose the same one, and what if they did not?
#
# **References.** Prince, Alvarez & Konkle (2024), *Science Advances* 10(39), eadl1776 · Allen et
# al. (2022), *Nat Neurosci* 25(1) (NSD) · Bonner & Epstein (2021), *Nat Commun* 12, 4081
# (object2vec) · Kriegeskorte et al. (2008), *Neuron* 60(6) (92 images).
#
# Previous: [02 · Lesion selective units](02_lesion_selective_units.ipynb) · Next:
# [04 · Trace content channels](04_trace_content_channels.ipynb), and why signs matter so much.
