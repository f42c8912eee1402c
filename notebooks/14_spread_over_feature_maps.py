# %% [markdown]
# # 14 · Does language distribute selectivity more evenly, and make layers more consistent?
#
# Lu & Wang (2025), distribution over feature maps, and consistency across layers
# ([arXiv 2502.16456](https://arxiv.org/abs/2502.16456)).
# On two cores: half a minute and 1 GB under `demo`, as much under `mini`; under `paper` not
# measured.

# %% [markdown]
# **Goal.** With language, selective units were reported to lie *more evenly* over feature maps
# (first version of the paper), to be *less localised* in space (second version), and layers to be
# more consistent in their representational geometry (first version only). How each was measured is
# not at hand, and each depends on the number of units: few units look uneven by chance. So we use
# several measures, each compared with the same number of units drawn at random.
#
# **You will learn**
# - what entropy, the Gini coefficient and Moran's I measure, and their values for random units;
# - why a measure of evenness must be corrected for the number of units;
# - how to estimate the uncertainty of a layer × layer matrix: resample images, then compare
#   networks.

# %% tags=["parameters"]
profile = "demo"        # demo, mini, paper, or the path of your own TOML file
map_domain = "faces"    # whose units section 2 and panel C map; if absent, the first domain's
min_units = 10          # units that a domain needs in a block to be measured

# %%
import numpy as np
import pandas as pd
from IPython.display import Markdown

from helpers import lab
from helpers.core.statistics import confidence_interval
from helpers.exercises import check
from helpers.figures import schematic, style
from helpers.figures.claims import ClaimsTable, round_numbers
from helpers.figures.deviations import deviation_table
from helpers.figures.verdicts import CHECK
from helpers.matched_models import distribution_plots as plots
from helpers.matched_models import statistics
from helpers.matched_models.layer_consistency import mean_consistency_matrix

# %% [markdown]
# The study opens the networks of the profile's table `[language]`: one architecture, trained on the
# same images with labels, with captions, and with controls (notebook 13).

# %%
from helpers.matched_models.plots import condition_styles
from helpers.matched_models.study import MatchedModelsStudy
from helpers.selectivity import unit_distribution

laboratory = lab.open(profile, notebook="14_spread_over_feature_maps")
claims = ClaimsTable(laboratory.provenance)
style.use_style()
study = MatchedModelsStudy.from_profile(laboratory.profile, laboratory.images, laboratory.network)
style.add_domains(study.images.domain_names)
map_domain = map_domain if map_domain in study.domains else study.domains[0]
spec, conditions, layers = study.spec, list(study.spec.conditions), list(study.spec.layers)
print(laboratory.provenance.line)
print("networks:", pd.Series([c for c, *_ in study.iter_networks()]).value_counts(
    sort=False).to_dict(), "blocks:", layers)

# %% [markdown]
# ## 1 · What this notebook does
#
# [Selective units](GLOSSARY.md#selective-unit) were found in notebook 13: units that respond more
# to the images of one domain than to all others. Here we ask where in a block they lie: in which of
# its feature maps, and at which positions of a map.

# %%
Step = schematic.Step
places = [study.images.domains.index(name) for name in study.domains[:4]]
schematic.draw_schematic([
    Step("localizer images", schematic.images([study.images.open(i) for i in places]),
         "intact and scrambled"),
    Step("matched networks", schematic.network(4, (1, 2, 3)), "selective units of a block"),
    Step("where they lie", schematic.matrix([[0, 0, 1, 0], [0, 2, 3, 1], [0, 1, 2, 0]]),
         "maps and positions (C)"),
    Step("measures", schematic.formula("entropy, Gini", "Moran's $I$, distance"),
         "against chance (A, B, G, H)"),
    Step("layer × layer", schematic.matrix([[3, 1, 0], [1, 3, 2], [0, 2, 3]]),
         "consistency (D-F)")],
    laboratory.provenance, alt="Five steps: localizer images go into matched networks; selective "
    "units lie in maps, at positions; measures compare them with chance; layers are compared.")

# %% [markdown]
# ## 2 · Three measures, by hand
#
# We take one network, its last block, and one domain. A block's units form feature maps: channels ×
# height × width. The mask says which are selective. For the printout we choose the feature map with
# the most selective units (but not all).

# %%
shown_condition = spec.language or spec.vision
first = next(name for condition, _, name in study.iter_networks() if condition == shown_condition)
masks = {layer: block.to_feature_maps(block.selective_mask(map_domain))
         for layer, block in study.blocks(first).items()}
mask = masks[layers[-1]]
per_map = mask.sum((1, 2))
channel = int(np.where(per_map < mask[0].size, per_map, -1).argmax())
one_map = mask[channel].astype(float)
print(f"{shown_condition}, {layers[-1]}: {mask.shape} units, {int(mask.sum())} selective for "
      f"{style.display_name(map_domain)}; map {channel}:")
print(mask[channel].astype(int))

# %% [markdown]
# [Moran's *I*](GLOSSARY.md#moran-i) is the correlation of a map with its neighbours. With $z$ the
# map less its mean, $w_{ij} = 1$ where two of the $N$ positions share a side, and $W$ the sum of
# $w$:
#
# $$I = \frac{\sum_{ij} w_{ij}\, z_i z_j / W}{\sum_i z_i^2 / N}$$

# %%
y, x = np.indices(one_map.shape).reshape(2, -1)
w = np.abs(y[:, None] - y) + np.abs(x[:, None] - x) == 1      # positions that share a side
z = one_map.ravel() - one_map.mean()
with np.errstate(invalid="ignore"):                           # a map without selective units
    I = (z @ w @ z / w.sum()) / (z @ z / len(z))
print(f"{len(z)} positions, {w.sum() // 2} pairs of neighbours: I = {I:.3f}; "
      f"a map in random order has {-1 / (len(z) - 1):.3f} on average")
np.testing.assert_allclose(unit_distribution.morans_i(mask[[channel]]), I, rtol=1e-4)

# %% [markdown]
# Evenness over maps needs only the number of selective units of each map. With $p_c$ the proportion
# of the units that lie in map $c$ of $n$, [entropy](GLOSSARY.md#entropy) is
# $-\sum_c p_c \ln p_c / \ln n$: 1 where all maps have as many, 0 where one map has all. The
# [Gini coefficient](GLOSSARY.md#gini-coefficient) is the mean difference between two maps, over
# twice the mean: 0 where all maps have as many.

# %%
p = per_map[per_map > 0] / max(per_map.sum(), 1)
entropy = -(p * np.log(p)).sum() / np.log(len(per_map))
pairs_of_maps = np.abs(per_map[:, None] - per_map)
gini = pairs_of_maps.mean() / (2 * per_map.mean()) if per_map.any() else np.nan
print(f"{len(per_map)} maps, {(per_map > 0).sum()} with selective units, {per_map.max()} at most: "
      f"entropy {entropy:.3f}, Gini {gini:.3f}")
if per_map.any():
    np.testing.assert_allclose(unit_distribution.normalised_entropy(per_map), entropy)
    np.testing.assert_allclose(unit_distribution.gini(per_map), gini)

# %% [markdown]
# ## 3 · The measures on known distributions
#
# What do the measures say where we know the answer? 60 units at random positions in 128 maps of
# 5 × 5; 60 units in ten maps; and 60 units in one corner of fifteen maps.

# %%
rng = np.random.default_rng(laboratory.profile.seed)
ground_truth_masks = {name: np.zeros((128, 5, 5), bool)
                      for name in ("at random", "ten maps", "one corner")}
ground_truth_masks["at random"].reshape(-1)[rng.choice(3200, 60, replace=False)] = True
ground_truth_masks["ten maps"][:10].reshape(-1)[rng.choice(250, 60, replace=False)] = True
ground_truth_masks["one corner"][rng.choice(128, 15, replace=False), :2, :2] = True
print("selective units:", {name: int(its.sum()) for name, its in ground_truth_masks.items()})

# %% [markdown]
# *Corrected* for the number of units, by a [null distribution](GLOSSARY.md#null-distribution): as
# many units drawn at random from the block. Entropies, the proportion of maps with any unit and the
# distance are divided by their mean for random units: 1 is chance. The Gini coefficient, the top
# 5 % and Moran's *I* are scaled from this mean to their largest value: 0 is chance.

# %%
known = {name: unit_distribution.measure_distribution(its, seed=0)
         for name, its in ground_truth_masks.items()}
known_table = pd.DataFrame({name: {measure: one.corrected for measure, one in its.items()}
                            for name, its in known.items()})
known_table.insert(0, "chance", [float(measure in unit_distribution.RATIOS)
                                 for measure in known_table.index])
known_table.round(2)

# %% [markdown]
# ## 4 · Over feature maps, and over positions
#
# For every network, block and domain: where do the selective units lie? Blocks with fewer than
# `min_units` units of a domain are left out. *Moran's I* is high where the selective units of a map
# are adjacent; *mean distance* is low where the units of all maps are close in position.

# %%
unit_distributions = study.unit_distributions()
measurable = unit_distributions[unit_distributions["n_units"] >= min_units]
counted = measurable[measurable["measure"] == "Moran's I"].groupby("condition", sort=False).size()
print("blocks x domains x networks that can be measured:",
      counted.reindex(conditions, fill_value=0).to_dict())
by_condition = measurable.pivot_table(index="measure", columns="condition", values="corrected")
by_condition.reindex(index=list(unit_distribution.MEASURES), columns=conditions).round(2)

# %% [markdown]
# Means of the corrected measures over all that can be measured. Not all conditions have units in
# the same blocks, so these columns must not be compared with each other; section 7 does it fairly.
#
# ## 5 · Comparison with chance
#
# In what proportion of blocks and domains is a measure outside the central 95 % of random units?

# %%
outside_null = measurable.assign(outside_null=(measurable["observed"] < measurable["null_low"])
                                 | (measurable["observed"] > measurable["null_high"]))
outside = outside_null.pivot_table(index="measure", columns="condition", values="outside_null")
outside.reindex(index=list(unit_distribution.MEASURES), columns=conditions).round(2)

# %% [markdown]
# ## 6 · Are layers consistent?
#
# For the selective units of each block (selected on one half of the images, at most `max_units` of
# a domain), we compute the
# [representational dissimilarity matrix](GLOSSARY.md#rdm) (RDM)
# of the intact images of the other half: 1 − *r* of the patterns of two images. Two blocks are
# compared by Spearman's *ρ* of their RDMs. The mean over pairs of blocks is a network's
# consistency; its 95 % interval comes from resampled images. Here averaged over networks:

# %%
layer_consistencies = study.layer_consistencies()
mean_consistency = layer_consistencies[layer_consistencies["layer"] == "all"]
matrices = {condition: mean_consistency_matrix(layer_consistencies, condition, layers)
            for condition in conditions}
consistency_by_condition = mean_consistency.groupby("condition", sort=False)[
    ["r", "low", "high"]].mean().reindex(conditions)
consistency_by_condition.round(3)

# %% [markdown]
# A condition without a value has networks with too few selective units in too many blocks: no two
# of their RDMs can be compared.
#
# ## 7 · Networks as the sample
#
# As in notebook 13: conditions are compared seed by seed. Domains and blocks where one of the two
# conditions has too few units are left out for both.

# %%
pairs, pair_names = statistics.condition_pairs(spec), statistics.name_differences(spec)
differences = {comparison: {
    measure: statistics.paired_differences_by_layer(
        measurable[measurable["measure"] == measure], *pair, value="corrected")
    for measure in unit_distribution.MEASURES} for comparison, pair in pairs.items()}
consistent = mean_consistency.set_index(["condition", "seed"])["r"].dropna()
for comparison, pair in pairs.items():
    differences[comparison]["consistency"] = statistics.paired_differences(consistent, *pair)
print("seeds:", {comparison: len(its["Moran's I"]) for comparison, its in differences.items()})

# %% [markdown]
# Mean difference and 95 % interval over seeds (Student's *t*):

# %%
def with_interval(values):
    if not len(values):
        return "–"
    low, high = confidence_interval(values)
    return f"{values.mean():+.3f} [{low:.3f}, {high:.3f}]"

pd.DataFrame({pair_names[comparison]: {
    measure: with_interval(values) for measure, values in its.items()}
    for comparison, its in differences.items()})

# %% [markdown]
# ## 8 · The figure
#
# **A, B** One measure of evenness and one of space, by block: are selective units distributed as
# random units would be, and is a network trained with captions closer to that?

# %%
figure = style.new_figure(8.2, alt="""A, B: lines over four blocks, entropy over maps and Moran's I
    of conditions, with a dotted line for random units. C: small maps of each block, brighter where
    more feature maps have a selective unit. D, E: block by block matrices of correlations, labels
    and captions. F: mean correlation of every network with its interval. G: intervals of
    differences from labels, five measures. H: the same for captions minus shuffled captions.""")
grid = figure.add_gridspec(4, 1, height_ratios=[1.25, 0.85, 1.3, 1.45], hspace=0.62, left=0.18,
                           right=0.95, top=0.925, bottom=0.075)
top = grid[0].subgridspec(1, 2, wspace=0.3).subplots()
for axes, letter, measure in zip(top, "AB", ("entropy over maps", "Moran's I")):
    plots.layer_lines(axes, measurable[measurable["measure"] == measure], conditions, layers,
                      chance=float(measure in unit_distribution.RATIOS))
    axes.set(title=measure, ylabel="corrected for n of units")
    style.panel_letter(axes, letter, x=-0.14)
plots.condition_legend(figure, measurable, conditions)

# %% [markdown]
# **C** Where do the units of one domain lie? **D, E** Which blocks have similar representational
# geometry, with labels and with captions? **F** How consistent is every network?

# %%
corner = plots.position_maps(figure, grid[1], masks)
corner.set_ylabel(f"{style.display_name(map_domain)},\n{shown_condition}")
style.panel_letter(corner, "C", x=-0.35)
third = grid[2].subgridspec(1, 3, wspace=0.34, width_ratios=[1, 1, 1.7]).subplots()
for axes, letter, condition in zip(third, "DE", (spec.vision, spec.language)):
    matrix = matrices.get(condition, np.full((len(layers), len(layers)), np.nan))
    plots.consistency_matrix(axes, matrix, layers)
    axes.set_title(f"Spearman's ρ, {condition}" if condition else "no captions here")
    style.panel_letter(axes, letter, x=-0.05 if letter == "E" else -0.4)
third[1].set_yticks([])
plots.consistency_dots(third[2], mean_consistency, conditions)
third[2].set(ylabel="mean ρ of pairs of blocks", title="consistency, 95 % over images")
style.panel_letter(third[2], "F", x=-0.12)

# %% [markdown]
# **G, H** Do the conditions differ, over seeds? In brackets the sign that the paper's abstracts
# let expect.

# %%
plotted = {"entropy over maps": "+", "Gini over maps": "−", "Moran's I": "−",
           "mean distance": "+", "consistency": "+"}
shown, control = ({comparison: {measure: differences[comparison][measure] for measure in plotted}
                   for comparison in names} for names in (
    ("language", "text-embedding targets"), ("captions − shuffled captions",)))
print(f"G: {len(shown)} comparisons, H: {len(control)}, of {len(plotted)} measures")

# %% [markdown]
# The colour of a difference is that of its first condition.

# %%
labels = [f"{measure} ({sign})" for measure, sign in plotted.items()]
by_name = condition_styles(conditions)
styles = {comparison: by_name.get(pair[0], by_name[spec.vision])
          for comparison, pair in pairs.items()}
last = grid[3].subgridspec(1, 2, wspace=0.12, width_ratios=[1.5, 1]).subplots(sharey=True)
plots.difference_rows(last[0], shown, styles, labels)
plots.difference_rows(last[1], control, styles, labels)
titles = f"difference from {spec.vision}", "captions minus shuffled captions"
for axes, letter, title in zip(last, "GH", titles):
    axes.set(xlabel="difference; mean, 95 % over seeds", title=title)
    style.panel_letter(axes, letter, x=-0.02)
last[1].tick_params(labelleft=False)

# %% [markdown]
# All is saved, with a table for each panel, and shown.

# %%
difference_table = pd.DataFrame(
    [{"comparison": comparison, "measure": measure, "seed": seed, "difference": value}
     for comparison, its in differences.items() for measure, one in its.items()
     for seed, value in enumerate(one)])
position_table = pd.DataFrame(
    [{"layer": layer, "row": row, "column": column, "n_units": int(n)}
     for layer, its in masks.items() for (row, column), n in np.ndenumerate(its.sum(0))])
png = style.save_figure(figure, laboratory.provenance, {
    "A": measurable, "B": layer_consistencies, "C": position_table, "D": difference_table})

# %% [markdown]
# **Figure 14.** **A, B** Distribution of selective units, corrected for their number; dotted:
# random units. Lines: means over networks of a condition and over domains with enough units; dots:
# networks; conditions with enough units in one block only are left out. **C** Positions of the
# units that prefer the domain of the parameters, in the first network trained with captions (with
# labels where there is none): the percentage of feature maps with a selective unit there. **D, E**
# Consistency of blocks: Spearman's *ρ* of their RDMs, mean over networks. **F** Its mean over pairs
# of blocks: a marker is a network, its line the 95 % interval over resampled images, black the mean
# over networks. **G, H** Differences between conditions: grey dots are seeds, lines 95 % intervals
# of their mean (Student's *t*), in the colour of the first condition. The stamp says whether the
# data are REAL or SYNTHETIC.

# %% [markdown]
# ## 9 · Claims
#
# Directions are from the abstracts of the paper's two versions; its numbers are not at hand. How
# evenly units should lie *compared with shuffled captions*, nobody claims: this difference is shown
# in section 7 and panel H, but not judged. That units are clustered at all is a sanity check:
# positions of a map share their weights, and images are alike at adjacent positions.
#
# Each claim over seeds is judged by itself, by a 95 % interval that is not corrected for the number
# of claims: of twenty claims without any effect, one is expected to be decided. The last line of
# the list says which verdicts would remain under Holm's rule.

# %%
vision_only = measurable[measurable["condition"] == spec.vision]
for measure, words in (("Gini over maps", "Selective units sit in few feature maps"),
                       ("Moran's I", "Within a map, selective units lie side by side")):
    its = vision_only[vision_only["measure"] == measure]
    above = int((its["observed"] > its["null_high"]).sum())
    claims.count(f"{words}, more than chance would have it", above, len(its), "above", 0.5,
                 of=f"stages, domains and networks ({spec.vision}) with {measure} above 97.5 % of "
                 "units drawn anew", source="convolution of smooth images", paper="not tested",
                 kind=CHECK)

# %% [markdown]
# What the two abstracts say of feature maps and of space, each by two measures, for networks
# trained with captions and with text-embedding targets:

# %%
expected = {"entropy over maps": ("above 0", "lie more evenly over feature maps", "first abstract"),
            "Gini over maps": ("below 0", "lie more evenly over feature maps", "first abstract"),
            "Moran's I": ("below 0", "are less localised in space", "second abstract"),
            "mean distance": ("above 0", "are less localised in space", "second abstract")}
judged = {name: pair_names[name] for name in ("language", "text-embedding targets")}
for measure, (direction, words, source) in expected.items():
    for comparison, pair_name in judged.items():
        claims.interval(f"Selective units {words}: {measure}, {pair_name}",
                        differences[comparison][measure], direction, paper=words, sample="seeds",
                        of="corrected for the number of units, the same stages and domains",
                        source=f"{source}; its measure is not at hand")

# %% [markdown]
# What the first abstract says of layers. Where there is one network with language and one without
# (the published pair), there are no seeds to compare; the interval over resampled images replaces
# them.

# %%
is_pair = sum(condition == spec.language for condition, *_ in study.iter_networks()) == 1
for comparison, pair_name in judged.items():
    if is_pair and comparison == "language":
        ours, theirs = mean_consistency.set_index("condition").loc[
            [spec.language, spec.vision], ["r", "low", "high"]].to_numpy(float)
        claims.judge("In the published pair, layers agree more with language", *(ours - theirs[
            [0, 2, 1]]), "above 0", source="first abstract", paper="more",
            of="difference of consistency, from the two intervals over resampled images",
            rests_on="one training of each network")
        continue
    claims.interval(f"Selective units agree more across layers: consistency, {pair_name}",
                    differences[comparison]["consistency"], "above 0",
                    of="mean over pairs of stages", sample="seeds",
                    paper="agree more across layers",
                    source="first abstract; its measure is not at hand")

# %% [markdown]
# The headline numbers, and all claims with their rules:

# %%
for condition in conditions:
    claims.number(f"consistency, {condition}",
                  round_numbers({"mean": consistency_by_condition.loc[condition, "r"]}))
path = claims.save()
print(claims.text())

# %% [markdown]
# The verdicts alone are the same on every machine:

# %%
# NBVAL_CHECK_OUTPUT
print(claims.verdicts())

# %% [markdown]
# ## 10 · What we see, what the paper says, why they differ
#
# Are selective units clustered at all? And does language change it in the direction of the paper?

# %% tags=["prose"]
def verdict_of(words, name):    # a profile without such networks has several alike
    return claims.verdict(f"{words}, {judged[name]}") if all(pairs[name]) else "not testable here"

moran, clustered = "Moran's I", outside.get(spec.vision, pd.Series(dtype=float)).reindex(
    list(unit_distribution.MEASURES))
rows = [f"| {measure} | {direction} | " + " | ".join(
    f"{with_interval(differences[name][measure])}, "
    f"*{verdict_of(f'Selective units {words}: {measure}', name)}*" for name in judged) + " |"
    for measure in expected for direction, words, _ in [expected[measure]]]
Markdown("\n".join([
    f"In the networks trained with {spec.vision}, the Gini coefficient lies outside chance in "
    f"{clustered['Gini over maps']:.0%} of the blocks and domains that can be measured, Moran's "
    f"*I* in {clustered[moran]:.0%}.", "",
    "| measure | paper | " + " | ".join(judged.values()) + " |", "|---|---|---|---|", *rows]))

# %% [markdown]
# The raw values can suggest something else: conditions differ in their number of units, and raw
# entropy rises with that number (exercise *Extend*). Whether the paper corrected for it is not at
# hand.

# %% tags=["prose"]
entropies = measurable[measurable["measure"] == "entropy over maps"]
raw = statistics.paired_differences_by_layer(entropies, *pairs["language"], value="observed")
has_units = {condition: [layer for layer in layers if layer in set(its["layer"])]
             for condition, its in entropies.groupby("condition")}
few = [f"{condition} ({', '.join(its)})" for condition, its in has_units.items() if len(its) < 2]
missing = [c for c in conditions if not np.isfinite(consistency_by_condition.loc[c, "r"])]
Markdown(f"""The difference of entropy, {judged["language"]}: {with_interval(raw)} in raw values,
{with_interval(differences["language"]["entropy over maps"])} corrected.

Enough units in one block only have: {", ".join(few) or "none"}. What is said of them (panel H:
mean distance {with_interval(differences["captions − shuffled captions"]["mean distance"])}) is said
of that block. Consistency cannot be computed for: {", ".join(missing) or "none"}.""")

# %% [markdown]
# On layers, the first abstract reported more consistency with language. Consistency is a mean over
# pairs of blocks, some of which are much more similar than others; and it differs between seeds.

# %% tags=["prose"]
matrix = np.where(np.eye(len(layers), dtype=bool), np.nan, matrices[spec.vision])
most = (" and ".join(layers[i] for i in np.unravel_index(np.nanargmax(matrix), matrix.shape))
        + f" ({np.nanmax(matrix):.2f})" if np.isfinite(matrix).any() else "none here")
seeds = mean_consistency[mean_consistency["condition"] == spec.vision]["r"]
layers_agree = {name: verdict_of("Selective units agree more across layers: consistency", name)
                if not (is_pair and name == "language") else claims.verdict("In the published pair")
                for name in judged}
Markdown(f"""The most similar blocks of the networks trained with {spec.vision} are {most}. The
consistency of these networks runs from {seeds.min():.2f} to {seeds.max():.2f} over seeds.
Consistency, """ + "; ".join(f"{judged[name]}: {with_interval(differences[name]['consistency'])}, "
                             f"*{verdict}*" for name, verdict in layers_agree.items()) + ".")

# %% [markdown]
# Units in the middle of the map are expected from these images in any network: the localizer shows
# its objects near the middle. Moran's *I* reflects this as much as the network.

# %% [markdown]
# ## Known deviations from the paper
#
# Where a step differs from the published code or text, under every profile; of all notebooks:
# [REPRODUCING.md](../REPRODUCING.md).

# %%
Markdown(deviation_table(laboratory.provenance.notebook))

# %% [markdown]
# ## 11 · Exercises
#
# **Read.** In the table of section 3, which measures cannot distinguish units in *ten maps* from
# units at random? Return the set of their names: corrected values less than 0.1 from chance. (Mind
# that chance is 1 for some measures and 0 for others.)

# %% tags=["exercise"]
blind_measures = None    # a set of names of measures

# %% tags=["solution"]
distance = (known_table["ten maps"] - known_table["chance"]).abs()
blind_measures = set(distance.index[distance < 0.1])

# %% tags=["check"]
# NBVAL_CHECK_OUTPUT
ten = known_table["ten maps"]
blind = set(ten.index[(ten - known_table["chance"]).abs() < 0.1])
_ = check(blind_measures, blind, hint="A measure of positions knows nothing of maps.", wrong={
    "These do distinguish them: the others are asked for.": set(ten.index) - blind,
    "Some measures are 0 at chance, not 1.": set(ten.index[(ten - 1).abs() < 0.1]),
    "Some measures are 1 at chance, not 0.": set(ten.index[ten.abs() < 0.1]),
    "That is right for units at random, not for ten maps.": set(ten.index)})

# %% [markdown]
# **Change.** How much does the result depend on `min_units`? Write a function that takes it, leaves
# out the rows of `unit_distributions` with fewer units, and returns the mean over seeds of the
# corrected entropy over maps, first pair of `pairs["language"]` minus second (section 7). Nothing
# needs to be trained or measured again.

# %% tags=["exercise"]
def entropy_difference(min_units):
    """Return the mean difference of corrected entropy over maps, with language minus without."""
    raise NotImplementedError

# %% tags=["solution"]
def entropy_difference(min_units):
    """Return the mean difference of corrected entropy over maps, with language minus without."""
    enough = unit_distributions[(unit_distributions["n_units"] >= min_units)
                                & (unit_distributions["measure"] == "entropy over maps")]
    values = statistics.paired_differences_by_layer(enough, *pairs["language"], value="corrected")
    return float(values.mean()) if len(values) else np.nan

# %% tags=["check"]
# NBVAL_CHECK_OUTPUT
def entropy_with(least, pair=pairs["language"], value="corrected", measure="entropy over maps"):
    its = unit_distributions[(unit_distributions["n_units"] >= least)
                             & (unit_distributions["measure"] == measure)]
    values = statistics.paired_differences_by_layer(its, *pair, value=value)
    return float(values.mean()) if len(values) else np.nan

_ = check(entropy_difference, entropy_with, on=[(10,), (40,), (80,)],
          hint="statistics.paired_differences_by_layer as in section 7, on fewer rows.",
          wrong={"The filter has no effect: take unit_distributions, not measurable.":
                     lambda least: entropy_with(10),
                 "These are raw values; take value='corrected'.":
                     lambda least: entropy_with(least, value="observed"),
                 "With language minus without, not the reverse.":
                     lambda least: -entropy_with(least),
                 "That is the Gini coefficient.":
                     lambda least: entropy_with(least, measure="Gini over maps")})

# %% [markdown]
# **Extend.** Two networks have few and many selective units, all at random positions in 128 maps of
# 25 positions. By how much does the *raw* entropy over maps differ? Write a function that takes the
# two numbers of units and returns the entropy of many minus that of few, each the mean of 100
# draws. (Masks as in section 3; `unit_distribution.MEASURES["entropy over maps"](mask)`.)

# %% tags=["exercise"]
def entropy_gap(n_few, n_many):
    """Return mean raw entropy over maps of n_many random units minus that of n_few."""
    raise NotImplementedError

# %% tags=["solution"]
def entropy_gap(n_few, n_many):
    """Return mean raw entropy over maps of n_many random units minus that of n_few."""
    rng, means = np.random.default_rng(0), []
    for n in (n_few, n_many):
        drawn = [(rng.permutation(3200) < n).reshape(128, 5, 5) for _ in range(100)]
        means.append(np.mean([unit_distribution.MEASURES["entropy over maps"](one)
                              for one in drawn]))
    return means[1] - means[0]

# %% tags=["check"]
# NBVAL_CHECK_OUTPUT
def by_chance(n, measure="entropy over maps"):
    its = (np.arange(3200) < n).reshape(128, 5, 5)
    return unit_distribution.measure_distribution(its, seed=1)[measure].null_mean

gap = lambda few, many: by_chance(many) - by_chance(few)
_ = check(entropy_gap, gap, on=[(20, 200), (10, 50)], tolerance=0.05,
          hint="Draw n of 3,200 units, count them by map, take the entropy; average many draws.",
          wrong={"Many minus few, not the reverse.": lambda few, many: gap(many, few),
                 "Divide by ln 128: entropy is normalised.": lambda few, many: np.log(128) * gap(
                     few, many),
                 "That is the largest possible entropy: random units share maps.":
                     lambda few, many: np.log(min(many, 128) / few) / np.log(128),
                 "That is the Gini coefficient.": lambda few, many: by_chance(
                     many, "Gini over maps") - by_chance(few, "Gini over maps")})

# %% [markdown]
# **Discuss.** (1) A convolution has the same weights at every position. What does it mean, then,
# that selective units lie in the middle of a map? (2) Layers may be consistent because both code
# the category, or because both code luminance and size. How would you distinguish the two? (3)
# Which null distribution would you use to test whether units are *clustered*, as they are in
# cortex?
#
# **References.** Lu & Wang (2025), arXiv 2502.16456 · Moran (1950), *Biometrika* 37 · Kriegeskorte,
# Mur & Bandettini (2008), *Front Syst Neurosci* 2 (dissimilarities).
#
# Previous: [13 · Compare vision and language](13_compare_vision_and_language.ipynb). Next:
# [15 · Watch selectivity emerge](15_watch_selectivity_emerge.ipynb).
