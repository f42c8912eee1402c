# %% [markdown]
# # 13 · Does training with language make more units selective, and each of them less so?
#
# Lu & Wang (2025), proportion and tuning strength of selective units
# ([arXiv 2502.16456](https://arxiv.org/abs/2502.16456)).
# On two cores: one minute and 1.7 GB under `demo`, two minutes and 4 GB under `mini`; under `paper`
# not measured: weights are downloaded first.

# %% [markdown]
# **Goal.** A network trained on images and captions (CLIP) was found to have more
# category-selective units than a network trained on labels, each of them less specific. But the
# two differ in more than language: in images, their number, loss and architecture. Here small
# networks of one architecture are trained on the *same images*, in the same order, for the same
# number of steps, from the same initial weights; only the supervision differs.
#
# **You will learn**
# - why a published pair of networks confounds language with data and scale, and how
#   [matched models](GLOSSARY.md#matched-models) separate these;
# - why "more significant units" can mean less noise, and how comparing equal numbers of units
#   helps;
# - why networks, and not units, are the sample.

# %% tags=["parameters"]
profile = "demo"          # demo, mini, paper, or the path of your own TOML file
shown_fdr_alpha = 0.05    # false discovery rate of the figure and the claims (theirs: not at hand)

# %%
import numpy as np
import pandas as pd
import torch
from IPython.display import Markdown
from scipy import stats

from helpers import lab
from helpers.core.intervals import mean_interval
from helpers.exercises import check
from helpers.figures import schematic, style
from helpers.figures.claims import ClaimsTable, round_numbers
from helpers.figures.deviations import deviation_table
from helpers.lesions.silencing import Lesion, apply_lesion
from helpers.matched_models import plots, statistics
from helpers.matched_models.study import MatchedModelsStudy
from helpers.networks.activations import channel_means, extract_activations
from helpers.stimuli.domains import number_word

laboratory = lab.open(profile, notebook="13_compare_vision_and_language")
claims = ClaimsTable(laboratory.provenance)
style.use_style()
print(laboratory.provenance.line)

# %% [markdown]
# ## 1 · Six sets of images
#
# Faces, bodies, scenes and words, and scrambled scenes and words: textures and mosaics of the same
# scenes and words. (A localizer of other domains gives other sets.) All are grey, with the same
# mean and standard deviation of luminance. Units are selected on one half of each set and measured
# on the other half, and vice versa.

# %%
study = MatchedModelsStudy.from_profile(laboratory.profile, laboratory.images, laboratory.network)
spec, images, domains = study.spec, study.images, list(study.domains)
style.add_domains(images.domain_names)
second_study = MatchedModelsStudy.from_profile(
    laboratory.profile, laboratory.images, laboratory.network,
    second_localizer=True) if spec.second_localizer else None
conditions, layers = list(spec.conditions), list(spec.layers)
print(f"{len(images)} images:", {style.display_name(name): images.domains.count(name)
                                 for name in images.domain_names})

# %% [markdown]
# The way from images to the figure: the same images go through networks that differ in one thing,
# and two questions are asked of each block. How many units prefer one set to all others, and how
# strongly?

# %%
examples = [images.open(images.domains.index(domain)) for domain in domains[:4]]
schematic.draw_schematic([
    schematic.Step("images", schematic.images(examples), f"{len(images.domain_names)} sets"),
    schematic.Step("matched models", schematic.network(4, [2, 3]),
                   f"{len(conditions)} conditions,\none architecture"),
    schematic.Step("how many?", schematic.bars([.75, .6, .3], ["0.3", "0.5", "0.7"]),
                   "selective units (A–C)"),
    schematic.Step("how strongly?", schematic.formula(
        r"$\frac{m_p - m_o}{|m_p| + |m_o|}$", r"$d^\prime$"), "on other images (D–F)"),
    schematic.Step("differences", schematic.points(
        [.3, .35, .42, .7, .75, .8], [.7, .7, .7, .3, .3, .3]), "a dot: one seed (G, H)")],
    laboratory.provenance, alt="Five steps from left to right: example images of faces, bodies, "
    "scenes and words, a network with marked units, bars of the number of selective units, the "
    "selectivity index and d', and differences between conditions, seed by seed.")

# %% [markdown]
# ## 2 · The networks
#
# *Labels*: the names of 48 categories, most of them kinds of what is tested here: adults and
# children, hands, houses. *Object labels*: the names of 16 kinds of objects, and one label for all
# faces, bodies, scenes and words together, as ImageNet has hardly a class of these. *Captions*:
# contrastive learning of image-caption pairs, as in CLIP. [*Text-embedding targets*](GLOSSARY.md#text-embedding-targets): the image's output is
# trained to match an embedding of its caption that is computed from texts alone (latent semantic
# analysis). *Shuffled captions*: the contrastive loss with captions permuted over images, once:
# language that says nothing about the image. *Views*: contrastive learning of two views of an
# image, without language. *Untrained*: the
# [initial weights](GLOSSARY.md#randomly-initialised-control). Other profiles name other conditions.

# %%
networks = pd.DataFrame(list(study.iter_networks()), columns=["condition", "seed", "network"])
first = networks.groupby("condition", sort=False)["network"].first()    # network of seed 0
n_networks = networks["condition"].value_counts().to_dict()
entries = {condition: study.network(name).entry for condition, name in first.items()}
pd.DataFrame({"objective": {condition: one.objective for condition, one in entries.items()},
              "images": {condition: one.diet for condition, one in entries.items()},
              "networks": n_networks}).reindex(conditions)

# %% [markdown]
# ## 3 · The test and the tuning strength of one unit
#
# As in notebook 01, a unit is selective for a set if it responds more to it than to *every* other
# set: five two-sample *t* tests, all positive and significant. Units are single positions of the
# feature maps at the output of each block. Which test the paper used is not at hand. We build all
# of it on the last block of one network, whose activations are small enough to hold.

# %%
shown = spec.language or spec.vision
network, end = study.network(first[shown]), layers[-1]
block = study.blocks(first[shown])[end]
rows = np.array_split(np.arange(len(images)), -(-len(images) // 64))
activations = extract_activations(network.model, {end: end}, images.batches(
    rows, network.preprocessing))[end].numpy()
sets, halves = np.array(images.domains), images.halves
target_set, *others = images.domain_names    # faces, and all other sets
print(f"{end}, {shown}: {activations.shape[0]} images × {activations.shape[1]} units")

# %% [markdown]
# The contrasts on the first half of the images. The weakest of the five decides, so units are
# ranked by their *smallest* t; we follow the unit that is the best for the first set, faces.

# %%
def student_t(first, second):
    """t of every unit, equal variances; positive: the mean of the first sample is larger."""
    df = len(first) + len(second) - 2
    squares = ((first - first.mean(0))**2).sum(0) + ((second - second.mean(0))**2).sum(0)
    with np.errstate(divide="ignore", invalid="ignore"):    # units that never respond
        return (first.mean(0) - second.mean(0)) / np.sqrt(squares / df * (
            1 / len(first) + 1 / len(second)))

selecting = {name: activations[(sets == name) & (halves == 0)].astype(float)
             for name in images.domain_names}
t = np.stack([student_t(selecting[target_set], selecting[name]) for name in others])
target = block.sets.index(target_set)
np.testing.assert_allclose(t.min(0), block.min_t[target, 0], rtol=1e-3, atol=1e-3)
unit = int(np.nan_to_num(t.min(0), nan=-np.inf).argmax())
pd.Series(t[:, unit], [f"{style.display_name(target_set)} − {style.display_name(name)}"
                     for name in others], name=f"t of unit {unit}").round(2)

# %% [markdown]
# The significance step. With *m* units in the block, the
# [Benjamini–Yekutieli](GLOSSARY.md#benjamini-yekutieli) rule rejects the *k* smallest p values of a
# contrast for the largest *k* with $p_{(k)} \le \frac{k}{m c_m}\,\alpha$, $c_m = \sum_{i=1}^{m}
# 1/i$. A unit must pass it in all five contrasts.

# %%
def rejected(p, alpha):
    """Which p values (m,) the Benjamini-Yekutieli rule rejects; NaN: not rejected."""
    ordered, rank = np.sort(p), np.arange(1, len(p) + 1)
    passes = ordered <= rank * alpha / (len(p) * (1 / rank).sum())
    return p <= ordered[passes].max(initial=0)

df = len(selecting[target_set]) + len(selecting[others[0]]) - 2
p = 2 * stats.t.sf(np.abs(t), df)
selective = ((t > 0) & [rejected(one, shown_fdr_alpha) for one in p]).all(0)
by_package = block.selective_mask(target_set, 0, shown_fdr_alpha)
assert (selective != by_package).sum() <= 1, "rounding may turn one unit"
print(f"{selective.sum()} of {len(selective)} units are selective for "
      f"{style.display_name(target_set)} on this half, the package finds {by_package.sum()}; "
      f"unit {unit}: largest p of {number_word(len(others))} {p[:, unit].max():.1e}")

# %% [markdown]
# Tuning strength is measured on the half that did *not* select the unit. With $m_p$ the mean
# response to the preferred set and $m_o$ that to the others, $s_p$ and $s_o$ their standard
# deviations, the [selectivity index](GLOSSARY.md#csi) and [d′](GLOSSARY.md#d-prime) are
#
# $$\mathrm{CSI} = \frac{m_p - m_o}{|m_p| + |m_o|}, \qquad
# d' = \frac{m_p - m_o}{\sqrt{(s_p^2 + s_o^2) / 2}}$$

# %%
measuring = {name: activations[(sets == name) & (halves == 1), unit].astype(float)
             for name in images.domain_names}
preferred, rest = measuring[target_set], np.concatenate([measuring[name] for name in others])
m_p, m_o = preferred.mean(), np.mean([measuring[name].mean() for name in others])
csi = (m_p - m_o) / (abs(m_p) + abs(m_o)) if m_p or m_o else np.nan
spread = np.sqrt((preferred.var(ddof=1) + rest.var(ddof=1)) / 2)
d_prime = (m_p - rest.mean()) / spread if spread else np.nan
np.testing.assert_allclose([csi, d_prime], [block.selectivity_index[target, 1, unit],
                                            block.d_prime[target, 1, unit]], rtol=1e-3)
print(f"unit {unit}: mean response {m_p:.3f} to {style.display_name(target_set)}, {m_o:.3f} to the "
      f"others; CSI {csi:.3f}, d' {d_prime:.2f}, as the package finds")

# %% [markdown]
# ## 4 · How many units?
#
# The same test of every unit of every network, now on all images: percent of a block's units,
# summed over the domains, means over networks.

# %%
proportions = study.proportions()
total = statistics.sum_over_domains(proportions)
at_fdr_alpha = total[total["fdr_alpha"] == shown_fdr_alpha]
(100 * at_fdr_alpha.pivot_table(index="condition", columns="layer",
                                values="proportion")).reindex(conditions).round(2)

# %% [markdown]
# The same by domain, in the last block.

# %%
by_domain = proportions[proportions["fdr_alpha"] == shown_fdr_alpha]
last = by_domain[by_domain["layer"] == layers[-1]]
print(f"selective units of {layers[-1]}, percent, mean over networks")
(100 * last.pivot_table(index="condition", columns="domain", values="proportion").reindex(
    index=conditions, columns=domains)).rename(columns=style.display_name).round(2)

# %% [markdown]
# Of the units that are selective on one half of the images, how many are selective on the other
# half? (Empty: there was none on the first half.)

# %%
print(f"proportion of selective units of {layers[-1]} that replicate, mean over networks")
last.pivot_table(index="condition", columns="domain", values="proportion_replicated").reindex(
    index=conditions, columns=domains).rename(columns=style.display_name).round(2)

# %% [markdown]
# ## 5 · How strongly tuned are they?
#
# On the half that did not select them: CSI and d′, as in step 3; **lifetime sparseness**, high
# where few images activate a unit; and **activation**, the response to the preferred set divided by
# the block's mean response. Which of these the paper means by "specificity" is not at hand, so all
# four are shown.

# %%
tuning_strengths = study.tuning_strengths()
(tuning_strengths.pivot_table(index="condition", columns="measure", values="value")
 .reindex(index=conditions, columns=statistics.TUNING_MEASURES)).round(3)

# %% [markdown]
# ## 6 · The same number of units
#
# In a block with less noise more units are significant, weaker ones among them, which lowers their
# mean. So we also take the same number from every network: in each block and for each domain the
# units with the largest *smallest* t over contrasts, whether or not they are significant.

# %%
equal_n_strengths = study.tuning_strengths(n_best=spec.n_units)
print(f"{spec.n_units} units of each domain and block")
(equal_n_strengths.pivot_table(index="condition", columns="measure", values="value")
 .reindex(index=conditions, columns=statistics.TUNING_MEASURES)).round(3)

# %% [markdown]
# ## 7 · Other thresholds, other images
#
# Does the result depend on the false discovery rate, or on these images? The second localizer,
# where the profile names one, has other exemplars in another style. First the rates: percent of
# units, mean over blocks and networks.

# %%
(100 * total.pivot_table(index="condition", columns="fdr_alpha",
                         values="proportion")).reindex(conditions).round(2)

# %% [markdown]
# Then the second localizer, at the rate of the claims.

# %%
second_localizer_proportion = pd.Series(dtype=float)
if spec.second_localizer:
    other = statistics.sum_over_domains(second_study.proportions())
    second_localizer_proportion = statistics.mean_per_network(
        other[other["fdr_alpha"] == shown_fdr_alpha], "proportion")
    print((100 * second_localizer_proportion.groupby(
        "condition", sort=False).mean()).round(2).to_string())
else:
    print("this profile names no second localizer")

# %% [markdown]
# ## 8 · Networks as the sample
#
# One number per network, the mean over blocks (and domains). Networks of one seed have the same
# initial weights and the same order of images, so conditions are compared seed by seed: captions and
# text-embedding targets with labels; captions with labels that leave the tested domains out, with
# shuffled captions, and with views, which share the contrastive loss; and the two kinds of labels.
# First the proportions.

# %%
pairs, pair_names = statistics.condition_pairs(spec), statistics.name_differences(spec)
values = {"proportion": statistics.mean_per_network(at_fdr_alpha, "proportion"),
          "proportion, second localizer": second_localizer_proportion}
differences = {comparison: {name: statistics.paired_differences(one, *pair)
                            for name, one in values.items() if len(one)}
               for comparison, pair in pairs.items()}
{pair_names[name]: its["proportion"].round(4).tolist()
 for name, its in differences.items()}

# %% [markdown]
# Tuning strength is compared in those blocks and domains where both conditions have selective
# units.

# %%
for subset, table in (("", tuning_strengths), (", equal n", equal_n_strengths)):
    for measure in statistics.TUNING_MEASURES:
        its = table[table["measure"] == measure]
        for comparison, pair in pairs.items():
            differences[comparison][measure + subset] = (
                statistics.paired_differences_by_layer(its, *pair))
print("differences between conditions, mean over seeds (empty: nothing to compare)")
pd.DataFrame({pair_names[comparison]: {
    measure: difference.mean() if len(difference) else np.nan
    for measure, difference in its.items()} for comparison, its in differences.items()}).round(4)

# %% [markdown]
# Where there is one network of each condition, as in the published pair, images can be resampled (a
# [bootstrap](GLOSSARY.md#bootstrap)), but the sample is still *two networks*: the interval says
# what other images would change, not what another training would.

# %%
bootstrap_d_prime = study.bootstrap_strengths().pivot(index="draw", columns=["condition", "seed"],
                                                      values="d'")
resampled = bootstrap_d_prime.loc[0:]
print("d' of selective units, one network a row: as measured, and 95 % over resampled images")
pd.DataFrame({"d'": bootstrap_d_prime.loc[-1], "low": resampled.quantile(0.025),
              "high": resampled.quantile(0.975)}).dropna().round(3)

# %% [markdown]
# The difference between two such networks, resampled over the same images.

# %%
published_pair_difference = (
    bootstrap_d_prime[spec.language, 0] - bootstrap_d_prime[spec.vision, 0] if spec.language
    else pd.Series(np.nan, bootstrap_d_prime.index))
low, high = published_pair_difference.loc[0:].quantile([0.025, 0.975])
print(f"first network of each, {pair_names['language']}: "
      f"d' {published_pair_difference.loc[-1]:+.3f} [{low:.3f}, {high:.3f}]")

# %% [markdown]
# ## 9 · The figure
#
# The first row asks how many units are selective, the second how strongly equal numbers of them are
# tuned, the third what differs between conditions.

# %%
figure = style.new_figure(
    8.2, "Eight panels about networks of one architecture that differ in their supervision, one "
    "colour and marker per condition. First row: the proportion of selective units by block, by "
    "domain in the last block, and by false discovery rate. Second row: selectivity index and d' "
    "of equal numbers of units by block, and four measures relative to the network trained without "
    "language. Third row: differences between conditions in the number of units and in d', a dot "
    "for each seed.")
plots.condition_legend(figure, conditions, n_networks, ncols=4)
top, middle = (figure.add_gridspec(1, 3, left=0.085, right=0.985, top=upper, bottom=upper - 0.18,
                                   wspace=0.45).subplots() for upper in (0.91, 0.64))
bottom = figure.add_gridspec(1, 2, left=0.2, right=0.985, top=0.36, bottom=0.075,
                             wspace=0.62).subplots()

# %% [markdown]
# Proportions by domain and by threshold differ a hundredfold: their axes are logarithmic.

# %%
plots.condition_lines(top[0], at_fdr_alpha, "proportion", conditions, layers)
plots.condition_dots(top[1], last.assign(group=last["domain"]), {
    name: style.display_name(name) for name in domains}, "proportion", conditions)
plots.logarithmic_proportions(top[1])
plots.fdr_alpha_lines(top[2], total, "proportion", conditions)
for panel, title, words in zip(top, ("How many, by depth?", "For which domains?",
                                     "At other thresholds?"),
                               (f"{number_word(len(domains))} domains", layers[-1],
                                "all blocks")):
    panel.set(title=title, ylabel=f"selective units, {words}")
    style.percent_axis(panel.yaxis)

# %% [markdown]
# The second row shows equal numbers of units. Its third panel divides each measure by its mean in
# the networks trained without language, so that four scales fit on one axis.

# %%
for panel, measure in zip(middle, ("CSI", "d'")):
    plots.condition_lines(panel, equal_n_strengths[equal_n_strengths["measure"] == measure],
                          "value", conditions, layers)
    panel.set(title=f"{measure} of the {spec.n_units} best units", ylabel=measure)
strengths = equal_n_strengths.groupby(["condition", "seed", "measure"])["value"].mean()
relative = strengths.div(strengths[spec.vision].groupby("measure").mean(),
                         level="measure").reset_index()
plots.condition_dots(middle[2], relative.assign(group=relative["measure"]), {
    name: name for name in statistics.TUNING_MEASURES}, "value", conditions)
middle[2].axhline(1, color="0.4", linestyle=":", linewidth=0.8)
middle[2].tick_params(axis="x", rotation=25)
_ = middle[2].set(title="All four measures", ylabel=f"mean, relative to {spec.vision}")

# %% [markdown]
# The last row shows the differences that the claims judge. Comparisons without values (networks
# without selective units, or not in this profile) have no row.

# %%
short = {name: " − ".join(words.replace("text-embedding targets", "text embeddings")
                          for words in pair) for name, pair in pairs.items()}
plots.difference_dots(bottom[0], {short[name]: its["proportion"] for name, its in
                                  differences.items()}, label_width=24)
asked = ("language", "text-embedding targets", "captions − object labels")    # by the paper
plots.difference_dots(bottom[1], {
    f"{short[name]}, {units}": differences[name]["d'" + subset] for subset, units, names in (
        ("", "all\xa0selective", asked), (", equal n", f"{spec.n_units}\xa0best", differences))
    for name in names}, label_width=24)
style.percent_axis(bottom[0].xaxis)
for panel, title, words in zip(bottom, ("More units?", "More strongly tuned?"),
                               ("selective units", "d'")):
    panel.set(title=title, xlabel=f"difference in {words}")

# %% [markdown]
# Letters, and one table for each panel beside the file of the figure (E's is in D's, H's in G's).

# %%
for letter, panel in zip("ABCDEFGH", (*top, *middle, *bottom)):
    style.panel_letter(panel, letter, x=-0.46 if letter in "GH" else -0.26)
seed_differences = pd.DataFrame(
    [{"comparison": comparison, "measure": measure, "seed": seed, "difference": value}
     for comparison, its in differences.items() for measure, difference in its.items()
     for seed, value in enumerate(difference)])
path = style.save_figure(figure, laboratory.provenance, {
    "A": at_fdr_alpha, "B": last, "C": total, "D": equal_n_strengths, "F": relative,
    "G": seed_differences})

# %% [markdown]
# **Figure 13.** **A–C** Units that prefer one set to every other (Benjamini–Yekutieli, .05 in each
# contrast; C: other rates, mean over blocks), percent of a block's units. A and C sum over the
# domains; axes of B and C are linear below 0.1 %. **D–F** Tuning strength of equal numbers of units
# of each domain and block, on the half of the images that did not select them, mean over domains
# (F: and over blocks). Lines and large markers: means over networks of a condition; dots: networks
# (n in the legend). **G, H** Differences between conditions, mean over blocks and domains: dots are
# seeds, bars 95 % intervals of their mean (*t*); "all selective": units that pass the test, for the
# comparisons that the paper asks for. The stamp says whether the data are REAL or SYNTHETIC.

# %% [markdown]
# ## 10 · Claims
#
# Directions are from the abstracts of the paper's two versions; its numbers are not at hand.
# Captions lie above *shuffled captions* in the claims of the control, because these keep the loss,
# the texts and the training steps and remove only what captions say about their images: an effect
# of what they say makes units more selective, and more so with depth, than the same training
# without it. The paper has no such control. *Object labels* are the fairer comparison for the
# paper's claim, whose network trained on labels learned those of ImageNet. Captions minus *views*,
# and labels minus object labels, ask what language adds to a contrastive loss, and what the names
# of the tested categories add to labels; the paper claims no direction, ours is that information
# makes more units selective.
#
# Each [claim](GLOSSARY.md#claim) over seeds is judged by itself, by a 95 % interval that is not
# corrected for the number of claims: of twenty claims without any effect, one is expected to be
# decided. The last line of the claims says which verdicts
# [Holm's rule](GLOSSARY.md#holm-rule) over this notebook's claims would make inconclusive. A claim
# about several measures needs all of them; each is listed with its interval.

# %%
def judge_all(statement, its, expected, **origin):
    """Enter a claim on several means over seeds, all of which must lie where expected."""
    n = min((int(np.isfinite(one).sum()) for one in its.values()), default=0)
    claims.intervals(statement, {name: mean_interval(one) for name, one in its.items()}, expected,
                     n=f"n = {n} seeds", df=n - 1, **origin)

control = {"source": "beyond the paper: control", "paper": "not tested"}
growth = statistics.growth_with_depth(at_fdr_alpha, layers)
judge_all("Selective units grow with depth", {
    condition: growth[condition].to_numpy(float)
    for condition in (spec.vision, spec.language) if condition}, "above 0",
    of="proportion in the last stage minus the first", source="abstracts",
    paper="grow in both networks")

# %% [markdown]
# Are more units selective? The comparisons of the paper's question.

# %%
shuffled, fair = "captions − shuffled captions", "captions − object labels"
origins = {"language": "abstracts",
           "text-embedding targets": "second abstract; whether its network was trained so is not at "
                                     "hand",
           fair: "abstracts; labels without the tested domains are ours"}
more_units = {}    # comparison -> verdict, for the text
for comparison, source in origins.items():
    claims.interval(f"More units are selective: {pair_names[comparison]}",
                    differences[comparison].get("proportion", []), "above 0", sample="seeds",
                    of="proportion, mean over stages", source=source, paper="more with language")
    more_units[comparison] = claims.claims[-1].verdict

# %% [markdown]
# The controls, each against what it leaves out: what captions say (by number, and by growth with
# depth), language, the names of the tested categories, training.

# %%
controls = {pair_names[name]: differences[name].get("proportion", [])
            for name in (shuffled, "captions − views", "labels − object labels")}
controls |= {f"{spec.vision} minus {spec.untrained}": statistics.paired_differences(
                 values["proportion"], spec.vision, spec.untrained),
             f"{pair_names[shuffled]}, last block minus first": statistics.paired_differences(
                 growth, *pairs[shuffled])}
judge_all("The controls have fewer selective units", {
    name: np.asarray(its, float) for name, its in controls.items() if len(its)}, "above 0",
    of="proportion, mean over blocks unless it says otherwise", **control)

# %% [markdown]
# Are they more weakly tuned? All selective units, then equal numbers, against both kinds of labels;
# then the control.

# %%
judge_all("Units are less strongly tuned with language", {
    measure: differences["language"][measure] for measure in statistics.TUNING_MEASURES}, "below 0",
    of=f"{pair_names['language']}, held-out images, the same stages and domains",
    source="abstracts; their measure is not at hand", paper="lower specificity, attenuated")
best = "held-out images, best units of each stage and domain"
judge_all("Equal numbers of units are less strongly tuned with language", {
    f"{measure}, {pair_names[comparison]}": differences[comparison][f"{measure}, equal n"]
    for comparison in ("language", fair) for measure in statistics.TUNING_MEASURES
    if all(pairs[comparison])}, "below 0", of=best,
    source="abstracts; equal numbers and object labels are ours", paper="not tested")
judge_all(f"Equal numbers of units are more strongly tuned: {pair_names[shuffled]}", {
    measure: differences[shuffled][f"{measure}, equal n"]
    for measure in statistics.TUNING_MEASURES}, "above 0", of=best, **control)

# %% [markdown]
# Is it the same at other thresholds and for other images? The direction is that of the mean
# difference at the false discovery rate shown.

# %%
sign = statistics.mean_sign(differences["language"].get("proportion", np.array([])))
robustness = {f"rate {fdr_alpha:g}": sign * statistics.paired_differences(
    statistics.mean_per_network(its, "proportion"), spec.language, spec.vision)
    for fdr_alpha, its in total.groupby("fdr_alpha")}
if spec.second_localizer:
    robustness["second localizer"] = sign * differences["language"]["proportion, second localizer"]
judge_all("The answer does not depend on the threshold or the images", robustness, "above 0",
          of=f"proportion, {pair_names['language']}, in the direction found at "
          f"{shown_fdr_alpha:g}, at all false discovery rates and on the second localizer", source="beyond the paper",
          paper="not tested")

# %% [markdown]
# The published pair, where the profile has one network of each.

# %%
single = n_networks.get(spec.language) == 1
claims.judge("In the published pair, units are less strongly tuned with language",
             *(published_pair_difference.loc[-1], low, high) if single else (np.nan,) * 3,
             "below 0", of="difference in held-out d', over resampled images", source="abstracts",
             paper="lower specificity", rests_on="one training of each network")

# %% [markdown]
# All claims with their numbers; the same go into the JSON file.

# %%
for condition in conditions:
    claims.number(f"proportion, mean over stages, {condition}",
                  round_numbers({"mean": values["proportion"][condition].mean(),
                                 "networks": len(values["proportion"][condition])}))
path = claims.save()
print(claims.text())

# %% [markdown]
# The verdicts alone are the same on every machine.

# %%
# NBVAL_CHECK_OUTPUT
print(claims.verdicts())

# %% [markdown]
# ## 11 · What we see, what the paper says, why they differ
#
# The paper found more units with language, first in CLIP, then in a network trained with language
# on the same kind of images, and described them as less specific. Here images, steps, architecture
# and initial weights are held fixed.

# %% tags=["prose"]
def interval_words(values, form=".3f"):
    """Mean and 95 % interval over seeds, in words."""
    if not len(values):
        return "nothing to compare"
    mean, *bounds = mean_interval(values)
    return f"{mean:+{form}} [{bounds[0]:{form}}, {bounds[1]:{form}}]"

proportion = values["proportion"].groupby("condition").mean()
percent = {name: f"{100 * proportion[name]:.2g}%" if name in proportion else "none here"
           for name in (spec.vision, spec.language, spec.targets, spec.shuffled, spec.objects,
                        spec.views, spec.untrained)}
Markdown(f"""That captions make more units selective than labels is
**{more_units["language"]}** in this run:
{percent[spec.language]} of the units against {percent[spec.vision]} (mean over blocks, difference
{interval_words(differences["language"]["proportion"], ".1%")}). That the answer is the same at
every threshold and for the second localizer is
**{claims.verdict("The answer does not depend")}**.""")

# %% [markdown]
# How many units there are is one question, how strongly they are tuned another: a claim on strength
# needs all four measures, so that one measure alone cannot decide it. And an effect of captions is
# an effect of what they say only where captions differ from shuffled captions, which share the loss
# and the texts.

# %% tags=["prose"]
language = differences["language"]
by_measure = "; ".join(f"{measure} {interval_words(language[f'{measure}, equal n'])} and "
                       f"{interval_words(differences[fair][f'{measure}, equal n'])}"
                       for measure in statistics.TUNING_MEASURES)
Markdown(f"""That the selective units are less strongly tuned with captions is
**{claims.verdict("Units are less strongly")}** (d′ {interval_words(language["d'"])}). Among equal
numbers of the best units it is **{claims.verdict("Equal numbers of units are less")}** by all
measures together; one by one, captions minus labels and minus object labels: {by_measure}. That
all controls have fewer selective units is **{claims.verdict("The controls have fewer")}**
(captions {percent[spec.language]}, shuffled captions {percent[spec.shuffled]}, untrained
{percent[spec.untrained]}), and that the best units are more strongly tuned with captions than with
shuffled ones **{claims.verdict("Equal numbers of units are more")}**.""")

# %% [markdown]
# "Language" is not one thing. Text-embedding targets come from texts without any image. A possible
# reason for a different pattern: the domain is the clearest direction of variation of such targets,
# whereas a contrastive loss must distinguish every image of a batch from every other, so that much
# besides the domain matters.

# %% tags=["prose"]
by_network = last.groupby(["domain", "condition", "seed"])["proportion"].mean()
gains = {style.display_name(domain): mean_interval(statistics.paired_differences(
    by_network[domain], *pairs["text-embedding targets"])) for domain in domains}
more = ", ".join(name for name, (_, low, _) in gains.items() if low > 0)
fewer = ", ".join(name for name, (_, _, high) in gains.items() if high < 0)
Markdown(f"""That text-embedding targets make more units selective than labels is
**{more_units["text-embedding targets"]}** over all domains. Seen afterwards, and not a claim that
was fixed beforehand: in {layers[-1]} they have more units for {more or "no domain"} and fewer for
{fewer or "no domain"} (domains whose 95 % interval over seeds excludes 0).""")

# %% [markdown]
# Our labels *are* nearly the categories that are tested (48 categories in five domains), whereas
# ImageNet has few faces, bodies or words among its 1,000 classes, and captions of web images name
# all of them. How much of the answer is due to this?

# %% tags=["prose"]
found = {name: interval_words(its.get("proportion", []), ".1%")
         for name, its in differences.items()}
Markdown(f"""With labels that leave the tested domains out, {percent[spec.objects]} of the units are
selective, with all labels {percent[spec.vision]} (difference {found["labels − object labels"]}).
That captions make more units selective than such labels is **{more_units[fair]}** ({found[fair]}).
Views, which are contrastive without language, have {percent[spec.views]} (captions minus views
{found["captions − views"]}).""")

# %% [markdown]
# The published pair can be run under `paper`; it cannot separate language from data and scale. Few
# seeds leave wide intervals: small differences are beyond this sample.
#
# A count is not a strength, and neither means anything without the untrained control: some sets
# (such as words) differ from the others in low-level features, so that random filters can pass the
# test. Compare `mini` (REAL photographs, SqueezeNet, no language).

# %% tags=["prose"]
untrained_by_domain = last[last["condition"] == spec.untrained].groupby(
    "domain")["proportion"].mean()
largest = untrained_by_domain.idxmax()
Markdown(f"""In the untrained control {percent[spec.untrained]} of the units are selective (mean
over blocks), in networks trained with {spec.vision} {percent[spec.vision]}. In {layers[-1]} of the
control most of them prefer {style.display_name(largest)}
({100 * untrained_by_domain[largest]:.2g}% of the units).""")

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
# The third exercise needs the last block's response (feature maps averaged over space) to some
# images, while some units of the block before are set to zero.

# %%
some = np.arange(0, len(images), max(len(images) // 36, 1))
some_sets = sets[some]

def last_block(name, silenced):
    """Response (n_images, n_channels) with units of the block before silenced, bool (n_units,)."""
    model, before = study.network(name), layers[-2]
    lesion = Lesion("some units", {before: torch.from_numpy(silenced)})
    with apply_lesion(model.model, model.layers, lesion):
        batches = images.batches([some], model.preprocessing)
        return extract_activations(model.model, {end: end}, batches,
                                   read=channel_means)[end].numpy()

print(f"{len(some)} images, of each set:", pd.Series(some_sets).value_counts().to_dict())

# %% [markdown]
# **Read.** Of all units of the last block that are selective in networks trained with captions,
# which percentage prefers faces (`target_set`)? Take the numbers from the second table of step 4 (a
# profile without captions: the row of the networks trained without language). Return a number from
# 0 to 100.

# %% tags=["exercise"]
faces_percent = None    # a number from 0 to 100

# %% tags=["solution"]
of_captions = last[last["condition"] == shown].groupby("domain")["proportion"].mean()
faces_percent = 100 * of_captions[target_set] / of_captions.sum() if of_captions.sum() else 0.0

# %% tags=["check"]
# NBVAL_CHECK_OUTPUT
means = last.groupby(["condition", "domain"])["proportion"].mean()
everywhere = by_domain[by_domain["condition"] == shown].groupby("domain")["proportion"].mean()
with np.errstate(divide="ignore", invalid="ignore"):
    within = {name: np.nan_to_num(100 * its[target_set] / its.sum()) for name, its in {
        "all": everywhere, **{name: means[name] for name in conditions}}.items()}
_ = check(faces_percent, within[shown], hint="faces divided by the sum of the row.", wrong={
    "This is the percentage of all units: divide by the units that are selective.":
        100 * means[shown][target_set],
    "This is the row of another condition.":
        within[(spec.targets or spec.vision) if spec.language else spec.untrained],
    "The last block alone: this is the mean over all blocks.": within["all"],
    "Faces divided by all, not by all others.": np.nan_to_num(100 * means[shown][target_set] / max(
        means[shown].sum() - means[shown][target_set], 1e-9))})

# %% [markdown]
# **Change.** Take 5, 50 and 200 units instead of 20: `study.tuning_strengths(n_best=…)`. Return the
# mean d′ of the networks trained with captions (over blocks, domains and seeds) as a dict, number
# of units → d′. Why does step 6 compare *equal* numbers?

# %% tags=["exercise"]
d_prime_by_n = None    # {5: ..., 50: ..., 200: ...}

# %% tags=["solution"]
d_prime_by_n = {}
for n in (5, 50, 200):
    strength = study.tuning_strengths(n_best=n)
    d_prime_by_n[n] = strength.loc[(strength["condition"] == shown)
                                   & (strength["measure"] == "d'"), "value"].mean()

# %% tags=["check"]
# NBVAL_CHECK_OUTPUT
by_n = {n: study.tuning_strengths(n_best=n).groupby(["condition", "measure"])["value"].mean()
        for n in (5, 50, 200)}

def by_number(measure, condition):
    """Mean strength by number of units."""
    return {n: its[condition, measure] for n, its in by_n.items()}

_ = check(d_prime_by_n, by_number("d'", shown), hint="One condition, measure d'.", wrong={
    "This is the selectivity index, not d'.": by_number("CSI", shown),
    "These are other networks.": by_number("d'", spec.vision if spec.language else spec.untrained),
    "The number of units changes nothing here: did you pass n_best?": dict.fromkeys(
        by_n, tuning_strengths.query("condition == @shown and measure == \"d'\"")["value"].mean()),
    "This is the mean of all four measures.": {n: its[shown].mean() for n, its in by_n.items()}})

# %% [markdown]
# **Extend.** *A lesion.* Do units that prefer a domain drive the next block's response to that
# domain? Silence the units of the block before the last that are selective for `domain` on all
# images: `study.blocks(name)[layers[-2]].selective_mask(domain)`. Return the relative change of the
# last block's response by set, a dict: for each image
# $\lVert x_\text{lesioned} - x \rVert / \lVert x \rVert$ over channels, then the mean over a set's
# images. `last_block(name, silenced)` is defined above, the set of each image is in `some_sets`;
# with no unit silenced the network is intact.

# %% tags=["exercise"]
def relative_change(name, domain):
    """Change of the last block's response by a lesion, set -> mean over its images."""
    raise NotImplementedError

# %% tags=["solution"]
def relative_change(name, domain):
    """Change of the last block's response by a lesion, set -> mean over its images."""
    mask = study.blocks(name)[layers[-2]].selective_mask(domain)
    intact, lesioned = last_block(name, np.zeros_like(mask)), last_block(name, mask)
    change = np.linalg.norm(lesioned - intact, axis=1) / np.linalg.norm(intact, axis=1)
    return {one: change[some_sets == one].mean() for one in images.domain_names}

# %% tags=["check"]
# NBVAL_CHECK_OUTPUT
def lesion(measure, choose=lambda block, domain: block.selective_mask(domain)):
    """The answer with another measure of change, or of other units."""
    def function(name, domain):
        mask = choose(study.blocks(name)[layers[-2]], domain)
        change = measure(last_block(name, np.zeros_like(mask)), last_block(name, mask))
        return {one: change[some_sets == one].mean() for one in images.domain_names}
    return function

norm = lambda x: np.maximum(np.linalg.norm(x, axis=1), 1e-12)
answer, on = lesion(lambda x, y: norm(y - x) / norm(x)), [(first[shown], target_set)]
_ = check(relative_change, answer, on=on, hint="Two calls of last_block.", wrong={
    "Divide by the norm of the intact response.": lesion(lambda x, y: norm(y - x)),
    "The norm of the difference.": lesion(lambda x, y: np.abs(norm(y) - norm(x)) / norm(x)),
    "True is silenced.": lesion(lambda x, y: norm(y - x) / norm(x),
                                lambda block, domain: ~block.selective_mask(domain))})

# %% [markdown]
# **Discuss.** (1) Captions name many things besides the four categories. Should that make units
# more or less selective for these? (2) The control with shuffled captions learns little. Which
# control would learn as much, from words that are unrelated to the images? (3) Which other
# differences between CLIP and a ResNet would you hold fixed next?
#
# **References.** Lu & Wang (2025), arXiv 2502.16456 · Radford et al. (2021), *ICML* (CLIP) ·
# Deerwester et al. (1990), *JASIS* 41 (latent semantic analysis) · Vinje & Gallant (2000),
# *Science* 287 (sparseness) · Stigliani, Weiner & Grill-Spector (2015), *J Neurosci* 35 (fLoc).
#
# Previous: [12 · Test shared concepts](12_test_shared_concepts.ipynb). Next:
# [14 · Spread over feature maps](14_spread_over_feature_maps.ipynb).
