# %% [markdown]
# # 14 · Does language spread selectivity more evenly, and make layers agree?
#
# Lu & Wang (2025), distribution over feature maps, and consistency across layers
# ([arXiv 2502.16456](https://arxiv.org/abs/2502.16456)).
# On two cores: two minutes and 1 GB under `demo`, half a minute under `mini`; under `paper` not
# measured.

# %% [markdown]
# **Goal.** With language, selective units were reported to lie *more evenly* over feature maps
# (first version of the paper), to be *less localised* in space (second version), and layers to
# agree more about which images are alike (first version only). How each was measured is unknown,
# and each depends on how many units there are: few units look uneven by chance. So we measure several
# ways, each beside the same number of units drawn anew.
#
# **You will learn**
# - what entropy, Gini's coefficient and Moran's I tell, and what they tell about units at random;
# - why a measure of evenness must be corrected for the number of units;
# - how to say how sure a layer × layer matrix is: resample images, then compare networks.

# %% tags=["parameters"]
profile = "demo"    # demo, mini, paper, or the path of your own TOML file
map_domain = "faces"    # whose units panel D maps
min_units = 10         # units that a domain needs in a stage to be measured

# %%
import numpy as np
import pandas as pd

from helpers import lab
from helpers.core.statistics import confidence_interval
from helpers.figures import style
from helpers.figures.claims import ClaimsTable, round_numbers
from helpers.matched_models import plots, statistics
from helpers.matched_models.study import MatchedModelsStudy, mean_consistency_matrix
from helpers.selectivity import unit_distribution

# %%
laboratory = lab.open(profile, notebook="14_spread_over_feature_maps")
claims = ClaimsTable(laboratory.provenance)
style.use_style()
print(laboratory.provenance.line)

# %% [markdown]
# ## 1 · What the measures say about units at random
#
# Before any network: 60 units thrown over 128 maps of 5 × 5 positions, against 60 units of ten
# maps, and 60 units in one corner of fifteen. *Corrected*: entropy over its mean for units at
# random (so 1 is chance), Gini's coefficient and Moran's I from there to their largest value (so 0
# is chance).

# %%
rng = np.random.default_rng(laboratory.profile.seed)
ground_truth_masks = {name: np.zeros((128, 5, 5), bool) for name in ("at random", "ten maps", "one corner")}
ground_truth_masks["at random"].reshape(-1)[rng.choice(3200, 60, replace=False)] = True
ground_truth_masks["ten maps"][:10].reshape(-1)[rng.choice(250, 60, replace=False)] = True
ground_truth_masks["one corner"][rng.choice(128, 15, replace=False), :2, :2] = True
example = {name: unit_distribution.spread(mask, seed=0) for name, mask in ground_truth_masks.items()}
pd.DataFrame({name: {measure: one.corrected for measure, one in its.items()}
              for name, its in example.items()}).round(2)

# %% [markdown]
# ## 2 · Over feature maps, and over positions
#
# For every network, stage and domain: where do the selective units lie? Stages with fewer than
# `min_units` units of a domain are left out. *Moran's I* asks whether the selective units of a map
# lie side by side; *mean distance* whether all of them, whatever their map, share a place.

# %%
study = MatchedModelsStudy.from_profile(laboratory.profile, laboratory.images, laboratory.network)
spec, conditions, layers = study.spec, list(study.spec.conditions), list(study.spec.layers)
unit_distributions = study.unit_distributions()
measurable = unit_distributions[unit_distributions["n_units"] >= min_units]
counted = measurable[measurable["measure"] == "Moran's I"].groupby("condition", sort=False).size()
print("stages x domains x networks that can be measured:", counted.reindex(conditions).to_dict())

# %%
print("corrected: 1 is chance for entropies, fraction of maps with any and distance; 0 for the others")
(measurable.pivot_table(index="condition", columns="measure", values="corrected")
 .reindex(index=conditions, columns=list(unit_distribution.MEASURES))).round(2)

# %% [markdown]
# ## 3 · Is it more than chance?
#
# In how many stages and domains does a measure leave the central 95 % of units drawn anew?

# %%
outside_null = measurable.assign(outside_null=(measurable["observed"] < measurable["null_low"])
                          | (measurable["observed"] > measurable["null_high"]))
(outside_null.pivot_table(index="condition", columns="measure", values="outside_null")
 .reindex(index=conditions, columns=list(unit_distribution.MEASURES))).round(2)

# %% [markdown]
# ## 4 · Do layers agree?
#
# For the selective units of each stage (chosen on one half of the images, at most `n_kept` of a
# domain), which intact images of the other half are alike? Dissimilarity is 1 − *r* of their
# patterns; two stages are compared by Spearman's *r* of all dissimilarities. The mean over pairs of
# stages is a network's consistency; resampled images say how sure it is.

# %%
layer_consistencies = study.layer_consistencies()
mean_consistency = layer_consistencies[layer_consistencies["layer"] == "all"]
matrices = {condition: mean_consistency_matrix(layer_consistencies, condition, layers) for condition in conditions}
consistency_by_condition = mean_consistency.groupby("condition", sort=False)[["r", "low", "high"]].mean().reindex(conditions)
print("consistency, mean over networks; interval over resampled images, of one network")
consistency_by_condition.round(3)

# %% [markdown]
# ## 5 · Networks as the sample
#
# As in notebook 13: kinds are compared seed by seed. Domains and stages where one of the two kinds
# has too few units are left out for both, so that the same places are compared.

# %%
pairs = statistics.condition_pairs(spec)
differences = {comparison: {measure: statistics.paired_differences_by_layer(measurable[measurable["measure"] == measure], *pair,
                                               value="corrected") for measure in unit_distribution.MEASURES}
        for comparison, pair in pairs.items()}
consistent = mean_consistency.set_index(["condition", "seed"])["r"].dropna()
for comparison, pair in pairs.items():
    differences[comparison]["consistency"] = statistics.paired_differences(consistent, *pair)

# %%
pd.DataFrame({comparison: {measure: f"{one.mean():+.3f} [{confidence_interval(one)[0]:.3f}, {confidence_interval(one)[1]:.3f}]"
                    if len(one) else "" for measure, one in its.items()}
              for comparison, its in differences.items()})

# %% [markdown]
# ## 6 · The figure

# %%
figure = style.new_figure(7.4)
grid = figure.add_gridspec(4, 1, height_ratios=[1, 1.15, 0.85, 0.7], hspace=0.7, left=0.12,
                           right=0.985, top=0.935, bottom=0.07)
plotted_measures = ("entropy over maps", "Gini over maps", "Moran's I", "mean distance")
top = grid[0].subgridspec(1, 4, wspace=0.4).subplots()
for panel, measure in zip(top, plotted_measures):
    its = measurable[measurable["measure"] == measure]
    plots.condition_lines(panel, its, "corrected", conditions, layers)
    panel.axhline(1 if measure in unit_distribution.RATIOS else 0, color="k", linestyle=":", linewidth=0.7)
    panel.set_title(measure)
top[0].set_ylabel("corrected")
style.panel_letter(top[0], "A", x=-0.35)

# %%
plots.condition_legend(figure, conditions)
shown_conditions = [condition for condition in conditions if np.isfinite(matrices[condition]).sum() > len(layers)]
middle = grid[1].subgridspec(1, max(len(shown_conditions), 1), wspace=0.25).subplots(squeeze=False)[0]
for panel, condition in zip(middle, shown_conditions):
    plots.layer_consistency_matrix(panel, matrices[condition], layers)
    panel.set_title(condition)
    panel.label_outer()
style.panel_letter(middle[0], "B", x=-0.4)

# %%
last = grid[3].subgridspec(1, 5, wspace=0.25).subplots()
for panel, name in zip(last, (*plotted_measures, "consistency")):
    plots.difference_dots(panel, {comparison: its[name] for comparison, its in differences.items()},
                          label_width=16)
    panel.set_title(name)
    panel.label_outer()
last[2].set_xlabel("difference between conditions")
style.panel_letter(last[0], "D", x=-0.5)

# %%
maps = grid[2].subgridspec(1, len(layers), wspace=0.1).subplots(squeeze=False)[0]
shown_condition = spec.language or spec.vision
first = next(name for condition, _, name in study.iter_networks() if condition == shown_condition)
for panel, (layer, block) in zip(maps, study.blocks(first).items()):
    counts = unit_distribution.count_per_position(block.to_feature_maps(block.selective_mask(map_domain)))
    panel.imshow(counts, cmap="magma", interpolation="nearest", vmin=0)
    panel.set(xticks=[], yticks=[], title=f"{layer}: {int(counts.sum())} units")
style.panel_letter(maps[0], "C", x=-0.35)
style.save_figure(figure, laboratory.provenance, {
    "A": measurable, "B": layer_consistencies, "D": pd.DataFrame(
        [{"comparison": comparison, "measure": measure, "seed": seed, "difference": value}
         for comparison, its in differences.items() for measure, one in its.items()
         for seed, value in enumerate(one)])})
figure

# %% [markdown]
# **Figure 14.** **A** How selective units are spread, corrected for their number: dotted, as units
# at random. Lines: means over networks of a kind and over domains with enough units; dots:
# networks. **B** Agreement of stages about which images are alike (Spearman's *r* of
# dissimilarities, mean over networks). **C** Where in the image the units lie that prefer the
# domain of the parameters, counted over feature maps, in the first network that was told captions
# (the labelled one where there is none); brighter: more. **D** Differences between kinds: dots are
# seeds, bars 95 % intervals of their mean (*t*); kinds as in figure 13. The stamp says whether the
# data are REAL or SYNTHETIC.

# %% [markdown]
# ## 7 · Claims
#
# Directions are from the abstracts of the paper's two versions; its numbers are *unknown*.

# %%
vision_only = measurable[measurable["condition"] == spec.vision]
for measure, words in (("Gini over maps", "Selective units sit in few feature maps"),
                       ("Moran's I", "Within a map, selective units lie side by side")):
    its = vision_only[vision_only["measure"] == measure]
    above = int((its["observed"] > its["null_high"]).sum())
    claims.count(f"{words}, more than chance would have it", above, len(its), "above", 0.5,
                 of=f"stages, domains and networks ({spec.vision}) with {measure} above 97.5 % of "
                    "units drawn anew", source="implied by the abstracts", paper="not told")

# %%
over_seeds = {"sample": "seeds"}
expected = {"entropy over maps": ("above 0", "lie more evenly over feature maps", "first abstract"),
            "Gini over maps": ("below 0", "lie more evenly over feature maps", "first abstract"),
            "Moran's I": ("below 0", "are less localised in space", "second abstract"),
            "mean distance": ("above 0", "are less localised in space", "second abstract"),
            "consistency": ("above 0", "agree more across layers", "first abstract")}
for measure, (direction, words, source) in expected.items():
    for comparison, pair in pairs.items():
        claims.interval(f"Selective units {words}: {measure}, {statistics.format_difference(pair)}",
                        differences[comparison][measure],
                        direction, of="corrected for the number of units, the same stages and "
                        "domains" if measure != "consistency" else "mean over pairs of stages",
                        source=f"{source}; measure unknown", paper=words, **over_seeds)

# %%
single = sum(condition == spec.language for condition, *_ in study.iter_networks()) == 1
rows = mean_consistency.set_index("condition").reindex([spec.language, spec.vision]) if single else None
ends = rows[["r", "low", "high"]].to_numpy(float) if single else np.full((2, 3), np.nan)
claims.judge("In the published pair, layers agree more with language", ends[0, 0] - ends[1, 0],
             ends[0, 1] - ends[1, 2], ends[0, 2] - ends[1, 1], "above 0", source="first abstract",
             paper="more", of="difference of consistency, from the two intervals over resampled "
             "images", rests_on="one training of each network")

# %%
for condition in conditions:
    claims.number(f"consistency, {condition}", round_numbers({"mean": consistency_by_condition.loc[condition, "r"]}))
path = claims.save()
print(claims.text())

# %%
# NBVAL_CHECK_OUTPUT
print(claims.verdicts())

# %% [markdown]
# ## 8 · What we see, what the paper says, why they differ
#
# In the demo, selective units are far from evenly spread in every network that has any: they sit in
# few feature maps, and side by side within these, in the part of the image where things stand. No
# measure says that language, held against labels, changes this in the direction of the paper. With
# text-embedding targets, units even sit in *fewer* maps than with labels, in every seed. Held against other
# images' captions, units lie farther apart; but these have units in the first stage alone.
#
# The raw values would have told another story: kinds differ in their number of units, and raw
# entropy rises with that number (exercise *Extend*). Whether the paper corrected for it is unknown.
# Whether layers agree more with captions than with labels is inconclusive: agreement is that of the
# last two stages, and between seeds it differs as much as between kinds. Where a network has
# hardly any selective units (shuffled captions, untrained), agreement cannot be computed at all.
#
# Units in the middle of the map are what these images would make of any network: the localizer's
# things stand near the middle. Moran's I speaks of that as much as of the network.

# %% [markdown]
# ## 9 · Exercises
#
# **Read.** Which of the three planted examples of section 1 does Moran's I not tell from units at
# random?

# %%
your_example = None    # one of planted

if your_example is None:
    print("Hint: a corrected value of Moran's I near 0 says nothing is side by side.")
else:
    inside = {name: its["Moran's I"].null_low <= its["Moran's I"].observed
              <= its["Moran's I"].null_high for name, its in example.items()}
    expected = [name for name, within in inside.items() if within and name != "at random"]
    print("Right." if your_example in expected else "Look at the row of Moran's I.")

# %% tags=["solution"]
for name, its in example.items():
    one = its["Moran's I"]
    print(f"{name}: {one.observed:.3f}, by chance {one.null_low:.3f} to {one.null_high:.3f}")

# %% [markdown]
# **Change.** Set `min_units = 40` in the parameters. Which places are lost, and what happens to the
# intervals of panel D?
#
# **Extend.** Two networks have 20 and 200 selective units, both thrown at random over 128 maps of
# 25 positions. By how much does the *raw* entropy over maps differ, on average?

# %%
your_difference = None    # mean raw entropy of 200 units minus that of 20, over 100 draws

if your_difference is None:
    print("Hint: draw masks as in section 1; spread.MEASURES['entropy over maps'](mask).")
else:
    expected = np.diff([unit_distribution.spread(mask, seed=0)["entropy over maps"].null_mean for mask in (
        np.arange(3200).reshape(128, 5, 5) < 20, np.arange(3200).reshape(128, 5, 5) < 200)])[0]
    print("Right." if abs(your_difference - expected) < 0.02 else "Not yet: average many draws.")

# %% tags=["solution"]
plotted_measures = {n: np.mean([unit_distribution.MEASURES["entropy over maps"](
    (rng.permutation(3200) < n).reshape(128, 5, 5)) for _ in range(100)]) for n in (20, 200)}
print(f"{plotted_measures[200] - plotted_measures[20]:.3f}")

# %% [markdown]
# **Discuss.** (1) A convolution has the same weights everywhere. What does it mean, then, that
# selective units lie in the middle of a map? (2) Layers may agree because both code the category,
# or because both code light and size. How would you tell? (3) Which null would you choose to ask
# whether units are *clustered*, as they are in cortex?
#
# **References.** Lu & Wang (2025), arXiv 2502.16456 · Moran (1950), *Biometrika* 37 · Kriegeskorte,
# Mur & Bandettini (2008), *Front Syst Neurosci* 2 (dissimilarities).
#
# Previous: [13 · Compare vision and language](13_compare_vision_and_language.ipynb). Next:
# [15 · Watch selectivity emerge](15_watch_selectivity_emerge.ipynb).
