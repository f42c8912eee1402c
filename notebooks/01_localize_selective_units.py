# %% [markdown]
# # 01 · Where in a network are units that prefer faces, bodies, scenes or words?
#
# Prince, Alvarez & Konkle (2024), Figure 1 and Supplementary Figure 1
# ([doi 10.1126/sciadv.adl1776](https://doi.org/10.1126/sciadv.adl1776)).
# On two cores: half a minute and 1.7 GB under `demo`, five minutes and 15 GB under `mini`; under
# `paper` not measured: images and weights are downloaded first.

# %% [markdown]
# **Goal.** The cortex has patches that respond to faces more than to anything else, others to
# bodies, scenes or words. Does that require training to discriminate these categories? We present a
# network that was trained *without labels* with the images that localize such patches in people,
# and test every single unit for a preference of one domain over **every** other.
#
# **You will learn**
# - how a functional localizer becomes a statistical test of every unit in a network;
# - why a unit must pass each of five contrasts, and how the number of units is corrected for;
# - why every such figure needs an untrained network and an independent set of images.

# %% tags=["parameters"]
profile = "demo"    # demo, mini, paper, or the path of your own TOML file
alpha = 0.05        # false discovery rate of each contrast (published: 0.05)
max_units = 120     # units of one domain in the heat map

# %%
import textwrap
from dataclasses import replace

import numpy as np
import pandas as pd
import torch
from IPython.display import Markdown
from scipy import stats

from helpers import lab
from helpers.core.constant_values import finite_mean
from helpers.core.intervals import difference_interval
from helpers.core.moments import Moments, benjamini_yekutieli_threshold, t_values
from helpers.exercises import check
from helpers.figures import schematic, style
from helpers.figures.claims import ClaimsTable, round_numbers
from helpers.figures.deviations import deviation_table
from helpers.figures.interactive import explore
from helpers.networks.activations import extract_activations
from helpers.selectivity import plots, study
from helpers.selectivity.generalisation import measure_same_preference
from helpers.selectivity.split_half import N_PERMUTATIONS
from helpers.selectivity.statistics import localize, localize_at_alphas, min_t, select_twofold
from helpers.stimuli.domains import (
    core_domains,
    find_absence,
    intact_domains,
    number_word,
    require_domains,
)
from helpers.stimuli.image_sets import CORE

laboratory = lab.open(profile, notebook="01_localize_selective_units")
claims = ClaimsTable(laboratory.provenance)
network_spec = laboratory.profile.networks
style.use_style()
print(laboratory.provenance.line)

# %% [markdown]
# ## 1 · The images
#
# A functional [localizer](GLOSSARY.md#localizer) shows many images of few domains. Its two folders
# per domain (adult and child faces, houses and corridors …) prevent a unit from being called
# "face-selective" because it responds to beards. Scrambled images keep the texture without the
# objects. The domain `characters` is called *words* in figures, as in the paper. A localizer of
# other domains is analysed by its own: the paper's first, in the paper's order, then the others.

# %%
images = require_domains(laboratory.images("localizer"))
defining, independent = map(require_domains, laboratory.independent_pair())
domains, core = intact_domains(images.domains), core_domains(images.domains)
style.add_domains(images.domain_names)
lacks_core = find_absence(images.domains)    # of the paper's; empty: none
counts = {domain: images.domains.count(domain) for domain in images.domain_names}
print(f"{len(images)} images in {len(set(images.categories))} folders:", counts)

# %% [markdown]
# The way from images to the figure: every unit is compared between domains, by five contrasts (with
# six kinds of images); what is counted are the units that pass all of them.

# %%
examples = [images.open(images.domains.index(d)) for d in core[:4]]
schematic.draw_schematic([
    schematic.Step("images", schematic.images(examples), f"localizer, {len(images)} images"),
    schematic.Step("network", schematic.network(selected=[3, 4]), "all units, all layers"),
    schematic.Step(f"{number_word(len(counts) - 1)} contrasts", schematic.formula(
        r"$t > 0$", r"$p_{(k)} \leq \frac{k}{m\,c_m}\,\alpha$",
        f"in all {number_word(len(counts) - 1)}"), "domain vs. each other"),
    schematic.Step("selective units", schematic.bars(
        [.15, .35, .55, .8], [style.COLOURS["faces"]] * 4), "fraction by layer (A)"),
    schematic.Step("other images", schematic.points(
        [.2, .3, .4, .6, .7, .8], [.6, .75, .65, .1, .2, .15],
        [style.COLOURS["faces"]] * 3 + [".6"] * 3), "same preference? (B–D)")],
    laboratory.provenance, alt="Five steps from left to right: example images, a network with "
    "marked units, the test of each unit, bars of the fraction of selective units by layer, and a "
    "test of these units on other images.")

# %% [markdown]
# ## 2 · The networks
#
# One network is the subject of the figure. *Contrastive* training, the paper's subject, uses no
# labels: two augmented views of one image should have the same embedding, different images
# different ones. The [randomly initialised control](GLOSSARY.md#randomly-initialised-control) has
# the same architecture and random weights, drawn once from a seed and kept, so that every later
# figure uses the same control. Other networks, where the profile names them, have another objective
# or another *diet* (the images they were trained on).

# %%
networks = laboratory.networks()
main, untrained = networks[network_spec.main], networks[network_spec.untrained]
layer = network_spec.heat_map_layer
pd.DataFrame([{"network": style.display_name(name), "objective": network.entry.objective,
               "diet": network.entry.diet, "layers": len(network.layers)}
              for name, network in networks.items()])

# %% [markdown]
# ## 3 · The test, on one unit
#
# For domain *d* and each other domain *e* (scrambled images too) every unit gets a two-sample
# *t* test over images, a *contrast*:
#
# $$t = \frac{\bar x_d - \bar x_e}{\sqrt{s^2\,(1/n_d + 1/n_e)}}, \qquad
# s^2 = \frac{\sum (x - \bar x_d)^2 + \sum (x - \bar x_e)^2}{n_d + n_e - 2}$$
#
# A unit prefers *d* only if **all** contrasts of *d* are positive and significant, a
# [conjunction](GLOSSARY.md#conjunction). So no unit can be selective for two domains. We build the
# test on one layer, whose activations are small enough to hold.

# %%
def layer_activations(network, image_set):
    """Activations of all units of the layer, (n_images, n_units)."""
    rows = np.array_split(np.arange(len(image_set)), -(-len(image_set) // 64))
    return extract_activations(network.model, {layer: network.layers[layer]}, image_set.batches(
        rows, network.preprocessing))[layer]

activations, domain_of_image = layer_activations(main, images), np.array(images.domains)
by_domain = {domain: activations[domain_of_image == domain, :512].double().numpy()
             for domain in images.domain_names}    # units enough to check
print(f"{layer} of {style.display_name(network_spec.main)}: "
      f"{activations.shape[0]} images × {activations.shape[1]} units")

# %% [markdown]
# Take the unit whose mean response to the first domain (faces) exceeds that to the other domains
# most, in units of its standard deviation: as many contrasts as there are others, of which the
# weakest decides.

# %%
def student_t(first, second):
    """t of a two-sample test, equal variances; positive: the mean of the first is larger."""
    df = len(first) + len(second) - 2
    variance = (((first - first.mean(0))**2).sum(0) + ((second - second.mean(0))**2).sum(0)) / df
    standard_error = np.sqrt(variance * (1 / len(first) + 1 / len(second)))
    return (first.mean(0) - second.mean(0)) / standard_error

spread = np.concatenate(list(by_domain.values())).std(0)
one, *others = images.domain_names
largest_other = np.stack([by_domain[name].mean(0) for name in others]).max(0)
distance = (by_domain[one].mean(0) - largest_other) / np.where(spread > 0, spread, np.inf)
unit = int(distance.argmax())
contrasts = pd.Series({f"{style.display_name(one)} − {style.display_name(name)}": student_t(
    by_domain[one][:, unit], by_domain[name][:, unit]) for name in others},
    name=f"t of unit {unit}")
contrasts.round(2)

# %% [markdown]
# The package computes the same from counts, means and sums of squared deviations, which it collects
# batch by batch: no activations are kept. The check compares (up to) 512 units of the layer.

# %%
def layer_moments(values, image_set):
    """Count, mean and sum of squared deviations of every unit, by domain."""
    moments = Moments.start(len(image_set.domain_names), values[0])
    for index, domain in enumerate(image_set.domain_names):
        moments.update(values[np.array(image_set.domains) == domain], index)
    return moments

moments = layer_moments(activations, images)
other = "objects" if "objects" in others else others[0]
fast_t, df = t_values(moments, 0, images.domain_names.index(other))
fast_t = fast_t[:by_domain[one].shape[1]]
with np.errstate(divide="ignore", invalid="ignore"):
    t = student_t(by_domain[one], by_domain[other])
np.testing.assert_allclose(t, fast_t.numpy(), rtol=1e-6, atol=1e-9)
print(f"the same t of {len(t)} units of {layer}, {style.display_name(one)} − "
      f"{style.display_name(other)}, {df} degrees of freedom")

# %% [markdown]
# ### How many units are tested
#
# With thousands of units, some pass by chance. With *m* units in the layer and
# $c_m = \sum_{i=1}^{m} 1/i$, the Benjamini–Yekutieli rule rejects the *k* smallest p values for the
# largest *k* with $p_{(k)} \le \frac{k}{m c_m}\,\alpha$; of these, a fraction of at most α is
# expected to be false (the [false discovery rate](GLOSSARY.md#false-discovery-rate)), however the
# units are correlated. Here is the step for ten units and one contrast. A p value may lie above its
# own bound and still be rejected, if a larger one lies below its bound.

# %%
sample = np.linspace(0, len(t) - 1, 10).astype(int)
p = 2 * stats.t.sf(np.abs(t[sample]), df)
m, rank = len(p), p.argsort().argsort() + 1
bound = rank * alpha / (m * (1 / np.arange(1, m + 1)).sum())
rejected = rank <= rank[p <= bound].max(initial=0)
critical_t = benjamini_yekutieli_threshold(fast_t[sample].abs(), df, alpha=alpha)
np.testing.assert_array_equal(rejected, np.abs(t[sample]) >= critical_t)
pd.DataFrame({"unit": sample, "t": t[sample].round(2), "p": [f"{value:.1e}" for value in p],
              "rank k": rank, "bound": bound.round(4), "rejected": rejected}).sort_values("rank k")

# %% [markdown]
# ## 4 · The test, on all units
#
# The package applies both steps to all units of all layers of all networks, in one pass of the
# images through each network. The check: it labels the layer above as the test by hand would.

# %%
localizer_results = {name: study.localize_network(network, images, alpha=alpha,
                                                  batch_size=laboratory.profile.batch_size)
                     for name, network in networks.items()}
tables = {name: result.table() for name, result in localizer_results.items()}
main_result = localizer_results[network_spec.main]
by_hand = localize(moments, images.domain_names, alpha=alpha).mask.numpy()
is_labelled = main_result.labels[layer] == np.arange(len(images.domain_names))[:, None]
print(f"labels that differ: {int((by_hand != is_labelled).sum())} of {is_labelled.shape[1]} units")
np.testing.assert_allclose(by_hand.sum(1), is_labelled.sum(1), atol=1)
n_units = sum(labels.size for labels in main_result.labels.values())
print(f"{style.display_name(network_spec.main)}: {n_units} units in {len(main_result.layers)} "
      "layers tested")

# %% [markdown]
# ## 5 · How many units, layer by layer?
#
# The fraction of a layer's units that is selective for each domain, in percent. As in the paper's
# pies, these are the raw outputs of the layers that have weights, before normalisation and before
# the ReLU.

# %%
proportions = tables[network_spec.main].pivot(index="layer", columns="domain", values="proportion")
proportions = proportions.loc[list(network_spec.pies), list(domains)]
(100 * proportions).rename(columns=style.display_name).round(1)

# %% [markdown]
# The sum over the domains, and its rank correlation with depth.

# %%
total_proportion = proportions.sum(axis=1)
trend = stats.spearmanr(np.arange(len(total_proportion)), total_proportion)
print(f"from {total_proportion.iloc[0]:.0%} in {total_proportion.index[0]} to "
      f"{total_proportion.iloc[-1]:.0%} in {total_proportion.index[-1]}; "
      f"rank correlation with depth {trend.statistic:.2f}")
claims.number(f"selective proportion, {number_word(len(domains))} domains, by layer",
              round_numbers(total_proportion.to_dict()))

# %% [markdown]
# ## 6 · Do the units replicate?
#
# A unit may pass a test on some images by chance. So the units are defined on every second image,
# and measured on the others. *proportion_replicated* is the fraction that passes the whole test
# again; *same_preference* the fraction that again responds most to the same domain;
# *held_out_d_prime* the distance between the domain and all others, in standard deviations.

# %%
at_layer = {name: table[table["layer"] == layer].set_index("domain").loc[list(domains)]
            for name, table in tables.items()}
columns = ["n_units", "n_selective_half", "proportion_replicated", "same_preference",
           "held_out_d_prime"]
at_layer[network_spec.main][columns].rename(index=style.display_name).round(2)

# %% [markdown]
# The same question for every network: what fraction of the units that one half defines passes the
# whole test on the other half? NaN: there was no such unit. And do the two halves select the same
# units more often than by chance? Units of a layer are correlated, so they are no independent
# draws. Instead, the image labels of the second half are permuted 999 times, and each time as
# many units are taken as that half selects: those with the largest *smallest t* (.05 divided by
# the number of domains; not the paper's test).

# %%
pd.DataFrame({style.display_name(name): rows["proportion_replicated"]
              for name, rows in at_layer.items()}).rename(index=style.display_name).round(2)

# %% [markdown]
# The permutation test, domain by domain.

# %%
overlap = {name: study.split_half_agreement(network, images, layer, alpha=alpha,
                                            seed=laboratory.profile.seed,
                                            batch_size=laboratory.profile.batch_size)
           for name, network in networks.items()}
replicated_domains = {name: [d for d in domains if p[d] < 0.05 / len(domains)]
                      for name, p in overlap.items()}
for name, agreed in replicated_domains.items():
    print(f"{style.display_name(name)}: both halves agree on units for "
          f"{', '.join(map(style.display_name, agreed)) or 'no domain'}")

# %% [markdown]
# ## 7 · Do they generalise to images in another style?
#
# The second set shows other exemplars in another style. Where a profile has no second set, the
# localizer's first half defines the units and its second half tests them: a weaker test. A domain
# that the second set lacks is left out. First one
# layer of the main network, then all layers of its randomly initialised control: a unit whose
# preference was an accident prefers the same domain again by a chance of 1 / number of domains.

# %%
size = {"batch_size": laboratory.profile.batch_size, "alpha": alpha}
compared = (network_spec.main, network_spec.untrained)
defined, tested = ({name: study.localize_network(networks[name], image_set, **size)
                    for name in compared} for image_set in (defining, independent))
generalisation_tables = {name: study.measure_generalisation(defined[name], tested[name])
                         for name in compared}
generalisation_at_layer = {name: table[table["layer"] == layer].set_index("domain")
                           for name, table in generalisation_tables.items()}
print(f"units defined on {len(defining)} images, tested on {len(independent)} others, {layer}")
generalisation_at_layer[network_spec.main][[
    "n_units", "t_defining", "t_independent", "same_preference"]].astype(float).rename(
        index=style.display_name).round(2)

# %% [markdown]
# The control, all layers together:

# %%
control_units = generalisation_tables[network_spec.untrained].eval(
    "n_same_preference = n_units * same_preference").groupby("domain", sort=False)[
        ["n_units", "n_same_preference"]].sum().round().astype(int)
control_units.rename(index=style.display_name)

# %% [markdown]
# How certain are these fractions? Units of a layer are correlated, so they are no independent
# sample; images are. Each interval is a bootstrap over the independent images.

# %%
kept = {name: measure_same_preference(networks[name], defined[name], independent, layers=layers,
                                      seed=laboratory.profile.seed,
                                      batch_size=laboratory.profile.batch_size)
        for name, layers in zip(compared, ([layer], ()))}
groups = tuple(kept[network_spec.main])
units_by_group = [dict(counts, all=counts.sum()) for counts in (
    generalisation_at_layer[network_spec.main]["n_units"], control_units["n_units"])]
pd.DataFrame({style.display_name(name): {
    style.display_name(d): "{:.2f} [{:.2f}, {:.2f}]".format(*interval)
    for d, interval in intervals.items()} for name, intervals in kept.items()})

# %% [markdown]
# The responses of the main network's units (rows) to the independent images (columns), as z scores
# of each row. If units generalise, they form blocks on the diagonal.

# %%
tested_domains = groups[:-1]
unit_groups = study.select_units_to_plot(defined[network_spec.main], layer, tested_domains,
                                         max_units=max_units, seed=laboratory.profile.seed)
order = np.concatenate([np.flatnonzero(np.array(independent.domains) == d)
                        for d in tested_domains])
units = np.concatenate([members for _, members in unit_groups])
z = stats.zscore(layer_activations(main, independent).numpy()[np.ix_(order, units)], axis=0).T
print(f"{z.shape[0]} units of {layer} × {z.shape[1]} images")

# %% [markdown]
# ## 8 · Try it: what does the threshold do?
#
# A stricter rate α, or a minimum that the smallest *t* of all contrasts must exceed, leaves
# fewer units. Does it leave those that keep their preference on the independent images (right
# panel, above zero), and what happens to the control? Where sliders do not work, the panels show
# the published rule.

# %%
alphas, intact = sorted({0.0001, 0.001, 0.01, 0.05, 0.2, 0.5, alpha}), tested_domains
rows = [defining.domain_names.index(d) for d in intact]
masks, smallest = {}, {}
for name in compared:
    found = layer_moments(layer_activations(networks[name], defining), defining)
    masks[name] = localize_at_alphas(found, alphas).numpy()[:, rows]
    smallest[name] = min_t(found).numpy()[rows]
t_independent = tested[network_spec.main].t_mean[layer][
    [independent.domain_names.index(d) for d in intact]]
preferring = t_independent[(smallest[network_spec.main] > 0) & np.isfinite(t_independent)]
axis_range = 1.1 * preferring.min(initial=-1), 1.1 * preferring.max(initial=1)

# %% [markdown]
# Masks for every α and both *t* of every unit are now in memory, so that drawing is cheap.

# %%
def draw(alpha, minimum_t):
    """Count the units that pass, and show them on independent images."""
    passed = {name: masks[name][alphas.index(alpha)] & (smallest[name] >= minimum_t)
              for name in compared}
    counts = {name: dict(zip(intact, mask.sum(1).tolist())) for name, mask in passed.items()}
    return plots.threshold_explorer(
        counts, smallest[network_spec.main], t_independent, passed[network_spec.main], intact,
        axis_range, rule=f"α = {alpha:g}, smallest t ≥ {minimum_t}",
        alt="Left: number of units that pass, by domain, filled bars for the trained network and "
        "open ones for its control. Right: each unit's smallest t on the localizer "
        "against its mean t on independent images; units that pass are coloured.")

explore(draw, {"alpha": alphas, "minimum_t": [0, 2, 4, 6, 8, 10]}, alpha=alpha, minimum_t=0)

# %% [markdown]
# ## 9 · The figure
#
# Every network's layers with weights, then one layer of the main network on independent images.

# %%
figure = style.new_figure(8.0, """A: stacked bars, one panel per network and one bar per layer: the
    fraction of units selective for each domain. B: a heat map of units, grouped by domain,
    against independent images, grouped by domain. C: the mean t of every selective unit on the
    independent images, by domain, for the main network and its control. D: the fraction of units
    that prefer the same domain again, with intervals, against dotted chance.""")
grid = figure.add_gridspec(1, len(networks), wspace=0.12, left=0.085, right=0.985, top=0.915,
                           bottom=0.715)
axes = grid.subplots(sharey=True, squeeze=False)[0]
for panel, (name, table) in zip(axes, tables.items()):
    shown = plots.layers_with_weights(list(networks[name].layers), network_spec.pies)
    plots.layer_bars(panel, table, shown, domains)
    panel.set_title(textwrap.fill(style.display_name(name), 18))
axes[0].set_ylabel("units that are selective")
style.panel_letter(axes[0], "A", x=-0.04 * len(networks))
plots.domain_patches(figure, domains)

# %% [markdown]
# Panel B: the responses themselves, with the number of units of each group.

# %%
halves = figure.add_gridspec(1, 2, width_ratios=[1.3, 1], wspace=0.32, left=0.135, right=0.985,
                             top=0.575, bottom=0.1)
heat = figure.add_subplot(halves[0])
totals = dict(generalisation_at_layer[network_spec.main]["n_units"])
totals["rest"] = defined[network_spec.main].labels[layer].size - sum(totals.values())
image = plots.unit_heat_map(heat, z, [(d, len(members), totals.get(d, len(members)))
                                      for d, members in unit_groups],
                            [(d, independent.domains.count(d)) for d in tested_domains])
heat.set(xlabel="independent images (number)", ylabel="units (number)",
         title=textwrap.fill(f"{layer} of {style.display_name(network_spec.main)}: responses to "
                             "other images", 60))
figure.colorbar(image, ax=heat, orientation="horizontal", fraction=0.03, pad=0.13, aspect=40,
                label="response (z score over images)")
style.panel_letter(heat, "B", x=-0.2, y=1.02)

# %% [markdown]
# Panels C and D: the same units one by one, and counted. Filled: trained; open: its control.

# %%
unit_t = {name: {d: tested[name].t_mean[layer][independent.domain_names.index(d),
                                               defined[name].units(layer, d)] for d in intact}
          for name in compared}
right = halves[1].subgridspec(2, 1, hspace=0.8).subplots()
plots.unit_strips(right[0], unit_t, intact)
right[0].set(ylabel="mean t, independent images", xlabel=f"selective units of {layer}")
plots.preference_points(right[1], kept, units_by_group, groups, 1 / len(intact))
right[1].set(ylabel="units with the same preference",
             xlabel=textwrap.fill(f"selective units: {layer} (filled), all layers (open)", 50))
for panel, letter, title in zip(right, "CD", ("how strong is their preference?",
                                              "how many keep it?")):
    panel.set_title(title, loc="left", pad=14)
    plots.fill_legend(panel, compared)
    style.panel_letter(panel, letter, x=-0.13, y=1.09)

# %%
style.save_figure(figure, laboratory.provenance, {
    "A": pd.concat(tables, names=["network"]).reset_index(level=0),
    "C": pd.DataFrame([(name, d, t) for name, by_group in unit_t.items()
                       for d, values in by_group.items() for t in values.tolist()],
                      columns=["network", "domain", "t_independent"]),
    "D": pd.DataFrame([(name, d, n[d], *interval) for n, (name, by_group) in zip(
        units_by_group, kept.items()) for d, interval in by_group.items()],
        columns=["network", "domain", "n_units", "same_preference", "low", "high"]),
    "layers": pd.concat(generalisation_tables, names=["network"]).reset_index(level=0)})

# %% [markdown]
# **Figure 01.** **A** Fraction of each layer's units that pass the conjunction test, per domain and
# network (Benjamini–Yekutieli over all units of the layer, in each contrast with another domain);
# in brackets: units of the layer (k: thousands). Units selective for scrambled images are not
# shown. **B** z-scored responses of the selective units and of others to independent images; lines
# separate groups, in brackets their sizes; colours saturate at ±1.5. **C** Mean *t* over contrasts
# on the independent images, of every unit that the localizer made selective (dots; black: mean), in
# one layer; below the domains: numbers of units, trained above control. **D** Fraction of these
# units that prefer the same domain again, of one layer of the trained network and of all layers of
# the control; lines: 95 % bootstrap intervals over images. One network of each type: intervals do
# not cover another training. The stamp says whether the data are REAL or SYNTHETIC.

# %% [markdown]
# ## 10 · Claims
#
# Each claim has a rule that was fixed before its result was seen. The paper's numbers are
# *not at hand* where they could not be had; directions are from its abstract, or *inferred* from
# the design of its figures.

# %%
for domain in core:
    t = localizer_results[network_spec.main].t_of_selective_units(domain)
    mean_and_sd = {"mean": t.mean(), "sd": t.std()} if len(t) else {}
    claims.number(f"t of selective units, all layers, {domain}",
                  round_numbers({"n": len(t), **mean_and_sd}))
for name in (network_spec.main, network_spec.untrained):
    claims.number(f"{layer}, {name}", round_numbers({
        f"proportion, {number_word(len(core))} core domains": at_layer[name].loc[
            list(core), "proportion"].sum(),
        "mean t, localizer (as published)": finite_mean(np.array([
            finite_mean(localizer_results[name].t_of_selective_units(domain, [layer]))
            for domain in core])),
        "mean t, independent images": generalisation_at_layer[name].reindex(
            core)["t_independent"].mean()}))

# %%
one = "one training of each network"
four = f"in each of the {number_word(len(core))} domains"

def split_half_tests(name):
    """Fraction of selective units, and the p value of the halves' agreement, by domain."""
    return {d: (at_layer[name].loc[d, "proportion"],
                min(1.0, 2 * len(domains) * overlap[name][d])) for d in core}

untested = find_absence(independent.domains, core).replace("localizer", "second set")

# %% [markdown]
# Are there such units without labels, and do they become more frequent with depth?

# %%
contrastive = main.entry.trained_without_labels
claims.tests("A network trained by contrast, without labels, has units selective for faces, "
             "bodies, scenes and words", {d: pair for d, pair in split_half_tests(
                 network_spec.main).items() if d in CORE and contrastive}, "above 0",
             absent=lacks_core,
             of=f"fraction of {layer}; both halves of the images pick the same units, {four}, "
             f"{N_PERMUTATIONS} permutations of image labels, Bonferroni over {len(domains)} "
             "domains",
             source="abstract; Fig. 1", paper="they emerge; proportions not at hand", rests_on=one)
claims.test("The fraction of selective units grows with depth", trend.statistic, trend.pvalue,
            "above 0", of="rank correlation with depth over the pies' layers", rests_on=one,
            source="Fig. 1 pies; inferred", paper="grows; totals not at hand")

# %% [markdown]
# Do they keep their preference? The fractions and intervals of step 7, minus one half.

# %%
def minus(bound, interval):
    """An estimate and its interval, minus a bound."""
    return tuple(value - bound for value in interval)

claims.intervals("The units keep their preference on independent images",
                 {d: minus(0.5, kept[network_spec.main][d]) for d in core if d in intact},
                 "above 0", absent=untested,
                 of=f"fraction of {layer}'s units that prefer the same domain again, minus half, "
                 f"{four}, bootstrap over images",
                 source="Fig. 1 heat map; by design", paper="they do; number not at hand",
                 rests_on=one)

# %% [markdown]
# And the control: has it fewer, and do they generalise?

# %%
n_in_layer = {name: localizer_results[name].labels[layer].size for name in compared}
untrained_minus_trained = {d: difference_interval(*(
    count for name in reversed(compared) for count in (
        round(at_layer[name].loc[d, "proportion"] * n_in_layer[name]), n_in_layer[name])))
    for d in core}
claims.intervals(
    f"Training makes selective units: the randomly initialised control has fewer, {four}",
    untrained_minus_trained, "below 0",
    of=f"fraction of {layer}'s units, untrained minus trained, as if units were independent",
    source="Suppl. Fig. 1; inferred", paper="fewer; numbers not at hand", rests_on=one)

# %%
n_control, n_same = control_units[["n_units", "n_same_preference"]].sum()
claims.judge(
    "The randomly initialised control's selective units do not generalise to independent images",
    *minus(2 / len(intact), kept[network_spec.untrained]["all"]), "below 0",
    n=f"{n_same} of {n_control} units, chance 1 in {len(intact)}",
    absent="with two domains, twice the chance is every unit" * (len(intact) < 3),
    of="fraction of all layers' and domains' units that prefer the same domain again, "
    "minus twice the chance (1 / number of domains), bootstrap over images, as units are "
    "correlated", source="published control, confounded there (see the authors' nb1)",
    paper="mean t near 0; inferred", rests_on=one)

# %% [markdown]
# Other objectives, on the same diet.

# %%
other_networks = [name for name in network_spec.compare
                  if networks[name].entry.diet == main.entry.diet]
claims.tests("Other objectives on the same diet have such units too",
             {f"{name}, {d}": pair for name in other_networks
              for d, pair in split_half_tests(name).items()}, "above 0",
             of=f"as the first claim, {four}", source="Suppl. Fig. 1; inferred",
             paper="yes; proportions not at hand", rests_on=one)

# %%
path = claims.save()
print(claims.text())

# %%
# NBVAL_CHECK_OUTPUT
print(claims.verdicts())

# %% [markdown]
# ## 11 · What we see, what the paper says, why they differ
#
# The paper reports that selective units emerge without labels; its pies suggest that they become
# more frequent with depth. Compare that with the verdicts, and with panel A for the randomly
# initialised control.

# %% tags=["prose"]
Markdown(f"""That a network trained without labels has such units for the paper's four domains is
**{claims.verdict("A network trained by contrast")}** here; that they become more frequent with
depth is **{claims.verdict("The fraction of selective")}**: from {total_proportion.iloc[0]:.0%} of
the units in {total_proportion.index[0]} to {total_proportion.iloc[-1]:.0%} in
{total_proportion.index[-1]}. That the randomly initialised control has fewer of them is
**{claims.verdict("Training makes selective")}**.""")

# %% [markdown]
# Where spatial frequency alone separates some domains from others, random filters are enough. So
# "passes the test" and "was learned" are different statements. Nor must a network have seen a
# domain to have units for it: training on one domain may produce units that discriminate others.

# %% tags=["prose"]
other_diet = [name for name in networks if networks[name].entry.trained
              and networks[name].entry.diet != main.entry.diet]
Markdown("\n".join(
    f"{style.display_name(name)} (diet: {networks[name].entry.diet}) has units for "
    f"{', '.join(map(style.display_name, replicated_domains[name])) or 'no domain'} on which both "
    "halves of the images agree (step 6)." for name in other_diet)
    or "This profile has no network with another diet.")

# %% [markdown]
# Units of the control can even generalise, if the new images share the shortcut. The published
# control drew a *new* random network for the second set, so its units could not generalise by
# construction; ours is one network throughout. Generalisation to new images, too, is no evidence of
# training by itself.

# %% tags=["prose"]
by_group = {style.display_name(d): kept[network_spec.untrained][d] for d in groups}
above = [d for d, (_, low, _) in by_group.items() if low > 1 / len(intact) and d != "all"]
Markdown(f"""That the control's units do not generalise is
**{claims.verdict("The randomly initialised control's")}** here: {n_same} of its {n_control} units
prefer the same domain again, where chance is 1 in {len(intact)}. By domain, the interval lies above
chance for {", ".join(f"{d} ({by_group[d][0]:.0%})" for d in above) or "none"} (panel D).""")

# %% [markdown]
# The masks are identical to the published rule's; the tests show it. Under `demo` the diet and the
# images are synthetic, so the proportions say nothing about ImageNet; they show whether the method
# recovers a known ground truth.

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
# **Read.** Take the units of the heat map's layer that the localizer makes selective for the first
# domain, faces (table of step 7). How many of them prefer faces again on the independent images,
# and how many would by chance? Return both numbers, in this order.

# %% tags=["exercise"]
kept_and_by_chance = None    # two numbers of units

# %% tags=["solution"]
n_faces, fraction = generalisation_at_layer[network_spec.main].loc[
    intact[0], ["n_units", "same_preference"]]
kept_and_by_chance = n_faces * fraction, n_faces / len(intact)

# %% tags=["check"]
# NBVAL_CHECK_OUTPUT
n, fraction = np.nan_to_num(generalisation_at_layer[network_spec.main].loc[
    intact[0], ["n_units", "same_preference"]].to_numpy(float))
check(
    kept_and_by_chance, [n * fraction, n / len(intact)],
    hint="n_units times same_preference; chance is 1 in as many as there are domains.", wrong={
        "These are fractions: multiply by the number of units.": [fraction, 1 / len(intact)],
        "The first number is that of all units, whether they prefer faces again or not.":
            [n, n / len(intact)],
        "A unit prefers one of all intact domains: chance is not one half.":
            [n * fraction, n / 2],
        "The second is what chance gives, not how many more there are.":
            [n * fraction, n * fraction - n / len(intact)]})

# %% [markdown]
# **Change.** Replace the conjunction by the mean: call a unit of the heat map's layer selective for
# a domain if its *mean* t over all contrasts, `main_result.t_mean[layer]`, is at least the
# smallest mean t of any unit that the conjunction made selective (for whatever domain). How many
# units pass for each domain? Return a dict, domain → number, of `main_result.domains`. Why are
# there more of them, and can one unit now have two domains?

# %% tags=["exercise"]
n_by_mean = None    # domain -> number of units

# %% tags=["solution"]
mean_t = main_result.t_mean[layer]
own = main_result.labels[layer] == np.arange(len(mean_t))[:, None]
threshold = np.nanmin(mean_t[own], initial=np.inf)
n_by_mean = {d: int((row >= threshold).sum()) for d, row in zip(main_result.domains, mean_t)}

# %% tags=["check"]
# NBVAL_CHECK_OUTPUT
mean_t = main_result.t_mean[layer]
own = main_result.labels[layer] == np.arange(len(mean_t))[:, None]
least = np.nanmin(mean_t[own], initial=np.inf)

def count(passes):
    return dict(zip(main_result.domains, passes.sum(1).tolist()))

check(n_by_mean, count(mean_t >= least), hint="mean_t >= threshold, row by row.", wrong={
    "These pass the conjunction: the mean alone lets more pass.": count(own),
    "The threshold itself passes: 'at least'.": count(mean_t > least),
    "A unit that responds least to a domain does not prefer it: no absolute value.":
        count(np.abs(mean_t) >= least),
    "One threshold for all domains: the smallest mean t of any selective unit.": count(
        mean_t >= [[np.nanmin(row[mine], initial=np.inf)] for row, mine in zip(mean_t, own)])})

# %% [markdown]
# **Extend.** Another criterion, the *2× rule*: a unit is selective for a domain if its mean
# response to it is positive and at least twice its mean response to **every** other domain. It
# ignores variance, and is meant for activations that are not negative: a unit with a negative mean
# in any domain is never selected. Write it for an array of means.

# %% tags=["exercise"]
def twofold(mean):
    """Which units pass the 2x rule; mean: (n_domains, n_units), returns bool of that shape."""
    raise NotImplementedError

# %% tags=["solution"]
def twofold(mean):
    """Which units pass the 2x rule; mean: (n_domains, n_units), returns bool of that shape."""
    passes = np.zeros(mean.shape, bool)
    for domain in range(len(mean)):
        largest_other = np.delete(mean, domain, axis=0).max(axis=0)
        passes[domain] = (mean[domain] > 0) & (mean[domain] >= 2 * largest_other)
    return passes & (mean >= 0).all(axis=0)

# %% tags=["check"]
# NBVAL_CHECK_OUTPUT
rng = np.random.default_rng(0)
relu = rng.exponential(size=(6, 400)) * rng.integers(0, 2, (6, 400)) + 0.05
on = [(relu,), (rng.normal(size=(4, 200)) + 0.5,), (np.zeros((3, 4)),)]

def twice(mean, factor=2):
    """Where the mean is so many times the largest of the other domains'."""
    return mean >= factor * np.stack([np.delete(mean, d, 0).max(0) for d in range(len(mean))])

check(twofold, lambda mean: select_twofold(replace(
    moments, mean=torch.from_numpy(mean))).numpy(), on=on,
    hint="np.delete(mean, d, axis=0) has the means of the other domains.", wrong={
        "Every other domain, not their average.":
            lambda mean: mean >= 2 * (mean.sum(0) - mean) / (len(mean) - 1),
        "A unit that never responds prefers nothing.": lambda m: twice(m) & (m >= 0).all(0),
        "A negative mean in any domain excludes the unit.": lambda m: twice(m) & (m > 0),
        "Twice as large, not merely larger.": lambda m: twice(m, 1) & (m > 0) & (m >= 0).all(0)})

# %% [markdown]
# **Discuss.** (1) What would make a unit selective for scrambled images? (2) Two networks have
# 5 % and 10 % face-selective units. Is the second one better at faces? (3) The test counts
# positions in a feature map as separate units. What changes if channels were the units?
#
# **References.** Prince, Alvarez & Konkle (2024), *Science Advances* 10(39), eadl1776 ·
# Stigliani, Weiner & Grill-Spector (2015), *J Neurosci* 35(36) · Benjamini & Yekutieli (2001),
# *Ann Stat* 29(4).
#
# Previous: [00 · Meet the synthetic data set](00_meet_the_universe.ipynb) · Next:
# [02 · Lesion selective units](02_lesion_selective_units.ipynb), to see whether they are used.
