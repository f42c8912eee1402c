# %% [markdown]
# # 04 · Do images of different categories become separable through the layers of a network?
#
# Prince, Alvarez & Konkle (2024), Figure 5 and the authors' page on tuning reorientation
# ([doi 10.1126/sciadv.adl1776](https://doi.org/10.1126/sciadv.adl1776)).
# On two cores: half a minute and 1 GB under `demo`, one minute and 4 GB under `mini`; under
# `paper` not measured: the images have to be put in place by hand (the message says how).

# %% [markdown]
# **Goal.** The paper's last figure draws every image as a trajectory: its position in the first
# layer, in a later one, in the last. Trajectories of faces, buildings, cats and hammers seem to
# diverge into *content channels*. We draw that figure, measure how much of it is arbitrary,
# correct it, and put a number with an error on what it illustrates.
#
# **You will learn**
# - why axes of different layers cannot be compared directly, and how to align them;
# - how to measure which parts of a figure depend on arbitrary choices;
# - why an unconstrained fit can reverse the tuning of its features, and a positive one cannot.

# %% tags=["parameters"]
profile = "demo"         # demo, mini, paper, or the path of your own TOML file
n_components = 10        # principal components of each layer (published: 10)
n_flips = 50             # random flips of the components' signs
n_permutations = 1000    # permutations of the category labels

# %%
import numpy as np
import pandas as pd
from IPython.display import Markdown

from helpers import lab
from helpers.content_channels import plots, separability, trajectories, tuning_reorientation
from helpers.core.bootstrap import bootstrap_interval
from helpers.core.intervals import compare_with_draws, permutation_p
from helpers.figures import style
from helpers.figures.claims import ClaimsTable, round_numbers
from helpers.figures.deviations import deviation_table
from helpers.figures.panels import image_grid
from helpers.figures.verdicts import CHECK, EXPLORATORY
from helpers.networks.activations import extract_activations

laboratory = lab.open(profile, notebook="04_trace_content_channels")
claims = ClaimsTable(laboratory.provenance)
network_spec, spec = laboratory.profile.networks, laboratory.profile.table("channels")
seed = laboratory.profile.seed
style.use_style()
print(laboratory.provenance.line)

# %% [markdown]
# ## 1 · The images
#
# Four categories, the first images of each. They are grey and matched in mean luminance and
# contrast where the set provides for it, so that neither separates the categories.

# %%
images = laboratory.images(spec.images)
stimuli = images.select(trajectories.select_images(images.categories, spec.categories,
                                                   spec.n_per_category))
categories = np.array(stimuli.categories)
counts = {category: int((categories == category).sum()) for category in spec.categories}
print(f"{len(stimuli)} images:", counts)

# %%
examples = style.new_figure(2.6)
image_grid(examples.add_subplot(), stimuli, spec.categories, 10)
examples

# %% [markdown]
# ## 2 · Through the layers
#
# The images pass once through the main network and its **randomly initialised control**. For every
# layer we compute two things: the published ten *principal components* (the directions in which its
# responses to images vary most), and the distances between images (1 − correlation over *all*
# units), which need no components.

# %%
scores, rdms, n_units = {}, {}, {}
size = laboratory.profile.batch_size
batches = np.array_split(np.arange(len(stimuli)), -(-len(stimuli) // size))
networks = {name: laboratory.network(name) for name in (network_spec.main, network_spec.untrained)}
for name, network in networks.items():
    paths = {layer: network.layers[layer] for layer in spec.layers}
    activations = extract_activations(network.model, paths,
                                      stimuli.batches(batches, network.preprocessing))
    activations = {layer: activations[layer].numpy() for layer in spec.layers}
    scores[name] = trajectories.compute_pca_scores(activations, n_components=n_components)
    rdms[name] = np.stack([separability.layer_rdm(values) for values in activations.values()])
    n_units = {layer: values.shape[1] for layer, values in activations.items()}
main, untrained = networks[network_spec.main], networks[network_spec.untrained]
print(
    f"{network_spec.main}, units a layer: {n_units}; components: {scores[network_spec.main].shape[2]}")

# %% [markdown]
# ## 3 · The published figure
#
# Stack the layers' scores, one row per image and layer; take 1 − Pearson's *r* between all
# rows; embed the rows in a plane that preserves these distances as well as possible (metric
# multidimensional scaling). *Stress* measures the misfit: 0 is exact, 0.2 is called poor.

# %%
n_layers = len(spec.layers)
published = trajectories.fit_mds(trajectories.correlation_rdm(scores[network_spec.main]), n_layers)
print(f"{n_layers} × {len(stimuli)} points; stress {published.stress:.2f}")

# %% [markdown]
# ## 4 · What is wrong with it, and the aligned embedding
#
# Component 1 of `conv1` and component 1 of a later layer share nothing but their number. Each is
# a direction in a different space, and its sign is a convention. An image with scores (3, −1) in
# one layer and (3, −1) in the next has not kept its position. So a distance between two layers,
# which is most of what the published plane shows, has no meaning.
#
# The correction: rotate each layer's point cloud until the same images lie as close together as
# possible in all layers (*generalised Procrustes alignment*; the mean cloud is the *consensus*).
# Distances within a layer do not change. The distance is 1 − cosine here, because Pearson's *r*
# subtracts the mean over components, which depends on their signs, too. Rotation alone already
# produces some consensus: hence a comparison with images shuffled within layers.

# %%
aligned = trajectories.fit_mds(trajectories.aligned_rdm(scores[network_spec.main]), n_layers)
consensus_variance = trajectories.consensus_variance(
    trajectories.procrustes_align(scores[network_spec.main]))
permuted_variance = trajectories.permuted_consensus_variance(scores[network_spec.main], seed=seed)
print(
    f"stress {aligned.stress:.2f}; the consensus holds {consensus_variance:.0%} of the layers' variance, "
    f"{permuted_variance.mean():.0%} if images are shuffled within layers")

# %% [markdown]
# ## 5 · How much of each plane is arbitrary?
#
# Flip the sign of random components in every layer: an equally valid run of the same analysis.
# Compare all distances before and after, within layers and between them. If no sign matters,
# *r* = 1. A third version uses the cosine without alignment, to separate the effects of the two.

# %%
rdm_functions = {"published": trajectories.correlation_rdm,
                 "cosine, not aligned": trajectories.cosine_rdm,
                 "aligned": trajectories.aligned_rdm}
flips = {variant: trajectories.sign_flip_correlations(scores[network_spec.main], rdm_function,
                                                      n_flips=n_flips, seed=seed)
         for variant, rdm_function in rdm_functions.items()}
sign_flip_table = pd.concat(pd.DataFrame({"embedding": variant, "part": part, "r": r[:, column]})
                            for variant, r in flips.items()
                            for column, part in enumerate(("between", "within")))
sign_flip_table.groupby(["embedding", "part"],
                        sort=False)["r"].describe(percentiles=[0.025, 0.975]).round(2)

# %% [markdown]
# This is no thought experiment. scikit-learn changed its convention for signs in version 1.5
# ([issue 28826](https://github.com/scikit-learn/scikit-learn/issues/28826)): the same code on
# the same data has drawn another figure since.

# %%
older = trajectories.legacy_pca_signs(scores[network_spec.main])
legacy_r = {variant: trajectories.block_correlations(rdm_function(scores[network_spec.main]),
                                                     rdm_function(older),
                                                     n_layers)[0]
            for variant, rdm_function in rdm_functions.items()}
print("between layers, signs of scikit-learn before 1.5 against today's:",
      {variant: f"{r:.2f}" for variant, r in legacy_r.items()})

# %% [markdown]
# ## 6 · A number for what the figure illustrates
#
# Are the categories more separable in deeper layers? Each layer can be measured in its own space,
# over all its units. *Nearest centroid* is the fraction of images that lie nearest to the mean of
# their own category, the image itself left out (chance: 1 / number of categories). The *silhouette*
# of an image describes how compact the categories are: it compares the mean distance to its own
# category (*a*) with that to the nearest other one (*b*): $(b - a)/\max(a, b)$, 1 for compact and
# distant clusters, 0 or less where they overlap. Two questions, two tests: *are the categories
# separable?* (labels permuted `n_permutations` times), and *does separability grow?* (the slope
# over layers, with its error over images: a *bootstrap* for the accuracy, the *jackknife*, which
# leaves out one image at a time, for the silhouette).

# %%
measures = {"silhouette": separability.silhouettes,
            "nearest centroid": separability.nearest_centroid_accuracy}
tables, both = [], np.concatenate([*rdms.values()])  # the main network's layers, then its control's
resampled = separability.bootstrap_accuracy(both, categories, seed=seed)
for (name, r), accuracy in zip(rdms.items(), np.split(resampled, len(rdms), axis=1)):
    se = {"silhouette": [separability.jackknife_contrast(r, categories,
                                                         row).se for row in np.eye(n_layers)],
          "nearest centroid": accuracy.std(axis=0, ddof=1)}
    for measure, function in measures.items():
        value = function(r, categories)
        null = separability.label_permutation_null(r, categories, function,
                                                   n_permutations=n_permutations, seed=seed)
        low, high = np.quantile(null, [0.025, 0.975], axis=0)
        tables.append(pd.DataFrame({
            "network": name, "measure": measure, "layer": spec.layers, "value": value,
            "se": se[measure], "null_low": low, "null_mean": null.mean(axis=0), "null_high": high,
            "p": permutation_p(value, null)}))

# %%
separability_table = pd.concat(tables, ignore_index=True)
separability_table.pivot(index=["measure", "layer"], columns="network",
                         values=["value", "null_mean", "p"]
                ).loc[list(measures)].reindex(spec.layers, level="layer").round(3)

# %% [markdown]
# The two can disagree. A silhouette measures whether categories are *compact*: variation common to
# all images (size, position, background) makes it small. The centroid measures only on which side
# an image lies, which is what "separable" means. And the silhouette's chance level is not 0: it is
# lower where a layer uses few dimensions, as permuted labels show. So the centroid judges the
# claims, and the silhouette describes. But the silhouette had judged them first, and the centroid
# took its place after both had been seen: these claims are *exploratory*.
#
# Now the second question, does separability grow, and the deepest layer compared with that of the
# randomly initialised control, by both measures:

# %%
slope, last, zero = separability.slope_weights(n_layers), np.eye(n_layers)[-1], np.zeros(n_layers)
contrasts = dict(zip([f"slope, {name}" for name in rdms], ([*slope, *zero], [*zero, *slope])))
contrasts["deepest layer, trained − untrained"] = [*last, *-last]
accuracy = separability.nearest_centroid_accuracy(both, categories)
by_silhouette = {name: separability.jackknife_contrast(both, categories, weights)
                 for name, weights in contrasts.items()}
by_accuracy = {name: bootstrap_interval(accuracy @ weights, resampled @ weights)
               for name, weights in contrasts.items()}
pd.DataFrame([{"measure": measure, "contrast": name, "estimate": value, "low": low, "high": high}
              for measure, by in (("nearest centroid", by_accuracy), ("silhouette", {
                  name: (test.estimate, *test.interval) for name, test in by_silhouette.items()}))
              for name, (value, low, high) in by.items()]).round(3)

# %% [markdown]
# ## 7 · Are the features tuned like the target?
#
# Why do the authors predict brains with *positive* weights (notebook 03)? Their demonstration: a
# target that responds (3, 2.5) to two images, and 100 random features to predict it from. An
# unconstrained fit may use a feature of opposite tuning and subtract it. The *reorientation index*
# is $\sum_i |w_i|\,(1-\cos(f_i, y)) / \sum_i |w_i|$: 0 if all weight lies on features tuned like
# the target, 2 if on features tuned the opposite way.

# %%
features = tuning_reorientation.published_features()
fits = tuning_reorientation.fit_models(features)
published_index = {"OLS": (1.514, 0.254), "Lasso": (1.941, 0.055), "ElasticNet": (1.885, 0.140),
                   "Ridge": (1.529, 0.242)}
table = pd.DataFrame([{"model": fit.model, "positive": fit.positive, "index": round(fit.index, 3),
                       "published": published_index[fit.model][fit.positive],
                       "features used": fit.n_nonzero} for fit in fits])
table

# %% [markdown]
# ## 8 · The figure

# %%
domain_of = dict(zip(stimuli.categories, stimuli.domains))
styles = plots.category_styles(domain_of)
figure = style.new_figure(7.8)
paths = figure.add_gridspec(1, 2, wspace=0.03, left=0.02, right=0.985, top=0.93,
                            bottom=0.56).subplots()
for panel, letter, variant, embedding in zip(paths, "AB", ("as published", "axes aligned"),
                                             (published, aligned)):
    plots.trajectory_paths(panel, embedding.points, categories, styles)
    panel.set_title(f"{variant} · stress {embedding.stress:.2f}")
    style.panel_letter(panel, letter, x=0.02)
style.top_legend(figure, plots.category_handles(styles, spec.layers[0], spec.layers[-1]),
                 ncols=6)

# %%
middle = figure.add_gridspec(1, 3, width_ratios=[1.25, 1, 1], wspace=0.42,
                             left=0.1, right=0.985, top=0.49, bottom=0.355)
panels = middle.subplots()
plots.sign_flip_strips(panels[0], sign_flip_table, highlighted=legacy_r)
panels[0].legend(loc="lower left", bbox_to_anchor=(-0.05, 1.02), ncols=2, handletextpad=0.3,
                 columnspacing=0.8, fontsize=6)
for panel, measure in zip(panels[1:], measures):
    plots.separability_lines(panel, separability_table, measure,
                             {network_spec.main: "k", network_spec.untrained: "0.55"})
for panel, chance in zip(panels[1:], (0, 1 / len(spec.categories))):
    panel.axhline(chance, color="0.4", linestyle=":", linewidth=0.7)
style.percent_axis(panels[2].yaxis)
panels[1].legend(loc="lower left", bbox_to_anchor=(-0.05, 1.12), ncols=2, fontsize=6)
for panel, letter, x in zip(panels, "CDE", (-0.26, -0.3, -0.22)):
    style.panel_letter(panel, letter, x=x)

# %%
lower = figure.add_gridspec(2, 4, hspace=0.26, wspace=0.02, left=0.03, right=0.88, top=0.27,
                            bottom=0.02).subplots(squeeze=False)
for panel, fit in zip(lower.flat, fits):
    arrows = plots.tuning_vectors(panel, fit, features, tuning_reorientation.TARGET)
figure.colorbar(arrows, cax=figure.add_axes((0.9, 0.07, 0.012, 0.15)), label="weight",
                extend="both", ticks=[-0.03, 0, 0.03])
style.panel_letter(lower[0, 0], "F", x=-0.05)

# %%
points = pd.concat({variant: pd.DataFrame({
    "layer": np.repeat(spec.layers, len(stimuli)), "category": np.tile(categories, n_layers),
    "image": np.tile(stimuli.files, n_layers), "x": embedding.points[..., 0].ravel(),
    "y": embedding.points[..., 1].ravel()}) for variant, embedding in
                    (("A", published), ("B", aligned))}, names=["panel"]).reset_index(level=0)
style.save_figure(figure, laboratory.provenance, {
    **{variant: rows.drop(columns="panel") for variant, rows in points.groupby("panel")},
    "C": sign_flip_table, "D": separability_table[separability_table["measure"] == "silhouette"],
    "E": separability_table[separability_table["measure"] == "nearest centroid"], "F": table})
figure

# %% [markdown]
# **Figure 04.** **A** Every image's trajectory through the layers, as published (thin lines; open
# dots: first layer; filled: last; thick lines: category means; n: step 1). **B** The same after
# the layers' axes were aligned. **C** Pearson's *r* of all distances before and after random flips
# of the components' signs, one dot per flip; black: distances between layers, grey: within; the
# cross: the signs of another version of scikit-learn, between layers. **D** Mean silhouette of the
# categories in each layer's own space; bars: 95 % intervals over images (jackknife); bands: 95 %
# of permutations of the labels; dotted: 0. **E** Fraction of images nearest to their own
# category's centroid, the image left out; bars: 95 % intervals over images (bootstrap); bands as
# in D; dotted: chance, 1 / number of categories. **F** The tuning demonstration (toy
# data, the same under every profile): 100 features as arrows, coloured by weight, the target in
# green; titles: reorientation index. One network of each type. The stamp says whether the data
# are REAL or SYNTHETIC.

# %% [markdown]
# ## 9 · Claims
#
# Each claim has a rule that was fixed before its result was seen, except the exploratory ones (step
# 6). The tuning demonstration is a sanity check: its toy data are the same under every profile. The
# paper's code gives no statistic for Figure 5, an illustration; so the column "paper" states what
# the figure suggests.

# %%
for name in networks:
    rows = separability_table[separability_table["network"] == name].set_index("layer")
    for measure, own in rows.groupby("measure", sort=False):
        claims.number(f"{measure}, {name}", round_numbers(own["value"].to_dict(), 3))
        claims.number(f"{measure}, {name}, shuffled labels",
                      round_numbers(own["null_mean"].to_dict(), 3))
    trend = by_silhouette[f"slope, {name}"]
    claims.number(f"slope of the silhouette, {name}", round_numbers(
        {"a layer": trend.estimate, "se": trend.se, "p": trend.p}, 3))
difference = by_silhouette["deepest layer, trained − untrained"]
claims.number("deepest layer, trained minus untrained", round_numbers(
    {"silhouette": difference.estimate, "se": difference.se, "p": difference.p}, 3))
claims.number("tuning reorientation", {
    f"{'positive ' if fit.positive else ''}{fit.model}": round(fit.index, 3) for fit in fits})
claims.number("aligned layers",
              round_numbers({"agreement": consensus_variance, "by chance": permuted_variance.mean(),
                             "stress": aligned.stress,
                             "stress, published": published.stress}, 2))

# %%
same = (table["index"] == table["published"]).sum()
free, positive = ({fit.model: fit.index for fit in fits if fit.positive is sign}
                  for sign in (False, True))
claims.claim("The tuning demonstration comes out as published",
             source="figure titles of the authors' page", paper=", ".join(
                 f"{model} {pair[0]:.3f}/{pair[1]:.3f}" for model, pair in published_index.items()),
             run=", ".join(f"{model} {free[model]:.3f}/{positive[model]:.3f}" for model in free),
             rule="all eight indices (free/positive) equal to three decimals",
             holds=bool(same == len(fits)), kind=CHECK)
claims.claim("Positive fits keep features that are fine-tuned like the target",
             source="the authors' page", paper="every positive index below its free one",
             run=f"positive at most {max(positive.values()):.2f}, free at least "
             f"{min(free.values()):.2f}",
             rule="so for each of the four models",
             holds=all(positive[model] < free[model] for model in free), kind=CHECK)

# %%
by_layer = {name: separability.silhouettes(r, categories).tolist() for name, r in rdms.items()}
silhouette_text = {name: ", ".join(f"{value:z.2f}" for value in values)
                   for name, values in by_layer.items()}
one = "one training of each network"
for name, values in silhouette_text.items():
    print(f"{name}: silhouette {values} from {spec.layers[0]} to {spec.layers[-1]}")
chance_text = f"{len(stimuli)} images, chance {1 / len(spec.categories):.0%}"
nearest = "of leave-one-out nearest-centroid accuracy, each layer in its own space"
after_looking = "bootstrap over images; the measure was chosen after the silhouette had been seen"
claims.judge("Categories are more separable in deeper layers",
             *by_accuracy[f"slope, {network_spec.main}"], "above 0", kind=EXPLORATORY,
             n=f"from {accuracy[0]:.0%} to {accuracy[n_layers - 1]:.0%}, {chance_text}",
             rests_on=one, of=f"slope over layers {nearest}, {after_looking}",
             source="Fig. 5, an illustration", paper="they separate; no statistic")
claims.judge("Training separates categories: the randomly initialised control separates them less "
             "in the deepest layer", *by_accuracy["deepest layer, trained − untrained"], "above 0",
             n=f"{accuracy[n_layers - 1]:.0%} against {accuracy[-1]:.0%}, {chance_text}",
             rests_on=one, kind=EXPLORATORY, source="beyond the paper", paper="not shown",
             of=f"trained minus untrained, {nearest}, {after_looking}")

# %%
between = {variant: r[:, 0] for variant, r in flips.items()}
low, high = np.quantile(between["published"], [0.025, 0.975])
claims.claim("Distances between layers in the published figure are arbitrary",
             source="beyond the paper (authors' notebook nb5)", paper="not discussed",
             run=f"r after sign flips, published: 95% in {low:z.1f} to {high:z.1f}; aligned: at "
             f"least {between['aligned'].min():.2f}",
             rule="published: the middle 95% of r below .5, so that signs decide three quarters of "
             "the variance or more; aligned: r above .999 in every flip",
             holds=bool(high < 0.5 and between["aligned"].min() > 0.999))
claims.judge("Aligned layers agree by more than turning them gives by itself",
             *compare_with_draws(consensus_variance, permuted_variance), "above 0",
             n=f"{len(permuted_variance)} shuffles",
             of="variance that the consensus holds, minus that of images shuffled within layers, "
             "over shuffles", source="beyond the paper", paper="not shown", rests_on=one)

# %%
path = claims.save()
print(claims.text())

# %%
# NBVAL_CHECK_OUTPUT
print(claims.verdicts())

# %% [markdown]
# ## 10 · What we see, what the paper says, why they differ
#
# The published figure shows fairly what happens *within* each layer, and panels D and E quantify
# that. What it seems to show *between* layers, trajectories that run in parallel or cross, depends
# on arbitrary signs: see the black dots in the first two rows of panel C. The grey dots of the
# first row show that with Pearson's *r* even the distances within a layer depend on them a little.
# After alignment nothing depends on signs any more, and the plane shows one thing: how far an image
# moves *relative to the other images*. It cannot show that a layer adds new information, and its
# stress measures how much a plane leaves out.
#
# Panels D and E need no plane and no alignment. Compare each layer with the band of permuted
# labels, and the trained network with the randomly initialised control: some separability may be in
# the images themselves (an outline can be enough), some in the architecture, and only the rest was
# learned. Under `mini` (photographs, SqueezeNet) both measures rise with depth in the trained
# network. Under `demo` they disagree (step 6). Its centroids separate the drawn categories better
# than the control's, from the second of the four layers on (the slope hides that little grows after
# it), yet the categories do not become compact: the silhouette leaves the band of permuted labels
# in the middle layers, is back in it in the deepest, and there lies *below* the control's. Which of
# the two is "untangling"? The paper's figure does not say. Judged by the silhouette, as first
# entered, both claims were contradicted in the demo; the measure that judges them now was chosen
# knowing that, so they need images and networks that were not seen before.
#
# Under `demo` the images are synthetic: seven of the published eight
# categories, matched in luminance and contrast, not in spectrum. A claim about the network's
# layers needs more than these four layers and one network of each type.

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
# **Read.** In which layer does training add most to the silhouette? Is that much, beside the bars
# and bands of panel D? Then look for the same in panel E.

# %%
your_layer = None    # a layer's name

if your_layer is None:
    print("Hint: subtract the untrained network's column of by_layer from the trained one's.")
else:
    added = np.subtract(by_layer[network_spec.main], by_layer[network_spec.untrained])
    print("Right." if your_layer == spec.layers[added.argmax()] else "Look again at panel D.")

# %% tags=["solution"]
added = np.subtract(by_layer[network_spec.main], by_layer[network_spec.untrained])
dict(zip(spec.layers, added.round(3)))

# %% [markdown]
# **Change.** Flip only the *first* component of the last layer. How well do the published distances
# between layers correlate with those before? Guess; then try the last component.

# %%
flipped = None    # number of the component to flip, from 0

if flipped is None:
    print("Hint: copy the scores, multiply [-1, :, flipped] by -1, use block_correlations.")
else:
    changed = scores[network_spec.main].copy()
    changed[-1, :, flipped] *= -1
    between_r, within_r = trajectories.block_correlations(
        trajectories.correlation_rdm(scores[network_spec.main]),
        trajectories.correlation_rdm(changed), n_layers)
    print(f"between layers {between_r:.2f}, within {within_r:.2f}")

# %% tags=["solution"]
for flipped in (0, scores[network_spec.main].shape[2] - 1):
    changed = scores[network_spec.main].copy()
    changed[-1, :, flipped] *= -1
    before, after = (trajectories.correlation_rdm(x) for x in (scores[network_spec.main], changed))
    between_r, within_r = trajectories.block_correlations(before, after, n_layers)
    print(f"component {flipped}: between layers {between_r:.2f}, within {within_r:.2f}")

# %% [markdown]
# **Extend.** Are the categories separable in the images already? Take the pixels as layer 0: one
# row per image (`helpers.selectivity.linear_probes.pixel_features`) into `separability.layer_rdm`,
# then `silhouettes`, which takes a stack of layers: `rdm[None]`.
#
# **Discuss.** (1) Alignment treats layers as if they were rotations of one another. What would a
# layer have to compute for this to hide something interesting? (2) The silhouette uses the nearest
# other category. Which other definitions of "untangled" do you know, and would they agree? (3) A
# voxel is fitted with positive weights only. Which voxels could such a model not describe?
#
# **References.** Prince, Alvarez & Konkle (2024), *Science Advances* 10(39), eadl1776 ·
# Gower (1975), *Psychometrika* 40(1) · Rousseeuw (1987), *J Comput Appl Math* 20 ·
# Kruskal (1964), *Psychometrika* 29(1).
#
# Previous: [03 · Predict regions sparsely](03_predict_regions_sparsely.ipynb) · Next:
# 05 · Fine-tune to a region (to come).
