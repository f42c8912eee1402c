# %% [markdown]
# # 00 · Which images, networks and brains do the notebooks use?
#
# No figure of a paper: the images, the networks and the cohort of all of them. Read it before any
# other notebook. On two cores: half a minute and 1.3 GB under `demo` (some minutes the first time,
# while the synthetic data are drawn), a minute and 3 GB under `mini`; under `paper` not measured.

# %% [markdown]
# **Goal.** Every figure compares responses to images: those of networks with those of other
# networks, or with those of brains. This notebook introduces all three. Under `demo` they are
# *synthetic*, with a known ground truth, so that a method can be checked before it is trusted.
# Under `mini` and `paper` they are photographs, published networks and real participants. The code
# is the same for all.
#
# **You will learn**
# - what a localizer, an independent probe set and a visual diet are, and how they differ;
# - how a probe measures category information, and how to test whether low-level statistics of the
#   images already reveal the category;
# - what a cohort is, and how repeats of an image separate signal from noise in a brain.

# %% tags=["parameters"]
profile = "demo"    # demo, mini, paper, or the path of your own TOML file
n_examples = 4      # images of each category in the figure
k = 20              # neighbours of the k-nearest-neighbour probe

# %%
import numpy as np
import pandas as pd
from IPython.display import Markdown

from helpers import lab
from helpers.brains.fsaverage import N_FSAVERAGE, N_FSAVERAGE5, open_region_masks
from helpers.brains.layouts import open_cohort
from helpers.brains.reliability import ncsnr, ncsnr_noise_ceiling
from helpers.core.errors import LabError
from helpers.core.intervals import difference_interval
from helpers.encoding.cohort_responses import roi_table
from helpers.exercises import check
from helpers.figures import schematic, style
from helpers.figures.claims import ClaimsTable, round_numbers
from helpers.figures.verdicts import CHECK
from helpers.networks.named_layers import layers_before_readout
from helpers.selectivity import overview_plots as plots
from helpers.selectivity import region_maps
from helpers.selectivity.linear_probes import (
    extract_features,
    knn_accuracy,
    luminance_and_contrast,
    pixel_features,
    probe_accuracies,
)
from helpers.stimuli.domains import core_domains, intact_domains, number_word, require_domains

laboratory = lab.open(profile, notebook="00_meet_the_universe")
claims = ClaimsTable(laboratory.provenance)
style.use_style()
print(laboratory.provenance.line)

# %% [markdown]
# ## 1 · The images
#
# The [localizer](GLOSSARY.md#localizer) has images of a few *domains* (faces, bodies, …). It serves
# to find units that prefer one of them. The **probe set** shows other exemplars in another style,
# to test these units on independent images. The [visual diet](GLOSSARY.md#visual-diet) of a network
# is the set of images on which it is trained. A profile may lack the last two. The domain
# `characters` (words and numbers) is called *words* in figures, as in the paper.

# %%
sets = {name: laboratory.images(name) for name in laboratory.available("localizer", "probe")}
for name, images in sets.items():
    print(f"{name}: {len(images)} images, {len(set(images.categories))} categories, "
          f"{len(images.domain_names)} domains")
localizer = require_domains(sets["localizer"])
domains = intact_domains(localizer.domains)
style.add_domains(localizer.domain_names)

# %% [markdown]
# In one line, what is measured below: images pass through a network; one layer gives a vector of
# features for each image; a probe classifies held-out images from these vectors.

# %%
examples = [localizer.open(localizer.domains.index(d)) for d in core_domains(domains)[:4]]
grey, dark = style.TRAINING["untrained"], style.TRAINING["contrastive"]
schematic.draw_schematic([
    schematic.Step("images", schematic.images(examples), f"localizer, {len(localizer)} images (A)"),
    schematic.Step("network", schematic.network(selected=[3]), "features of one layer (B)"),
    schematic.Step("vote of neighbours", schematic.formula(
        r"$s_{ij} = \frac{x_i \cdot x_j}{|x_i|\,|x_j|}$", f"the {k} largest $s_{{ij}}$ vote"),
        "one held-out image at a time"),
    schematic.Step("accuracy", schematic.bars([.35, .4, .8], [grey, grey, dark],
                                              chance=1 / len(domains)),
                   "against chance (C, D)")],
    laboratory.provenance, alt="Four steps from left to right: example images, a network with one "
    "marked layer, the cosine similarity by which neighbours are found, bars of accuracy.")

# %% [markdown]
# ## 2 · Is there a shortcut?
#
# If faces were brighter than houses, a unit that measures brightness would look face-selective.
# So compare luminance (the mean over an image) and contrast (its standard deviation) between the
# localizer's domains, on values from 0 to 1.

# %%
levels = luminance_and_contrast(localizer)
level_summary = levels.groupby("domain")[["luminance", "contrast"]].agg(["mean", "std"]).round(3)
level_summary.loc[list(localizer.domain_names)]

# %% [markdown]
# ## 3 · The networks
#
# One network is the main one of most figures. The
# [randomly initialised control](GLOSSARY.md#randomly-initialised-control) has the same architecture
# and random weights. The others differ in what they were trained with or in their diet.

# %%
networks = laboratory.networks()
layer = laboratory.profile.networks.heat_map_layer
main, untrained = laboratory.profile.networks.main, laboratory.profile.networks.untrained
entries = {name: network.entry for name, network in networks.items()}
pd.DataFrame([{
    "network": style.display_name(name), "trained with": plots.training_text(network.entry),
    "on": network.entry.diet, "layers": len(network.layers),
    "million weights": round(sum(w.numel() for w in network.model.parameters()) / 1e6, 1)}
    for name, network in networks.items()])

# %% [markdown]
# ## 4 · A probe, in the open
#
# How much do a layer's features tell about the category of an image? A *k*-nearest-neighbour probe
# needs no training. Each image is a vector of features $x$; two images are compared by their cosine
# similarity $s_{ij} = x_i \cdot x_j / (|x_i|\,|x_j|)$. A held-out image gets the label that is most
# frequent among the *k* most similar images of the other half. The intact domains are classified,
# so chance is one in their number (five) where they are equally frequent.

# %%
intact = localizer.select([i for i, d in enumerate(localizer.domains) if d in domains])
labels = np.array([domains.index(domain) for domain in intact.domains])
is_train, is_test = intact.halves == 0, intact.halves == 1
representations = {"raw pixels": pixel_features(intact)}
layer_of = {name: layer if layer in network.layers else layers_before_readout(network)[-1]
            for name, network in networks.items()}    # another architecture: its last one
representations |= {name: extract_features(networks[name], intact, layer_of[name])
                    for name in dict.fromkeys([untrained, main, *networks])}
x = np.asarray(representations[main], float)
print(f"{layer} of {style.display_name(main)}: {x.shape[0]} images × {x.shape[1]} features")

# %% [markdown]
# First one held-out image, and its three nearest neighbours.

# %%
unit_length = x / np.linalg.norm(x, axis=1, keepdims=True)
similarity = unit_length[is_test] @ unit_length[is_train].T
nearest = np.argsort(-similarity, axis=1)[:, :k]
votes = np.stack([np.bincount(labels[is_train][row], minlength=len(domains)) for row in nearest])
pd.DataFrame({"similarity": similarity[0, nearest[0, :3]].round(3),
              "domain of the neighbour": [domains[i] for i in labels[is_train][nearest[0, :3]]]})

# %% [markdown]
# All its neighbours vote:

# %%
print(f"the first held-out image shows {domains[labels[is_test][0]]}; its {nearest.shape[1]} "
      "neighbours vote:", dict(zip(domains, votes[0].tolist())))

# %% [markdown]
# Then all images, and the check that the function used from here on gives the same. (It computes in
# single precision, in which two neighbours may be equally similar: one image may differ.)

# %%
accuracy = float((votes.argmax(1) == labels[is_test]).mean())
n_test = int(is_test.sum())
fast = knn_accuracy(x[is_train], labels[is_train], x[is_test], labels[is_test], k=k)
np.testing.assert_allclose(accuracy, fast, atol=1.5 / n_test)
print(f"{accuracy:.1%} of {n_test} held-out images are classified correctly; "
      f"the function gives {fast:.1%}")

# %% [markdown]
# The same for every network and for the raw pixels (16 × 16), together with a
# [linear probe](GLOSSARY.md#linear-probe): a multinomial logistic regression, trained on the same
# half. The step from pixels to the untrained network is due to the architecture; the step from
# there to a trained one is due to training.

# %%
domain_accuracy = probe_accuracies(representations, labels, is_train, is_test, k=k)
print(f"{number_word(len(domains))} domains, chance {domain_accuracy['chance'].iloc[0]:.0%}; "
      f"trained on {is_train.sum()} images, tested on {n_test}")
domain_accuracy.rename(index=style.display_name).round(2)

# %% [markdown]
# ## 5 · How well do the networks separate the classes of their diet?
#
# The diet has many fine classes. A network trained without labels has no information on them; if
# its features separate them nevertheless, its *objective* (the loss that training minimises) is
# sufficient for that. Both probes use one half of the diet's validation images and are tested on
# the other; no network was trained on any of them. A profile without a diet skips this step.

# %%
def probe_classes(images):
    """Accuracies on the classes of an image set, and how many images each half has."""
    train_images, test_images = (images.select(np.flatnonzero(images.halves == half))
                                 for half in (0, 1))
    features = {"raw pixels": [pixel_features(part) for part in (train_images, test_images)]}
    features |= {name: [extract_features(networks[name], part, layer_of[name])
                        for part in (train_images, test_images)]
                 for name in representations if name in networks}
    names = sorted(set(train_images.categories))
    classes = np.array([names.index(c) for c in train_images.categories + test_images.categories])
    first = np.arange(len(classes)) < len(train_images)
    return probe_accuracies({name: np.concatenate(parts) for name, parts in features.items()},
                            classes, first, ~first, k=k), len(train_images), len(test_images)

# %% [markdown]
# The same table as in step 4, for the fine classes.

# %%
class_accuracy, n_test_images = {}, 0
for name in laboratory.available("diet"):
    class_accuracy[name], n_train_images, n_test_images = probe_classes(
        laboratory.images(name, "val"))
    print(f"{name}: chance {class_accuracy[name]['chance'].iloc[0]:.0%}; trained on "
          f"{n_train_images} images, tested on {n_test_images}")
(class_accuracy["diet"].rename(index=style.display_name).round(2) if class_accuracy
 else "this profile has no diet")

# %% [markdown]
# ## 6 · The cohort
#
# From notebook 03 on, networks are compared with the responses of participants to images. A
# *region* is a patch of cortex that was defined by a localizer scan in each participant; a *vertex*
# is a point of the cortical surface (in some data, a voxel). Responses are noisy: shown the same
# image again, a vertex responds differently. Repeats tell how much of its variance is signal. The
# [ncsnr](GLOSSARY.md#ncsnr) is the standard deviation of the signal over images divided by that of
# the noise over repeats. The files of some cohorts are given out by their owners on request; where
# they are not on this machine, this step is left out.

# %%
cohort, regions, spec = None, None, laboratory.profile.encoding
try:
    cohort = open_cohort(laboratory)
except LabError as reason:
    print(f"no cohort here: {reason.seen}")
if cohort is not None and spec is not None:
    rois = list(dict.fromkeys([*spec.rois, *spec.single_domain_rois]))
    regions = roi_table(cohort, cohort.subjects, rois, min_ncsnr=spec.min_ncsnr)
    print(f"{cohort.name}: {len(cohort.subjects)} participants, {len(cohort.stimuli)} images; "
          f"responses: {cohort.units}")

# %% [markdown]
# The table has one row for each region: in how many participants it was found, how many vertices it
# has in the median participant, and how many of them exceed the threshold of notebook 03.

# %%
summary = {"participants": ("subject", "size"), "vertices": ("n_vertices", "median"),
           "above threshold": ("n_reliable_vertices", "median"),
           "median ncsnr": ("median_ncsnr", "median")}
(regions[regions["n_vertices"] > 0].groupby("roi", sort=False).agg(**summary).round(2)
 if regions is not None else "no cohort on this machine")

# %% [markdown]
# ### Where such regions lie
#
# A profile may name the regions of real participants on FreeSurfer's average cortex (the masks of
# Algonauts 2023, whose participants are those of NSD; their owners give them out on request). Of
# fsaverage's 163,842 points a hemisphere, the first 10,242 are the points of the coarser
# fsaverage5; of this one there is a flat map, on which the masks can be drawn.

# %%
masks = None
try:
    masks = open_region_masks(laboratory)
    print("This profile names no masks of real regions: no map." if masks is None else
          f"{masks.subject}: {len(masks.vertices)} regions, the first {N_FSAVERAGE5:,} of "
          f"{N_FSAVERAGE:,} points a hemisphere")
except LabError as reason:
    print(f"no map here: {reason.seen}")

# %%
if masks is not None:
    maps = style.new_figure(2.4, alt="""Flat maps of the back of the average cortex, left above and
right below. Five columns: outlines of early visual areas; regions that prefer faces, bodies, scenes
and words as coloured patches with their names.""")
    region_maps.region_maps(maps, masks)
    maps.subplots_adjust(left=0.01, right=0.99, top=0.92, bottom=0.07, wspace=0.05, hspace=0.15)
    style.save_figure(maps, laboratory.provenance, {
        "supplement-masks": region_maps.region_table(masks)}, part="supplement")

# %% [markdown]
# **Figure 00, supplement** (where the masks are at hand). REAL: regions of one participant of NSD
# (masks of Algonauts 2023) on the flat map of fsaverage5; dark grey: sulci of the average cortex.
# Early areas are outlines, named in the first column; coloured: regions of the domain above.
# Regions of one domain may overlap with another's; points on the cuts of the flat map are not
# drawn.

# %% [markdown]
# ## 7 · The figure

# %%
figure = style.new_figure(8.4, """A: a grid of example images, one column per category, grouped by
    domain. B: a list of the networks with what they were trained with and on which images. C, D:
    in the same rows, accuracies of two probes as points with intervals, against dotted chance.
    Then: luminance and contrast of every domain against a grey band of allowed differences, and
    the reliability of the cohort's regions, one dot per participant.""")
rows = figure.add_gridspec(3, 1, height_ratios=[1.38, 1.1, 0.8], hspace=0.45, left=0.075,
                           right=0.98, top=0.96, bottom=0.11)
localizer_axes = figure.add_subplot(rows[0])
plots.image_columns(localizer_axes, localizer, localizer.domain_names, n_examples)
style.panel_letter(localizer_axes, "A", y=1.03)

# %% [markdown]
# The networks and their accuracies stand in the same rows.

# %%
panels = {f"{number_word(len(domains))} domains of the localizer": (domain_accuracy, n_test)}
if class_accuracy:
    panels["fine classes of the diet"] = class_accuracy["diet"], n_test_images
middle = rows[1].subgridspec(1, 1 + len(panels), wspace=0.14,
                             width_ratios=[1.75, *[1] * len(panels)]).subplots()
plots.network_names(middle[0], list(domain_accuracy.index), entries)
for axes, (title, (table, n)) in zip(middle[1:], panels.items()):
    plots.accuracy_points(axes, table, entries, n)
    axes.set_title(title)
for axes, letter in zip(middle, "BCD"):
    style.panel_letter(axes, letter, x=0.0)

# %% [markdown]
# Below them, the two checks of the data: are the domains matched, and are the regions reliable?

# %%
letters = iter("BCDEF"[len(middle):])
bottom = rows[2].subgridspec(1, 1 if regions is None else 2, wspace=0.3).subplots(squeeze=False)[0]
plots.level_deviations(bottom[0], levels, localizer.domain_names, allowed=0.02)
bottom[0].set_title("matched in luminance (filled), contrast (open)?")
style.panel_letter(bottom[0], next(letters), x=-0.05 * len(bottom))
if regions is not None:
    value = "median_ncsnr" if regions["median_ncsnr"].notna().any() else "n_vertices"
    plots.region_dots(bottom[1], regions, value, rois)
    bottom[1].set(title=f"how reliable are the regions of {len(cohort.subjects)} participants?",
                  ylabel={"median_ncsnr": "median ncsnr\n(signal SD / noise SD)",
                          "n_vertices": "vertices"}[value])
    style.panel_letter(bottom[1], next(letters), x=-0.1)

# %%
tables = {"levels": levels, "domains": domain_accuracy.reset_index(names="representation")}
tables |= {n: t.reset_index(names="representation") for n, t in class_accuracy.items()}
tables |= {"regions": regions} if regions is not None else {}
style.save_figure(figure, laboratory.provenance, tables)

# %% [markdown]
# **Figure 00.** **A** Images of every category of the localizer; n: images of the domain. **B** The
# networks, what they were trained with, and on which images. **C** Fraction of held-out images
# whose domain is classified correctly by a *k*-nearest-neighbour probe (filled) and by a linear
# probe (open), from raw pixels and from one layer of each network; lines: exact 95 % binomial
# intervals over images; dotted: chance. Where the profile has a diet, **D** shows the same for its
# fine classes. **Then** luminance and contrast of each domain, as the difference from the mean
# domain in grey levels (of 255); lines: standard deviation over images; grey band: a difference
# that would still count as matched. **Last panel**, where the cohort's files are at hand: the
# median ncsnr of each region's vertices (where it is not known: their number), one dot per
# participant; black: median over participants. One split of the images, one network of each type:
# intervals do not cover another training. The stamp says whether the data are REAL or SYNTHETIC.

# %% [markdown]
# ## 8 · Claims
#
# Each claim has a rule that decides its verdict: *supported*, *contradicted*, *inconclusive* or
# *not testable here*. Where there is a 95 % interval, it decides: it supports where it lies on the
# claimed side, contradicts where it lies on the other, and is inconclusive otherwise. To claim that
# something is *absent* requires an equivalence bound that was fixed beforehand. *Sanity checks*
# have a list of their own: they fail only if data or code are broken, and say nothing about a
# paper.

# %%
by_domain = levels[levels["domain"].isin(domains)].groupby("domain")[["luminance",
                                                                      "contrast"]].mean()
difference = by_domain.max() - by_domain.min()
claims.claim("Luminance and contrast are matched between the localizer's domains",
             source="Stigliani et al. 2015; our synthetic images", paper="matched",
             run=f"largest difference between domains: luminance {difference['luminance']:.3f}, "
             f"contrast {difference['contrast']:.3f}",
             rule="largest difference below 0.02 on values from 0 to 1, 5 of 255 grey levels",
             holds=bool((difference < 0.02).all()), kind=CHECK)

# %% [markdown]
# Pixels must not reveal the domain; training must add to what the architecture gives.

# %%
one = "one training of each network"
pixel_accuracy = domain_accuracy.loc["raw pixels"]
claims.count(f"Raw pixels do not give the {number_word(len(domains))} domains away",
             round(pixel_accuracy[["linear", "knn"]].max() * n_test), n_test, "below",
             2 / len(domains),
             absent="with two domains, twice the chance is every image" * (len(domains) < 3),
             of="images whose domain the better of the two readers finds; twice the chance",
             source="beyond the papers", paper="not reported")
gain, *span = difference_interval(*(count for name in (main, untrained) for count in (
    round(domain_accuracy.loc[name, "knn"] * n_test), n_test)))
claims.judge("Training, not architecture, makes the domains readable", gain - 0.1,
             *(end - 0.1 for end in span), "above 0", n=f"{n_test} images", rests_on=one,
             of="neighbours, trained minus untrained, minus 10 points", source="beyond the papers",
             paper="not reported")

# %% [markdown]
# The fine classes of the diet: the worst of the networks trained without labels, against twice the
# accuracy of the untrained one.

# %%
diet = class_accuracy.get("diet")
without_labels = [name for name, entry in entries.items() if entry.trained_without_labels]
counts = (0, 0, 0, 0)
if diet is not None and without_labels:
    counts = tuple(count for accuracy in (diet.loc[without_labels, "knn"].min(),
                                          diet.loc[untrained, "knn"])
                   for count in (round(accuracy * n_test_images), n_test_images))
claims.judge("Networks trained without labels beat the untrained one on fine classes",
             *difference_interval(*counts, scale=2), "above 0", n=f"{n_test_images} images",
             rests_on=one, source="beyond the papers", paper="not reported",
             of=f"neighbours, the worst of {len(without_labels)} minus twice the untrained "
             "network's")

# %%
for name, table in {f"{number_word(len(domains))} domains": domain_accuracy,
                    **class_accuracy}.items():
    for measure in ("knn", "linear"):
        claims.number(f"{name}, {measure}", round_numbers(
            table.loc[["raw pixels", *networks], measure].to_dict(), 3))
path = claims.save()
print(claims.text())

# %%
# NBVAL_CHECK_OUTPUT
print(claims.verdicts())

# %% [markdown]
# ## 9 · What we see, and why it matters
#
# A suitable image set for the questions of these notebooks gives low accuracy from pixels, slightly
# more from an untrained network, and much more from a trained one. Where pixels or an untrained
# network already do well, low-level statistics may explain "selective" units, and notebook 01 has
# to show more than their number.

# %% tags=["prose"]
best = domain_accuracy[["knn", "linear"]].max(axis=1)
Markdown(f"""In this run the better of the two probes classifies {best["raw pixels"]:.0%} of the
held-out images from raw pixels, {best[untrained]:.0%} from the untrained network and
{best[main]:.0%} from the main one ({style.display_name(main)}); chance is
{domain_accuracy["chance"].iloc[0]:.0%}. That raw pixels do not reveal the domains is
**{claims.verdict("Raw pixels")}**; that training, not architecture, separates them is
**{claims.verdict("Training, not")}**.""")

# %% [markdown]
# A domain may be decodable although it was not learned. The networks with another diet show it: one
# that saw a single domain in training can still separate the others.

# %% tags=["prose"]
other_diet = [name for name in networks
              if entries[name].trained and entries[name].diet != entries[main].diet]
Markdown(" ".join(
    f"{style.display_name(name)} (diet: {entries[name].diet}) classifies {best[name]:.0%} of the "
    f"images by domain; the main network {best[main]:.0%}."
    for name in other_diet) or "This profile has no network with another diet.")

# %% [markdown]
# The limits of these numbers: under `demo` the images have fewer categories than photographs, the
# networks are small, and how reliable a region is was set when the cohort was simulated. Accuracy
# here shows whether the *method* has something to detect. It depends on the layer and on the
# sample of images: other tables of the same networks (README) use others, and differ.

# %% [markdown]
# ## 10 · Exercises
#
# **Read.** For which representations is the *k*-nearest-neighbour probe better than the linear one
# on the domains (panel C, or the table of step 4)? Return a set of names as in
# `domain_accuracy.index`. Then compare the number of training images with the number of features,
# `representations[name].shape`: what is the linear probe short of?

# %% tags=["exercise"]
better_neighbours = None    # a set of names

# %% tags=["solution"]
better_neighbours = set(domain_accuracy.index[domain_accuracy["knn"] > domain_accuracy["linear"]])

# %% tags=["check"]
# NBVAL_CHECK_OUTPUT
is_better = domain_accuracy["knn"] > domain_accuracy["linear"]
above_chance = domain_accuracy["knn"] > domain_accuracy["chance"]
check(
    better_neighbours, set(domain_accuracy.index[is_better]),
    hint="compare the columns knn and linear of domain_accuracy, row by row.", wrong={
        "There, the linear probe is better.": set(domain_accuracy.index[~is_better]),
        "Raw pixels are a representation, too.": set(
            domain_accuracy.index[is_better]) - {"raw pixels"},
        "Not all: compare the two columns row by row.": set(domain_accuracy.index),
        "Being better than chance is another question.": set(
            domain_accuracy.index[above_chance]) - {"raw pixels"}})

# %% [markdown]
# **Change.** The number of neighbours is a choice. Compute the *k*-nearest-neighbour accuracy of
# the main network on the domains with 1 neighbour, with `k`, and with as many neighbours as
# there are training images, using `knn_accuracy` as in step 4. Return the three numbers as a list.
# Why is the last one what it is?

# %% tags=["exercise"]
three_accuracies = None    # a list of three numbers

# %% tags=["solution"]
three_accuracies = [knn_accuracy(x[is_train], labels[is_train], x[is_test], labels[is_test], k=n)
                    for n in (1, k, int(is_train.sum()))]

# %% tags=["check"]
# NBVAL_CHECK_OUTPUT
def accuracies(features):
    """Accuracy with 1, k and all neighbours."""
    return [knn_accuracy(features[is_train], labels[is_train], features[is_test], labels[is_test],
                         k=n) for n in (1, k, int(is_train.sum()))]

right = accuracies(x)
check(three_accuracies, right, hint="change k in the call of knn_accuracy.", wrong={
    "This is the untrained network.": accuracies(representations[untrained]),
    "The order is 1, k, all.": right[::-1],
    "This is the error: accuracy is 1 minus it.": [1 - value for value in right],
    "With all training images as neighbours, every image gets the same votes.":
        [*right[:2], right[1]]})

# %% [markdown]
# **Extend.** From a network to a brain. Write the
# [noise ceiling](GLOSSARY.md#noise-ceiling) of one vertex. `betas` has the shape (images, repeats)
# and is z-scored: the total variance of single responses is 1. With the noise variance
# $\sigma_n^2$ (the unbiased variance over repeats, averaged over images) the signal's variance is
# $\sigma_s^2 = \max(0, 1 - \sigma_n^2)$. Return the fraction of signal in the variance of the mean
# over *n* repeats, $\sigma_s^2 / (\sigma_s^2 + \sigma_n^2 / n)$.

# %% tags=["exercise"]
def vertex_noise_ceiling(betas):
    """Noise ceiling (r²) of the mean over repeats of one vertex, betas: (n_images, n_repeats)."""
    raise NotImplementedError

# %% tags=["solution"]
def vertex_noise_ceiling(betas):
    """Noise ceiling (r²) of the mean over repeats of one vertex, betas: (n_images, n_repeats)."""
    noise = betas.var(axis=1, ddof=1).mean()
    signal = max(0.0, 1 - noise)
    return signal / (signal + noise / betas.shape[1])

# %% tags=["check"]
# NBVAL_CHECK_OUTPUT
def ceiling(betas, ddof=1, n=None, floor=0.0):
    """The same, with the mistakes that are easily made."""
    noise = betas.var(axis=1, ddof=ddof).mean()
    signal = max(floor, 1 - noise)
    return signal / (signal + noise / (n or betas.shape[1]))

rng = np.random.default_rng(0)
on = [(r * rng.standard_normal((200, 1)) + np.sqrt(1 - r**2) * rng.standard_normal((200, n)),)
      for r, n in ((0.5, 3), (0.7, 2), (0.2, 4))] + [(1.1 * rng.standard_normal((200, 3)),)]
check(
    vertex_noise_ceiling, lambda b: ncsnr_noise_ceiling(ncsnr(b[..., None]), b.shape[1])[0], on=on,
    hint="betas.var(axis=1, ddof=1) is the variance over repeats of every image.", wrong={
        "The variance over so few repeats needs ddof=1.": lambda b: ceiling(b, ddof=0),
        "This is for a single response: divide the noise by n.": lambda b: ceiling(b, n=1),
        "A variance is not negative: see the maximum with 0.": lambda b: ceiling(b, floor=-np.inf),
        "This is a correlation; r² is asked for.": lambda b: np.sqrt(ceiling(b))})

# %% [markdown]
# **Your own images** can be the localizer: copy `helpers/profiles/mini.toml` to
# `profiles/mine.toml`, set `name = "mine"`, let `path` point at a folder with one sub-folder per
# class (`layout = "imagefolder"`), give every class its domain in `classes.csv`, and run with
# `PROFILE=mine`. Two domains or more will do, the paper's or others.
#
# **Discuss.** (1) Matching luminance and contrast leaves higher statistics free: name one. (2) Is
# a network with a high accuracy a better model of a brain? (3) What should be true of a synthetic
# data set before a result on it says anything about real data?
#
# **References.** Stigliani, Weiner & Grill-Spector (2015), *J Neurosci* 35(36) · Zbontar et al.
# (2021), *ICML* (Barlow Twins) · Chen et al. (2020), *ICML* (SimCLR) · Allen et al. (2022), *Nat
# Neurosci* 25 (NSD, ncsnr).
#
# Next: [01 · Localize selective units](01_localize_selective_units.ipynb), one unit at a time.
