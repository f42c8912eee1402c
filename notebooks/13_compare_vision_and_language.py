# %% [markdown]
# # 13 · Does language make more units selective, and less strongly?
#
# Lu & Wang (2025), proportion and tuning strength of selective units
# ([arXiv 2502.16456](https://arxiv.org/abs/2502.16456)).
# On two cores: a minute and 1.3 GB under `demo`, two minutes under `mini`; under `paper`
# not measured: weights are downloaded first.

# %% [markdown]
# **Goal.** A network trained on images and captions (CLIP) was found to have more
# category-selective units than one trained on labels, each of them less specific. But the two
# differ in much besides language: images, their number, loss, architecture. Here one small
# residual network is trained on the *same images*, in the same order, for the same number of steps,
# from the same initial weights; only the supervision differs (*matched models*).
#
# **You will learn**
# - how a [selectivity index](GLOSSARY.md#csi) and [d′](GLOSSARY.md#d-prime) are computed, by hand;
# - why a published pair of networks confounds language with data and scale, and how
#   [matched models](GLOSSARY.md#matched-models) separate these;
# - why "more significant units" can mean less noise, and why networks, not units, are the sample.

# %% tags=["parameters"]
profile = "demo"          # demo, mini, paper, or the path of your own TOML file
shown_fdr_alpha = 0.05    # false discovery rate of panels A and the claims (theirs: not at hand)

# %%
import numpy as np
import pandas as pd
from IPython.display import Markdown
from scipy import stats

from helpers import lab
from helpers.core.intervals import mean_interval
from helpers.exercises import check
from helpers.figures import schematic, style
from helpers.figures.claims import ClaimsTable, round_numbers
from helpers.figures.deviations import deviation_table
from helpers.matched_models import plots, statistics
from helpers.matched_models.study import MatchedModelsStudy
from helpers.networks.activations import extract_activations
from helpers.stimuli.image_sets import CORE

# %%
laboratory = lab.open(profile, notebook="13_compare_vision_and_language")
claims = ClaimsTable(laboratory.provenance)
style.use_style()
print(laboratory.provenance.line)

# %% [markdown]
# ## 1 · Six sets of images
#
# Faces, bodies, scenes and words, and scrambled scenes and words: textures and mosaics of the same
# scenes and words. All are grey, with the same mean and standard deviation of luminance. Units are
# selected on one half of each set and measured on the other half, and vice versa.

# %%
study = MatchedModelsStudy.from_profile(laboratory.profile, laboratory.images, laboratory.network)
spec, images = study.spec, study.images
print(f"{len(images)} images:", {name: images.domains.count(name)
                                 for name in images.domain_names})

# %% [markdown]
# The whole notebook in one drawing:

# %%
examples = [images.open(images.domains.index(domain)) for domain in CORE]
colours = [plots.condition_styles([name])[name]["color"] for name in spec.conditions]
schematic.draw_schematic([
    schematic.Step("six sets", schematic.images(examples), f"{len(images)} images"),
    schematic.Step("matched models", schematic.network(len(spec.layers), range(len(spec.layers))),
                   "supervision differs"),
    schematic.Step("selectivity", schematic.formula(r"$\frac{m_p-m_o}{|m_p|+|m_o|}$",
                                                    r"$d'=\frac{m_p-m_o}{s}$"), "held-out half"),
    schematic.Step("compare", schematic.bars((0.9, 0.8, 0.85, 0.1, 0.4, 0.1)[:len(colours)], colours),
                   "networks are the sample")], laboratory.provenance,
    alt="Images of six sets enter networks of one architecture that differ in their supervision; "
    "every unit's selectivity is measured on held-out images and compared between conditions.")

# %% [markdown]
# ## 2 · The networks
#
# *Labels*: the names of 48 categories. *Captions*: contrastive learning of image-caption pairs, as
# in CLIP. *Text-embedding targets*: the image's output is trained to match an embedding of its
# caption that is computed from texts alone (latent semantic analysis). *Shuffled captions*: the
# contrastive loss with captions permuted over images, once: language that says nothing about the
# image. *Views*: contrastive learning of two views of an image, without language. *Untrained*: the
# initial weights. Other profiles name other conditions.

# %%
networks = pd.DataFrame(list(study.iter_networks()), columns=["condition", "seed", "network"])
conditions, layers = list(spec.conditions), list(spec.layers)
first = networks.groupby("condition", sort=False).first()
entries = {condition: study.network(name).entry for condition, name in first["network"].items()}
pd.DataFrame({"objective": {condition: one.objective for condition, one in entries.items()},
              "images": {condition: one.diet for condition, one in entries.items()},
              "networks": networks.groupby("condition", sort=False).size()})

# %% [markdown]
# ## 3 · One unit by hand
#
# Take the unit of the last block that prefers faces most clearly on the first half of the images,
# and its responses to the second half. With $m_p$ the mean response to the preferred set and $m_o$
# the mean over the other sets' means, the **selectivity index** is
# $(m_p - m_o) / (|m_p| + |m_o|)$. **d′** divides the difference between the preferred set and all
# other images by the root of the mean of their two variances.

# %%
name, last_layer = first.loc[spec.vision or conditions[0], "network"], layers[-1]
block = study.blocks(name)[last_layer]
unit = int(block.top_units("faces", 0, 1)[0])
network, held_out = study.network(name), np.flatnonzero(images.halves == 1)
response = extract_activations(
    network.model, {last_layer: network.layers[last_layer]},
    images.batches(np.array_split(held_out, 8), network.preprocessing),
    {last_layer: np.array([unit])})[last_layer].numpy().astype(float).ravel()
domain_of_image = np.array(images.domains)[held_out]
pd.Series(response).groupby(domain_of_image).describe()[["count", "mean", "std"]].round(2)

# %% [markdown]
# The two equations, and the values that the package computed for all units at once:

# %%
is_face = domain_of_image == "faces"
means = {domain: response[domain_of_image == domain].mean() for domain in images.domain_names}
m_p, m_o = means["faces"], np.mean([means[d] for d in means if d != "faces"])
csi = (m_p - m_o) / (abs(m_p) + abs(m_o))
d_prime = (m_p - response[~is_face].mean()) / np.sqrt(
    (response[is_face].var(ddof=1) + response[~is_face].var(ddof=1)) / 2)

faces_idx = block.sets.index("faces")
np.testing.assert_allclose([csi, d_prime], [values[faces_idx, 1, unit] for values in (
    block.selectivity_index, block.d_prime)], rtol=1e-3)
print(f"unit {unit} of {last_layer}, {len(response)} held-out images: CSI {csi:.3f}, d' "
      f"{d_prime:.3f}; the package's values are the same")

# %% [markdown]
# ## 4 · How many units?
#
# As in notebook 01, a unit is selective for a set if it responds more to it than to *every* other
# set: each of the five contrasts is corrected over the layer's units by
# [Benjamini–Yekutieli](GLOSSARY.md#benjamini-yekutieli). Units are single positions of the feature
# maps at the output of each block. Which test the paper used is not at hand. In percent of all units:

# %%
proportions = study.proportions()
total = statistics.sum_over_domains(proportions)
at_fdr_alpha = total[total["fdr_alpha"] == shown_fdr_alpha]
(100 * at_fdr_alpha.pivot_table(index="condition", columns="layer",
                                values="proportion")).reindex(conditions).round(2)

# %%
by_domain = proportions[proportions["fdr_alpha"] == shown_fdr_alpha]
last = by_domain[by_domain["layer"] == layers[-1]]
print(f"proportion in {layers[-1]}, percent, mean over networks")
(100 * last.pivot_table(index="condition", columns="domain", values="proportion")
 .reindex(index=conditions, columns=CORE)).round(2)

# %% [markdown]
# These proportions come from all images. Of the units that are selective on one half of the images,
# how many are selective on the other half? (Empty: there was none on the first half.)

# %%
print(f"proportion of units of {layers[-1]} that replicate, mean over networks")
(last.pivot_table(index="condition", columns="domain", values="proportion_replicated")
 .reindex(index=conditions, columns=CORE)).round(2)

# %% [markdown]
# ## 5 · Tuning strength
#
# On the half that did not select them: selectivity index and d′ as above; **lifetime sparseness**,
# high where few images activate a unit; and
# **activation**, the response to the preferred set divided by the layer's mean response. Which of
# these the paper means by "specificity" is not at hand, so all four are shown.

# %%
tuning_strengths = study.tuning_strengths()
(tuning_strengths.pivot_table(index="condition", columns="measure", values="value")
 .reindex(index=conditions, columns=statistics.TUNING_MEASURES)).round(3)

# %% [markdown]
# ## 6 · The same number of units
#
# In a layer with less noise more units are significant, weaker ones among them, which lowers their
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
# where the profile names one, has other exemplars in another style.

# %%
(100 * total.pivot_table(index="condition", columns="fdr_alpha",
                         values="proportion")).reindex(conditions).round(2)

# %%
if not spec.second_localizer:
    print("this profile names no second localizer")
    second_localizer_proportion = pd.Series(dtype=float)
else:
    second_study = MatchedModelsStudy.from_profile(laboratory.profile, laboratory.images,
                                                   laboratory.network,
                                                   second_localizer=True)
    other = statistics.sum_over_domains(second_study.proportions())
    second_localizer_proportion = statistics.mean_per_network(
        other[other["fdr_alpha"] == shown_fdr_alpha], "proportion")
    print((100 * second_localizer_proportion.groupby("condition",
                                                     sort=False).mean()).round(2).to_string())

# %% [markdown]
# ## 8 · Networks as the sample
#
# One number per network, the mean over blocks (and domains). Networks of one seed have the same
# initial weights and the same order of images, so conditions are compared seed by seed: captions
# minus labels, text-embedding targets minus labels, and captions minus shuffled captions. Tuning
# strength is compared in those blocks and domains where both conditions have selective units. Where
# there is one network of each condition, as in the published pair, images can be resampled, but the
# sample is still *two networks*.

# %%
pairs = statistics.condition_pairs(spec)
values = {"proportion": statistics.mean_per_network(at_fdr_alpha, "proportion"),
          "proportion, second localizer": second_localizer_proportion}
differences = {comparison: {name: statistics.paired_differences(one, *pair)
                            for name, one in values.items() if len(one)}
               for comparison, pair in pairs.items()}
for subset, table in (("", tuning_strengths), (", equal n", equal_n_strengths)):
    for measure in statistics.TUNING_MEASURES:
        its = table[table["measure"] == measure]
        for comparison, pair in pairs.items():
            differences[comparison][measure
                                    + subset] = statistics.paired_differences_by_layer(its, *pair)
pd.DataFrame({comparison: {measure: difference.mean() if len(difference) else np.nan
                           for measure, difference in its.items()}
              for comparison, its in differences.items()}).round(4)

# %%
bootstrap_d_prime = study.bootstrap_strengths().pivot(index="draw", columns=["condition", "seed"],
                                                      values="d'")
print("d' of selective units, one network a row: as measured, and 95 % over resampled images")
pd.DataFrame({"d'": bootstrap_d_prime.loc[-1], "low": bootstrap_d_prime.loc[0:].quantile(0.025),
              "high": bootstrap_d_prime.loc[0:].quantile(0.975)}).dropna().round(3)

# %%
published_pair_difference = (
    bootstrap_d_prime[spec.language, 0] - bootstrap_d_prime[spec.vision, 0] if spec.language
    else pd.Series(np.nan, bootstrap_d_prime.index))
low, high = published_pair_difference.loc[0:].quantile([0.025, 0.975])
print(f"first of each, {statistics.format_difference(pairs['language'])}: "
      f"d' {published_pair_difference.loc[-1]:+.3f} [{low:.3f}, {high:.3f}]")

# %% [markdown]
# ## 9 · The figure

# %%
figure = style.new_figure(
    8.2, "Three rows of panels. Above: the proportion of selective units by block, one panel for "
    "each domain, one line for each condition. Middle: tuning strength of equal numbers of units. "
    "Below: the same by threshold, and differences between conditions with intervals over seeds.")
grid = figure.add_gridspec(3, 1, height_ratios=[1, 1, 1], hspace=0.55, left=0.085, right=0.985,
                           top=0.92, bottom=0.075)
top = grid[0].subgridspec(1, 4, wspace=0.12).subplots(sharey=True)
for panel, domain in zip(top, CORE):
    plots.condition_lines(panel, by_domain[by_domain["domain"] == domain], "proportion", conditions,
                          layers)
    panel.set_title(style.display_name(domain))
plots.label_proportions(top[0], "selective units")
style.panel_letter(top[0], "A", x=-0.3)
plots.condition_legend(figure, conditions)

# %%
middle = grid[1].subgridspec(1, 2, wspace=0.3).subplots()
for panel, measure, words in zip(middle, ("CSI", "d'"), (
        "selectivity index (CSI)", "d' (standard deviations)")):
    plots.condition_lines(panel, equal_n_strengths[equal_n_strengths["measure"] == measure],
                          "value", conditions, layers)
    panel.set(title=f"the {spec.n_units} most selective units of each domain", ylabel=words)
style.panel_letter(middle[0], "B", x=-0.13)
style.panel_letter(middle[1], "C", x=-0.13)

# %%
bottom = grid[2].subgridspec(1, 2, width_ratios=[1, 1.1], wspace=0.55).subplots()
plots.fdr_alpha_lines(bottom[0], total, "proportion", conditions)
bottom[0].set(ylabel="selective units, all domains", title="at other false discovery rates")
style.panel_letter(bottom[0], "D", x=-0.13)
n_seeds = networks["seed"].nunique()
plots.difference_dots(bottom[1], {
    plots.comparison_label(pair): differences[comparison]["proportion"]
    for comparison, pair in pairs.items()}, label_width=26)
bottom[1].set(title="which condition has more units?",
              xlabel=f"difference in proportion (n = {n_seeds} seeds, 95 % intervals)")
style.panel_letter(bottom[1], "E", x=-0.45)

# %%
style.save_figure(figure, laboratory.provenance, {
    "A": by_domain, "B": equal_n_strengths, "C": total, "D": pd.DataFrame(
        [{"comparison": comparison, "measure": measure, "seed": seed, "difference": value}
         for comparison, its in differences.items() for measure, difference in its.items()
         for seed, value in enumerate(difference)])})

# %% [markdown]
# **Figure 13.** **A** Proportion of units at the output of each block that prefer one set to every
# other (Benjamini–Yekutieli, in each contrast, at the rate of the parameters). Lines: means over
# networks of a condition; dots: networks. **B, C** Selectivity index and d′ of equal numbers of
# units of each domain and block, on the half of the images that did not select them, mean over the
# four domains (all four measures: the table of section 6). **D** Proportion summed over domains,
# mean over blocks, at other false discovery rates (linear below 0.1 %). **E** Differences between
# conditions, mean over blocks and domains: dots are seeds, bars 95 % intervals of their mean (*t*).
# Empty where the profile has no such networks. The stamp says whether the data are REAL or
# SYNTHETIC.

# %% [markdown]
# ## 10 · Claims
#
# Directions are from the abstracts of the paper's two versions; its numbers are not at hand.
# Captions lie above *shuffled captions* in every claim, because these keep the loss, the texts and
# the training steps and remove only what captions say about their images: an effect of what they
# say makes units more selective, and more so with depth, than the same training without it. The
# paper has no such control.
#
# A claim about several measures is supported only if all of them support it. Each claim over seeds
# is judged by itself, by a 95 % interval that is not corrected for the number of claims; the lines
# below the table say which verdicts [Holm's rule](GLOSSARY.md#holm-rule) would change.

# %%
control = {"source": "beyond the paper: control", "paper": "not tested"}
over_seeds, df = {"sample": "seeds"}, max(n_seeds - 1, 1)
shuffled = "captions − shuffled captions"
pair_names = {comparison: statistics.format_difference(pair) for comparison, pair in pairs.items()}
growth = statistics.growth_with_depth(at_fdr_alpha, layers)
claims.intervals("Selective units grow with depth, in both networks",
                 {condition: mean_interval(growth[condition].to_numpy())
                  for condition in (spec.vision, spec.language) if condition}, "above 0", df=df,
                 n="over seeds", of="proportion in the last block minus the first",
                 source="abstracts", paper="grow in both networks")

# %% [markdown]
# More units? First the paper's comparison, then the one that leaves the loss out, then the control.

# %%
origins = {"language": {"source": "abstracts", "paper": "more with language"},
           "text-embedding targets": {
               "source": "second abstract; whether its network was trained so is not at hand",
               "paper": "more with language"}}
for comparison, origin in origins.items():
    claims.interval(f"More units are selective: {pair_names[comparison]}",
                    differences[comparison].get("proportion", []), "above 0",
                    of="proportion, mean over blocks", **over_seeds, **origin)
more = {"proportion": differences[shuffled].get("proportion", []),
        "growth with depth": statistics.paired_differences(growth, *pairs[shuffled])}
claims.intervals(f"More units are selective, and more so with depth: {pair_names[shuffled]}",
                 {name: mean_interval(np.asarray(its)) for name, its in more.items()}, "above 0",
                 of="proportion, mean over blocks; last block minus first", n="over seeds", df=df,
                 **control)

# %% [markdown]
# Weaker tuning? All units that are selective, then equal numbers of them, then the control.

# %%
tuning = lambda comparison, subset="": {
    measure: mean_interval(np.asarray(differences[comparison][f"{measure}{subset}"]))
    for measure in statistics.TUNING_MEASURES}
claims.intervals("Units are less sharply tuned with language, by every measure",
                 tuning("language"), "below 0", n="over seeds", df=df,
                 of=f"{pair_names['language']}, held-out images, the same blocks and domains",
                 source="abstracts; their measure is not at hand", paper="lower specificity")
for comparison, words, direction, origin in (
        ("language", "less", "below 0", {"source": "abstracts; equal numbers are ours",
                                         "paper": "not tested"}), (shuffled, "more", "above 0", control)):
    claims.intervals(f"Equal numbers of units are {words} sharply tuned, by every measure: "
                     f"{pair_names[comparison]}", tuning(comparison, ", equal n"), direction, df=df,
                     of="held-out images, best units of each block and domain", n="over seeds",
                     **origin)

# %% [markdown]
# Does the answer depend on the threshold or on the images? The direction is the one found above.

# %%
by_rate = {f"rate {rate:g}": statistics.paired_differences(
    statistics.mean_per_network(total[total["fdr_alpha"] == rate], "proportion"),
    spec.language, spec.vision) for rate in sorted(set(total["fdr_alpha"]))}
sign = statistics.mean_sign(differences["language"].get("proportion", np.array([])))
by_rate["second localizer"] = differences["language"].get("proportion, second localizer",
                                                          np.array([]))
claims.intervals("The answer depends neither on the threshold nor on the images",
                 {name: mean_interval(sign * its) for name, its in by_rate.items()}, "above 0",
                 of=f"proportion, {pair_names['language']}, in the direction found at "
                 f"{shown_fdr_alpha:g} on the first localizer", n="over seeds", df=df,
                 source="beyond the paper", paper="not tested")

# %% [markdown]
# And two comparisons that the paper names: with untrained networks, and the published pair itself.

# %%
claims.interval("Untrained networks have fewer such units",
                statistics.paired_differences(values["proportion"], spec.untrained, spec.vision),
                "below 0", **over_seeds, of=f"proportion, untrained minus {spec.vision}",
                source="future work named in v1", paper="not tested")
single = (networks["condition"] == spec.language).sum() == 1
claims.judge("In the published pair, units are less sharply tuned with language",
             *(published_pair_difference.loc[-1], low, high) if single else (np.nan,) * 3,
             "below 0", of="difference in held-out d', over resampled images", source="abstracts",
             paper="lower specificity", rests_on="one training of each network")

# %%
for condition in conditions:
    claims.number(f"share, mean over stages, {condition}",
                  round_numbers({"mean": values["proportion"][condition].mean(),
                                 "networks": len(values["proportion"][condition])}))
path = claims.save()
print(claims.text())

# %%
# NBVAL_CHECK_OUTPUT
print(claims.verdicts())

# %% [markdown]
# ## 11 · What we see, what the paper says, why they differ
#
# With images, steps, architecture and initial weights held fixed:

# %% tags=["prose"]
def difference_text(comparison, measure):
    its = np.asarray(differences[comparison].get(measure, []), float)
    return f"{its.mean():+.3f}" if len(its) else "not measured here"

by_mean = values["proportion"].groupby("condition", sort=False).mean()
ratio = by_mean.get(spec.untrained, np.nan) / by_mean.get(spec.vision, np.nan)
Markdown(f"""
- *More units with language* ({pair_names["language"]}): {difference_text("language", "proportion")}
  of all units, **{claims.verdict("More units are selective: " + pair_names["language"])}**.
- *The content of captions decides*: compared with shuffled captions the difference is
  {difference_text(shuffled, "proportion")}, **{claims.verdict("More units are selective, and")}**.
- *Weaker tuning with language*: d′ {difference_text("language", "d'")} for all selective units,
  **{claims.verdict("Units are less sharply")}**; {difference_text("language", "d', equal n")} for
  equal numbers of units, **{claims.verdict("Equal numbers of units are less")}**.
- *Thresholds and images*: **{claims.verdict("The answer depends neither")}**.
- Untrained networks have {ratio:.1%} of the units that networks trained with labels have.
""")

# %% [markdown]
# The paper found more units with language, first in CLIP, then in a network trained with language
# on the same kind of images. "Language" is not one thing: text-embedding targets are computed from
# texts without any image, and what varies most among texts is the domain; a contrastive loss must
# distinguish every image of a batch from every other, so that much besides the domain matters.
# Panel A shows whether the two lead to units for the same domains.
#
# The demo differs from the published networks in another respect: its labels *are* nearly the
# categories that are tested, whereas ImageNet has few faces, bodies or words among its classes, and
# captions of web images name all of them. This favours labels here. It is a hypothesis, which a
# visual diet with other labels would test. The published pair can be run under `paper`; it cannot
# separate language from data and scale. Few seeds leave wide intervals: small differences are
# beyond this sample.
#
# Under `mini` (REAL photographs, SqueezeNet) there is no language, but a warning about counts: an
# untrained control can have many units for a set that differs from the others in low-level
# features. Such units are weakly tuned, and not more strongly in deeper layers. A count without the
# tuning strength, or without this control, would mislead.

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
# **Read.** In the last block, by what factor does the proportion of units of the most frequent
# domain exceed that of the least frequent one, in networks trained with labels (the first row of
# the second table of section 4)? Give the domain with most units and the factor, as
# `(domain, factor)`.

# %% tags=["exercise"]
most_and_factor = None    # ("faces", 2.0), for example

# %% tags=["solution"]
row = (last[last["condition"] == (spec.vision or conditions[0])].groupby("domain")["proportion"]
       .mean().reindex(CORE))
most_and_factor = (row.idxmax(), row.max() / row.min())

# %% tags=["check"]
# NBVAL_CHECK_OUTPUT
row = (last[last["condition"] == (spec.vision or conditions[0])].groupby("domain")["proportion"]
       .mean().reindex(CORE).sort_values())
check(most_and_factor, (row.index[-1], row.iloc[-1] / row.iloc[0]), tolerance=0.03,
      hint="divide the largest entry of the row by the smallest.", wrong={
          "That is the difference in percentage points; a factor is a ratio.":
          (row.index[-1], 100 * (row.iloc[-1] - row.iloc[0])),
          "The factor is right side up when it is above one.":
          (row.index[-1], row.iloc[0] / row.iloc[-1]),
          "That compares the first with the second; compare it with the least frequent one.":
          (row.index[-1], row.iloc[-1] / row.iloc[-2]),
          "That is the domain with the fewest units.": (row.index[0], row.iloc[-1] / row.iloc[0])})

# %% [markdown]
# **Change.** The index divides by the *sum* of the two mean responses. Suppose that every response
# of a unit were raised by a constant, as by a bias. Write `shifted_csi(m_p, m_o, bias)`: the index
# after adding `bias` to both means. What happens to an index of the same difference when the bias
# is large?

# %% tags=["exercise"]
def shifted_csi(m_p, m_o, bias):
    """Return the selectivity index after adding ``bias`` to both mean responses."""
    raise NotImplementedError

# %% tags=["solution"]
def shifted_csi(m_p, m_o, bias):
    """Return the selectivity index after adding ``bias`` to both mean responses."""
    preferred, others = m_p + bias, m_o + bias
    return (preferred - others) / (abs(preferred) + abs(others))

# %% tags=["check"]
# NBVAL_CHECK_OUTPUT
check(shifted_csi, lambda m_p, m_o, bias: (m_p - m_o) / (abs(m_p + bias) + abs(m_o + bias)),
      on=[(2.0, 1.0, 0.0), (2.0, 1.0, 5.0), (0.5, 1.0, 0.25), (2.0, 1.0, -2.5)],
      hint="add the bias first, then divide the difference by the sum of absolute values.", wrong={
          "The denominator has to be shifted, too.":
          lambda m_p, m_o, bias: (m_p - m_o) / (abs(m_p) + abs(m_o)),
          "The bias is added to each of the two means, not once to their sum.":
          lambda m_p, m_o, bias: (m_p - m_o) / (abs(m_p) + abs(m_o) + bias),
          "A mean may be negative after the shift: take absolute values.":
          lambda m_p, m_o, bias: (m_p - m_o) / (m_p + m_o + 2 * bias)})

# %% [markdown]
# **Extend.** Networks, not units, are the sample. Write `paired_interval(first, second)`: for two
# lists with one value per seed, the mean difference and its 95 % interval by Student's *t* over
# seeds, as an array `[mean, low, high]`. (`scipy.stats.t.ppf` gives quantiles.)

# %% tags=["exercise"]
def paired_interval(first, second):
    """Return the mean of ``first - second`` over seeds and its 95 % interval, shape (3,)."""
    raise NotImplementedError

# %% tags=["solution"]
def paired_interval(first, second):
    """Return the mean of ``first - second`` over seeds and its 95 % interval, shape (3,)."""
    difference = np.asarray(first, float) - np.asarray(second, float)
    n = len(difference)
    half = stats.t.ppf(0.975, n - 1) * difference.std(ddof=1) / np.sqrt(n)
    return difference.mean() + half * np.array([0, -1, 1])

# %% tags=["check"]
# NBVAL_CHECK_OUTPUT
seed_values = [([0.31, 0.28, 0.33], [0.30, 0.24, 0.25]), ([1.0, 2.0, 4.0, 3.0], [0.0, 3.0, 2.0, 2.5])]
def interval_from(first, second, ddof=1, quantile=stats.t.ppf, paired=True):
    a, b, n = np.asarray(first), np.asarray(second), len(first)
    variance = (a - b).var(ddof=ddof) if paired else a.var(ddof=1) + b.var(ddof=1)
    factor = quantile(0.975, n - 1) if quantile is stats.t.ppf else 1.96
    return np.mean(a - b) + factor * np.sqrt(variance / n) * np.array([0, -1, 1])

check(paired_interval, interval_from, on=seed_values,
      hint="difference by seed, its standard error, times the quantile of t with n − 1 degrees.",
      wrong={"With few seeds the normal quantile 1.96 is too small: use Student's t.":
             lambda a, b: interval_from(a, b, quantile=None),
             "The standard deviation of a sample divides by n − 1.":
             lambda a, b: interval_from(a, b, ddof=0),
             "Seeds are paired: take the differences first, then their standard deviation.":
             lambda a, b: interval_from(a, b, paired=False)})

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
