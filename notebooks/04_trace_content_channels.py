# %% [markdown]
# # 04 · Does a network separate categories more from layer to layer?
#
# Prince, Alvarez & Konkle (2024), Figure 5 and the authors' page on tuning reorientation
# ([doi 10.1126/sciadv.adl1776](https://doi.org/10.1126/sciadv.adl1776)).
# On two cores: half a minute and 1 GB under `demo`, as much and 4 GB under `mini`; under
# `paper` not measured: the images have to be put in place by hand (the message says how).

# %% [markdown]
# **Goal.** The paper's last figure draws every image as a path through the network: its position in
# the first layer, in a later one, in the last. The paths of faces, buildings, cats and hammers seem
# to diverge into [content channels](GLOSSARY.md#content-channel). We draw that figure, measure
# which of its parts depend on arbitrary choices, and correct it. Then we measure, with an error,
# what it illustrates: whether images of different categories become more separable.
#
# **You will learn**
# - why axes of different layers cannot be compared directly, and how to align them;
# - how to measure separability in each layer's own space, without any plane;
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
from helpers.content_channels import plots, separability, trajectories
from helpers.content_channels import tuning_reorientation as tuning
from helpers.core.bootstrap import bootstrap_interval
from helpers.core.intervals import compare_with_draws, permutation_p
from helpers.exercises import check
from helpers.figures import panels, schematic, style, verdicts
from helpers.figures.claims import ClaimsTable, round_numbers
from helpers.figures.deviations import deviation_table
from helpers.networks.activations import extract_activations
from helpers.selectivity.linear_probes import pixel_features

# %% [markdown]
# The profile names the network and the images. The line below says on what all results rest.

# %%
laboratory = lab.open(profile, notebook="04_trace_content_channels")
claims = ClaimsTable(laboratory.provenance)
network_spec, spec = laboratory.profile.networks, laboratory.profile.table("channels")
seed, n_layers = laboratory.profile.seed, len(spec.layers)
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
first_of = {category: int(np.flatnonzero(categories == category)[0])
            for category in spec.categories}
examples = style.new_figure(2.6, "Rows of example images, one row for each category.")
panels.image_grid(examples.add_subplot(), stimuli, spec.categories, 10)
style.show_figure(examples)

# %% [markdown]
# The whole notebook in one drawing. Planes (A, B) show distances between images; the
# last step needs the distances only.

# %%
rng = np.random.default_rng(0)
blocks = np.kron(1 - 0.6 * np.eye(4), np.ones((4, 4))) + rng.uniform(-0.2, 0.2, (16, 16))
depth = np.linspace(0.1, 0.9, 4)
schematic.draw_schematic([
    schematic.Step("images", schematic.images([stimuli.open(i) for i in first_of.values()][:4]),
                   f"{len(first_of)} categories"),
    schematic.Step("layers", schematic.network(n_layers), f"{n_layers} layers"),
    schematic.Step("distances", schematic.matrix(blocks), "image × image, 1 − r"),
    schematic.Step("separability", schematic.curve(
        (depth, [0.3, 0.6, 0.7, 0.8], style.TRAINING["contrastive"]),
        (depth, [0.3, 0.4, 0.45, 0.45], style.TRAINING["untrained"])), "by layer (D, E)")],
    laboratory.provenance, alt="Images of four categories pass through the layers of a network; "
    "in every layer distances between images are computed, and from these how separable the "
    "categories are, for the trained network and for an untrained one.")

# %% [markdown]
# ## 2 · Through the layers
#
# The images pass once through the main network and its
# [randomly initialised control](GLOSSARY.md#randomly-initialised-control). For every layer we
# compute two things: the published ten *principal components* (the directions in which its
# responses to images vary most), and the distances between images (1 − correlation over *all*
# units), which need no components. The second is the layer's
# *representational dissimilarity matrix*, [RDM](GLOSSARY.md#rdm).

# %%
scores, rdms, deepest = {}, {}, {}
size = laboratory.profile.batch_size
batches = np.array_split(np.arange(len(stimuli)), -(-len(stimuli) // size))
networks = {name: laboratory.network(name) for name in (network_spec.main, network_spec.untrained)}
for name, network in networks.items():
    activations = extract_activations(network.model,
                                      {layer: network.layers[layer] for layer in spec.layers},
                                      stimuli.batches(batches, network.preprocessing))
    activations = {layer: activations[layer].numpy() for layer in spec.layers}
    scores[name] = trajectories.compute_pca_scores(activations, n_components=n_components)
    rdms[name] = np.stack([separability.layer_rdm(values) for values in activations.values()])
    deepest[name] = activations[spec.layers[-1]]
main, untrained = network_spec.main, network_spec.untrained
print("units:", {layer: values.shape[1] for layer, values in activations.items()})
print("scores (layers, images, components):", scores[main].shape)

# %% [markdown]
# ## 3 · The published figure
#
# Stack the layers' scores, one row per image and layer; take 1 − Pearson's *r* between all
# rows; embed the rows in a plane that preserves these distances as well as possible (metric
# *multidimensional scaling*). *Stress* measures the misfit: 0 is exact, 0.2 is called poor.

# %%
published = trajectories.fit_mds(trajectories.correlation_rdm(scores[main]), n_layers)
print(f"{n_layers} × {len(stimuli)} points; stress {published.stress:.2f}")

# %% [markdown]
# ## 4 · What is wrong with it, and the aligned embedding
#
# Component 1 of the first layer and component 1 of a later layer share nothing but their number.
# Each is a direction in a different space, and its sign is a convention. One distance by hand shows
# what follows: the same image, in the first and in the last layer, before and after one sign of the
# last layer is turned round. Both analyses are equally valid.

# %%
first, last_scores = scores[main][0, 0], scores[main][-1, 0]      # one image: 10 scores each
other_sign = last_scores * np.where(np.arange(len(last_scores)) == 0, -1, 1)
distance = {sign: 1 - np.corrcoef(first, row)[0, 1]
            for sign, row in (("as computed", last_scores), ("component 1 flipped", other_sign))}
fast = trajectories.correlation_rdm(scores[main])[0, (n_layers - 1) * len(stimuli)]
np.testing.assert_allclose(distance["as computed"], fast)
print("scores:", first.round(1), last_scores.round(1), sep="\n")
print("distance of the image in the first layer from itself in the last:",
      {sign: f"{value:.2f}" for sign, value in distance.items()})

# %% [markdown]
# So a distance between two layers, which is most of what the published plane shows, has no meaning.
#
# The correction: rotate each layer's point cloud until the same images lie as close together as
# possible in all layers (*Procrustes alignment* of several clouds; their mean is the *consensus*).
# Distances within a layer do not change. The distance is 1 − cosine here, because Pearson's *r*
# subtracts the mean over components, which depends on their signs, too. Rotation alone already
# produces some consensus: hence a comparison with images shuffled within layers.

# %%
aligned = trajectories.fit_mds(trajectories.aligned_rdm(scores[main]), n_layers)
consensus_variance = trajectories.consensus_variance(trajectories.procrustes_align(scores[main]))
permuted_variance = trajectories.permuted_consensus_variance(scores[main], seed=seed)
print(f"stress {aligned.stress:.2f}; the consensus holds {consensus_variance:.0%} of the layers' "
      f"variance, {permuted_variance.mean():.0%} if images are shuffled within layers")

# %% [markdown]
# ## 5 · Which parts of each plane are arbitrary?
#
# Flip the sign of random components in every layer: an equally valid run of the same analysis.
# Compare all distances before and after, within layers and between them. If no sign matters,
# *r* = 1. A third version uses the cosine without alignment, to separate the effects of the two.

# %%
rdm_functions = {"published": trajectories.correlation_rdm,
                 "cosine, not aligned": trajectories.cosine_rdm,
                 "aligned": trajectories.aligned_rdm}
flips = {variant: trajectories.sign_flip_correlations(scores[main], rdm_function,
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
older = trajectories.legacy_pca_signs(scores[main])
legacy_r = {variant: trajectories.block_correlations(rdm_function(scores[main]),
                                                     rdm_function(older), n_layers)[0]
            for variant, rdm_function in rdm_functions.items()}
print("between layers, signs of scikit-learn before 1.5 against today's:",
      {variant: f"{r:.2f}" for variant, r in legacy_r.items()})

# %% [markdown]
# ## 6 · A number for what the figure illustrates
#
# Is the [separability](GLOSSARY.md#separability) of categories greater in deeper layers? Each layer
# can be measured in its own space, over all its units. *Nearest centroid*: an image is classified
# correctly if, of all category means, that of its own category correlates most with it,
#
# $$\hat c_i = \arg\max_k\; r\big(x_i,\; \tfrac{1}{n}\textstyle\sum_{j \in k,\, j \ne i} x_j\big)$$
#
# The image itself is left out of the mean ($j \ne i$): an image is always like itself. $x$ is the
# pattern over units, standardised. By hand, for three images of each category in the deepest layer:

# %%
few = np.concatenate([np.flatnonzero(categories == name)[:3] for name in spec.categories])
labels, x = categories[few], deepest[main][few].astype(float)
x = (x - x.mean(1, keepdims=True)) / x.std(1, keepdims=True)
r = np.empty((len(few), len(spec.categories)))
for i in range(len(few)):
    for k, name in enumerate(spec.categories):
        own = (labels == name) & (np.arange(len(few)) != i)
        r[i, k] = np.corrcoef(x[i], x[own].mean(0))[0, 1]
right = np.array(spec.categories)[r.argmax(1)] == labels
fast = separability.nearest_centroid_correct(rdms[main][-1:, few][:, :, few], labels)[0]
np.testing.assert_array_equal(right, fast)
print(f"{right.sum()} of {len(few)} images are nearest to their own category, as in the package, "
      "which needs the RDM alone; so few images say little")
pd.DataFrame(r, labels, spec.categories).round(3).assign(correct=right)

# %% [markdown]
# A second measure, the *silhouette* of an image, describes how compact the categories are: it
# compares the mean distance to its own category (*a*) with that to the nearest other one (*b*):
# $(b - a)/\max(a, b)$, 1 for compact and distant clusters, 0 or less where they overlap. The error
# over images comes from a [bootstrap](GLOSSARY.md#bootstrap) for the accuracy, and from the
# *jackknife*, which leaves out one image at a time, for the silhouette.

# %%
both = np.concatenate([*rdms.values()])        # the main network's layers, then its control's
resampled = separability.bootstrap_accuracy(both, categories, seed=seed)
se = {("nearest centroid", name): by_image.std(axis=0, ddof=1)
      for name, by_image in zip(rdms, np.split(resampled, len(rdms), axis=1))}
for name, rdm in rdms.items():
    se["silhouette", name] = [separability.jackknife_contrast(rdm, categories, one_layer).se
                              for one_layer in np.eye(n_layers)]
print(f"{len(resampled)} bootstrap samples, {len(stimuli)} jackknife samples")

# %% [markdown]
# Two questions, two tests. The first: *are the categories separable?* Labels are permuted
# `n_permutations` times.

# %%
measures = {"silhouette": separability.silhouettes,
            "nearest centroid": separability.nearest_centroid_accuracy}
tables = []
for name, rdm in rdms.items():
    for measure, function in measures.items():
        value = function(rdm, categories)
        null = separability.label_permutation_null(rdm, categories, function,
                                                   n_permutations=n_permutations, seed=seed)
        low, high = np.quantile(null, [0.025, 0.975], axis=0)
        tables.append(pd.DataFrame({
            "network": name, "measure": measure, "layer": spec.layers, "value": value,
            "se": se[measure, name], "null_low": low, "null_mean": null.mean(axis=0),
            "null_high": high, "p": permutation_p(value, null)}))
separability_table = pd.concat(tables, ignore_index=True)

# %% [markdown]
# Value, mean of the permuted labels, and p value:

# %%
separability_table.pivot(index=["measure", "layer"], columns="network",
                         values=["value", "null_mean", "p"]).loc[list(measures)].reindex(
    spec.layers, level="layer").rename(columns=style.display_name).round(3)

# %% [markdown]
# The two can disagree. A silhouette measures whether categories are *compact*: variation common to
# all images (size, position, background) makes it small. The centroid measures only on which side
# an image lies, which is what "separable" means. And the silhouette's chance level is not 0: it is
# lower where a layer uses few dimensions, as permuted labels show. So the centroid judges the
# claims, and the silhouette describes. But the silhouette had judged them first, and the centroid
# took its place after both had been seen: these claims are *exploratory*.
#
# The second question: *does separability grow?* That is the slope over layers. And is the deepest
# layer more separable than that of the randomly initialised control?

# %%
slope, last, zero = separability.slope_weights(n_layers), np.eye(n_layers)[-1], np.zeros(n_layers)
contrasts = {"slope": [*slope, *zero], "slope, untrained": [*zero, *slope],
             "deepest layer, trained − untrained": [*last, *-last]}
accuracy = separability.nearest_centroid_accuracy(both, categories)
by_silhouette = {name: separability.jackknife_contrast(both, categories, weights)
                 for name, weights in contrasts.items()}
by_accuracy = {name: bootstrap_interval(accuracy @ weights, resampled @ weights)
               for name, weights in contrasts.items()}
silhouette_spans = {name: (test.estimate, *test.interval) for name, test in by_silhouette.items()}
pd.DataFrame([{"measure": measure, "contrast": name, "estimate": value, "low": low, "high": high}
              for measure, by in (("nearest centroid", by_accuracy),
                                  ("silhouette", silhouette_spans))
              for name, (value, low, high) in by.items()]).round(3)

# %% [markdown]
# ## 7 · Are the features tuned like the target?
#
# Why do the authors predict brains with *positive* weights (notebook 03)? Their demonstration: a
# target that responds (3, 2.5) to two images, and 100 random features to predict it from. An
# unconstrained fit may use a feature of opposite tuning and subtract it. The *reorientation index*
# is $\sum_i |w_i|\,(1-\cos(f_i, y)) / \sum_i |w_i|$: 0 if all weight lies on features tuned like
# the target, 2 if on features tuned the opposite way. By hand, for the first fit:

# %%
features = tuning.published_features()
fits = tuning.fit_models(features)
w, y = fits[0].weights, tuning.TARGET
cosine = features @ y / (np.linalg.norm(features, axis=1) * np.linalg.norm(y))
index = (np.abs(w) * (1 - cosine)).sum() / np.abs(w).sum()
np.testing.assert_allclose(index, fits[0].index)
print(f"unconstrained {fits[0].model}: index {index:.3f}, the same as the package; "
      "three of its features:")
pd.DataFrame({"response to image 1": features[:3, 0], "to image 2": features[:3, 1],
              "cosine": cosine[:3], "weight": w[:3]}).round(3)

# %% [markdown]
# All eight fits, beside the indices in the titles of the authors' figure:

# %%
published_index = {"OLS": (1.514, 0.254), "Lasso": (1.941, 0.055), "ElasticNet": (1.885, 0.140),
                   "Ridge": (1.529, 0.242)}
table = pd.DataFrame([{"model": fit.model, "positive": fit.positive, "index": round(fit.index, 3),
                       "published": published_index[fit.model][fit.positive],
                       "features used": fit.n_nonzero} for fit in fits])
table

# %% [markdown]
# ## 8 · The figure
#
# First row: the planes. Only the categories' mean paths are drawn, magnified; the map beside each
# panel shows all images of the last layer and the part that is magnified.

# %%
style.add_domains(domain for domain in images.domain_names if domain not in plots.DOMAIN_OF)
styles = plots.category_styles(dict(zip(stimuli.categories, stimuli.domains)))
figure = style.new_figure(7.8, alt="""Eight panels. A and B: mean paths of the categories through
    the layers, in the published plane and after alignment. C: correlation of distances before and
    after signs are flipped. D and E: silhouette and nearest-centroid accuracy by layer, of the
    trained and the untrained network, with bands of permuted labels. F and G: features as arrows,
    of an unconstrained and of a positive fit. H: reorientation index of eight fits.""")
planes = figure.add_gridspec(1, 2, wspace=0.45, left=0.035, right=0.87, top=0.925,
                             bottom=0.6).subplots()
for axes, letter, variant, embedding in zip(planes, "AB", ("as published", "axes aligned"),
                                            (published, aligned)):
    plots.mean_paths(axes, embedding.points, categories, styles)
    axes.set_title(f"{variant}: mean paths, stress {embedding.stress:.2f}")
    style.panel_letter(axes, letter, x=0)
style.top_legend(figure, plots.category_handles(styles, spec.layers))

# %% [markdown]
# Second row: what the planes depend on, and what needs no plane.

# %%
middle = figure.add_gridspec(1, 3, width_ratios=[1.05, 1, 1], wspace=0.5, left=0.1, right=0.985,
                             top=0.495, bottom=0.355).subplots()
plots.sign_flip_strips(middle[0], sign_flip_table, highlighted=legacy_r)
objectives = {name: network.entry.objective for name, network in networks.items()}
for axes, measure, chance in zip(middle[1:], measures, (0, 1 / len(spec.categories))):
    plots.separability_lines(axes, separability_table, measure, chance, objectives)
middle[1].set_ylabel("silhouette (mean)")
middle[2].set_ylabel("nearest centroid")
style.percent_axis(middle[2].yaxis)
middle[1].legend(loc="lower left", bbox_to_anchor=(-0.2, 1), ncols=2, borderaxespad=0.2)
middle[2].set_title(f"{len(stimuli)} images, chance {1 / len(spec.categories):.0%}")
for axes, letter, x in zip(middle, "CDE", (-0.22, -0.28, -0.26)):
    style.panel_letter(axes, letter, x=x, y=1.08)

# %% [markdown]
# Third row: the tuning demonstration, two fits as arrows and all eight as numbers.

# %%
lower = figure.add_gridspec(1, 3, width_ratios=[1, 1, 1.15], wspace=0.42, left=0.06, right=0.985,
                            top=0.23, bottom=0.07).subplots()
lasso = [fit for fit in fits if fit.model == "Lasso"]             # unconstrained, positive
for axes, fit in zip(lower, lasso):
    arrows = plots.tuning_vectors(axes, fit, features, tuning.TARGET)
plots.add_weight_bar(arrows, lower[1])
plots.reorientation_indices(lower[2], fits)
for axes, letter, x in zip(lower, "FGH", (-0.22, -0.22, -0.14)):
    style.panel_letter(axes, letter, x=x, y=1.1)

# %% [markdown]
# Every number that is drawn is also written to a table, one for each panel.

# %%
planes_table = pd.concat({variant: pd.DataFrame({
    "layer": np.repeat(spec.layers, len(stimuli)), "category": np.tile(categories, n_layers),
    "image": np.tile(stimuli.files, n_layers), "x": embedding.points[..., 0].ravel(),
    "y": embedding.points[..., 1].ravel()})
    for variant, embedding in (("A", published), ("B", aligned))}, names=["panel"]).reset_index(
        level=0)
by_measure = dict(list(separability_table.groupby("measure")))
arrows_table = pd.DataFrame(features, columns=["image 1", "image 2"]).assign(
    F=lasso[0].weights, G=lasso[1].weights)
style.save_figure(figure, laboratory.provenance, {
    **{panel: rows.drop(columns="panel") for panel, rows in planes_table.groupby("panel")},
    "C": sign_flip_table, "D": by_measure["silhouette"], "E": by_measure["nearest centroid"],
    "FG": arrows_table, "H": table})

# %% [markdown]
# **Figure 04.** **A** Paths of the categories' means through the layers, as published (numbers:
# layers; crosses: SEM over images; n: step 1). The map at its side shows all images of the last
# layer; the square is the part that is drawn. **B** The same after the layers' axes were aligned.
# **C** Pearson's *r* of all distances before and after random flips of the components' signs, one
# dot per flip; black: distances between layers, grey: within; the cross: the signs of another
# version of scikit-learn, between layers. **D** Mean silhouette of the categories in each layer's
# own space; bars: 95 % intervals over images (jackknife); bands: 95 % of permutations of the
# labels; dotted: 0. **E** Fraction of images nearest to their own category's centroid, the image
# left out; bars: 95 % intervals over images (bootstrap); bands as in D; dotted: chance. **F, G**
# The tuning demonstration (toy data, the same under every profile): 100 features as arrows,
# coloured by their weight in a Lasso fit without and with positive weights. **H** Reorientation
# index of all eight fits; dotted: 1, at right angles to the target on average. One network of each
# type. The stamp says whether the data are REAL or SYNTHETIC.

# %% [markdown]
# ## 9 · Claims
#
# Each claim has a rule that was fixed before its result was seen, except the exploratory ones (step
# 6). The tuning demonstration is a sanity check: its toy data are the same under every profile. The
# paper's code gives no statistic for Figure 5, an illustration; so the column "paper" states what
# the figure suggests. First the numbers by which runs are compared:

# %%
for name, contrast in zip(networks, ("slope", "slope, untrained")):
    rows = separability_table[separability_table["network"] == name].set_index("layer")
    for measure, own in rows.groupby("measure", sort=False):
        claims.number(f"{measure}, {name}", round_numbers(own["value"].to_dict(), 3))
        claims.number(f"{measure}, {name}, shuffled labels",
                      round_numbers(own["null_mean"].to_dict(), 3))
    trend = by_silhouette[contrast]
    claims.number(f"slope of the silhouette, {name}", round_numbers(
        {"a layer": trend.estimate, "se": trend.se, "p": trend.p}, 3))
difference = by_silhouette["deepest layer, trained − untrained"]
claims.number("deepest layer, trained minus untrained", round_numbers(
    {"silhouette": difference.estimate, "se": difference.se, "p": difference.p}, 3))

# %% [markdown]
# Then those of the demonstration and of the alignment:

# %%
claims.number("tuning reorientation", {
    f"{'positive ' if fit.positive else ''}{fit.model}": round(fit.index, 3) for fit in fits})
claims.number("aligned layers",
              round_numbers({"agreement": consensus_variance, "by chance": permuted_variance.mean(),
                             "stress": aligned.stress,
                             "stress, published": published.stress}, 2))
same = (table["index"] == table["published"]).sum()
free, positive = ({fit.model: fit.index for fit in fits if fit.positive is sign}
                  for sign in (False, True))

# %% [markdown]
# The sanity checks of the tuning demonstration:

# %%
claims.claim("The tuning demonstration comes out as published",
             source="figure titles of the authors' page", paper=", ".join(
                 f"{model} {pair[0]:.3f}/{pair[1]:.3f}" for model, pair in published_index.items()),
             run=", ".join(f"{model} {free[model]:.3f}/{positive[model]:.3f}" for model in free),
             rule="all eight indices (free/positive) equal to three decimals",
             holds=bool(same == len(fits)), kind=verdicts.CHECK)
claims.claim("Positive fits keep features that are fine-tuned like the target",
             source="the authors' page", paper="every positive index below its free one",
             run=f"positive at most {max(positive.values()):.2f}, free at least "
             f"{min(free.values()):.2f}",
             rule="so for each of the four models",
             holds=all(positive[model] < free[model] for model in free), kind=verdicts.CHECK)

# %% [markdown]
# Separability (E):

# %%
one = "one training of each network"
chance_text = f"{len(stimuli)} images, chance {1 / len(spec.categories):.0%}"
nearest = "of leave-one-out nearest-centroid accuracy, each layer in its own space"
after_looking = "bootstrap over images; the measure was chosen after the silhouette had been seen"
claims.judge("Categories are more separable in deeper layers", *by_accuracy["slope"], "above 0",
             kind=verdicts.EXPLORATORY, rests_on=one, source="Fig. 5, an illustration",
             n=f"from {accuracy[0]:.0%} to {accuracy[n_layers - 1]:.0%}, {chance_text}",
             paper="they separate; no statistic",
             of=f"slope over layers {nearest}, {after_looking}")
claims.judge("Training separates categories: the randomly initialised control separates them less "
             "in the deepest layer", *by_accuracy["deepest layer, trained − untrained"], "above 0",
             n=f"{accuracy[n_layers - 1]:.0%} against {accuracy[-1]:.0%}, {chance_text}",
             rests_on=one, kind=verdicts.EXPLORATORY, source="beyond the paper", paper="not shown",
             of=f"trained minus untrained, {nearest}, {after_looking}")

# %% [markdown]
# The planes (A, B, C):

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

# %% [markdown]
# All claims, with the numbers of this run:

# %%
path = claims.save()
print(claims.text())

# %%
# NBVAL_CHECK_OUTPUT
print(claims.verdicts())

# %% [markdown]
# ## 10 · What we see, what the paper says, why they differ
#
# What the published plane seems to show *between* layers, paths that run in parallel or cross,
# depends on arbitrary signs: see the black dots in the first two rows of panel C. With Pearson's
# *r* even the distances within a layer depend on them a little (grey dots of the first row). After
# alignment nothing depends on signs any more, and the plane shows one thing: how far an image moves
# *relative to the other images*. It cannot show that a layer adds new information, and its stress
# measures how much a plane leaves out. The maps beside A and B show how small the distances between
# category means are, compared with the distances between images.
#
# This run:

# %% tags=["prose"]
within = {variant: r[:, 1].mean() for variant, r in flips.items()}
poor = [name for name, plane in (("published", published), ("aligned", aligned))
        if plane.stress > 0.2]
Markdown(f"""**A, B.** Stress: {published.stress:.2f} as published, {aligned.stress:.2f} aligned.
Above .2, so poor drawings of the distances, *even within a layer*: {", ".join(poor) or "none"}.

**C.** After random flips, distances between layers correlate with the original ones by
{low:z.2f} to {high:z.2f} (the middle 95 % of {n_flips} flips) as published, by at least
{between["aligned"].min():.2f} aligned; those within layers by {within["published"]:.2f} on average
as published. "Distances between layers are arbitrary" is
*{claims.verdict("Distances between layers")}*. The consensus of the aligned layers holds
{consensus_variance:.0%} of their variance, {permuted_variance.mean():.0%} by chance.""")

# %% [markdown]
# Panels D and E need no plane and no alignment. Compare each layer with the band of permuted
# labels, and the trained network with the randomly initialised control: some separability may be in
# the images themselves (an outline can be enough), some in the architecture, and only the rest was
# learned. A slope over layers can hide where the change happens.

# %% tags=["prose"]
p_values = separability_table.set_index(["measure", "network", "layer"])["p"]
clear = {measure: ", ".join(layer for layer in spec.layers
                            if p_values[measure, main, layer] < 0.05) or "none"
         for measure in measures}
lead = accuracy[:n_layers] - accuracy[n_layers:]
steps = np.diff(accuracy[:n_layers])
Markdown(f"""**E.** From {spec.layers[0]} to {spec.layers[-1]}, nearest-centroid accuracy goes from
{accuracy[0]:.0%} to {accuracy[n_layers - 1]:.0%} in the trained network, from
{accuracy[n_layers]:.0%} to {accuracy[-1]:.0%} in its control (chance
{1 / len(spec.categories):.0%}). The largest step of the trained network, {steps.max():+.0%}, is the
one to {spec.layers[1 + steps.argmax()]}; its lead over the control is largest in
{spec.layers[lead.argmax()]}. Layers above the band of permuted labels (p < .05, uncorrected):
{clear["nearest centroid"]}. "More separable in deeper layers" is
*{claims.verdict("Categories are more")}*, "training separates categories" is
*{claims.verdict("Training separates")}*; both are exploratory.""")

# %% [markdown]
# Would the silhouette have given the same verdicts? It had judged these claims at first.

# %% tags=["prose"]
old = {name: verdicts.verdict_from_interval(*silhouette_spans[name][1:], "above 0")
       for name in ("slope", "deepest layer, trained − untrained")}
agree = [*old.values()] == [claims.verdict("Categories are more"),
                            claims.verdict("Training separates")]
Markdown(f"""**D.** Judged by the silhouette, "more separable in deeper layers" would be
*{old["slope"]}* (slope {silhouette_spans["slope"][0]:+.3f} per layer) and "training separates
categories" *{old["deepest layer, trained − untrained"]}* (difference
{silhouette_spans["deepest layer, trained − untrained"][0]:+.3f}). Layers above the band of permuted
labels: {clear["silhouette"]}. """ + ("The two measures agree." if agree else """The two measures
disagree: centroids can separate categories that are not compact. Which of the two is "untangling"?
The paper's figure does not say."""))

# %% [markdown]
# The measure that judges the claims now was chosen knowing this, so they need images and networks
# that were not seen before. Under `demo` the images are synthetic: seven of the published eight
# categories, matched in luminance and contrast, not in spectrum. A claim about the network's
# layers needs more than a few layers and one network of each type.

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
# **Read.** In the table of step 6 or in panel E: in which layer does training add most to the
# nearest-centroid accuracy, and how much? Return the layer's name and the difference between the
# trained network and its control, in percentage points.

# %% tags=["exercise"]
largest_gain = None    # a list: layer name, percentage points

# %% tags=["solution"]
gain = 100 * (accuracy[:n_layers] - accuracy[n_layers:])
largest_gain = [spec.layers[int(gain.argmax())], gain.max()]

# %% tags=["check"]
# NBVAL_CHECK_OUTPUT
trained, control = np.split(accuracy, 2)
added = np.subtract(*np.split(separability.silhouettes(both, categories), 2))
best = lambda values: spec.layers[int(np.argmax(values))]
check_gain = 100 * (trained - control)
check(largest_gain, [best(check_gain), check_gain.max()], tolerance=0.02,
      hint="Subtract the control's column from the trained network's, layer by layer.",
      wrong={"That is the accuracy of the trained network alone; the control has some, too.":
                 [best(trained), 100 * trained.max()],
             "That is the gain over chance, not over the control.":
                 [best(trained), 100 * (trained.max() - 1 / len(spec.categories))],
             "That is the silhouette; the question is about the nearest centroid.":
                 [best(added), 100 * added.max()],
             "Percentage points, please: 100 times the difference of fractions.":
                 [best(check_gain), check_gain.max() / 100]})

# %% [markdown]
# **Change.** Flip a single sign: the *first* component of the last layer. By what *r* do the
# published distances between layers correlate with those before? Guess first. Then flip the *last*
# component of that layer instead. Return both values. (`trajectories.block_correlations` gives the
# correlation between layers and that within layers.)

# %% tags=["exercise"]
r_after_flip = None    # two numbers: first component flipped, last component flipped

# %% tags=["solution"]
r_after_flip = []
for component in (0, -1):
    changed = scores[main].copy()
    changed[-1, :, component] *= -1
    unchanged_rdm, changed_rdm = map(trajectories.correlation_rdm, (scores[main], changed))
    r_after_flip.append(trajectories.block_correlations(unchanged_rdm, changed_rdm, n_layers)[0])

# %% tags=["check"]
# NBVAL_CHECK_OUTPUT
def flipped_r(part=0, layer=-1, rdm_function=trajectories.correlation_rdm):
    signs = np.ones((2, *scores[main].shape))
    signs[0, layer, :, 0] = signs[1, layer, :, -1] = -1
    return [trajectories.block_correlations(rdm_function(scores[main]),
                                            rdm_function(scores[main] * sign), n_layers)[part]
            for sign in signs]

check(r_after_flip, flipped_r(), hint="Copy the scores; multiply [-1, :, component] by -1.",
      wrong={"These are the correlations within layers, the second value.": flipped_r(part=1),
             "The order is: first component, then last.": flipped_r()[::-1],
             "You flipped the component in every layer; flip it in the last layer only.":
                 flipped_r(layer=slice(None)),
             "That is the aligned version, which no sign can change.":
                 flipped_r(rdm_function=trajectories.aligned_rdm)})

# %% [markdown]
# **Extend.** A third measure of separability needs no mean at all: the fraction of images whose
# *nearest other image* is of their own category. Write it as a function of a distance matrix. The
# check tries it on a toy, on the deepest layer, and on the pixels: compare these with panel E.

# %% tags=["exercise"]
def nearest_neighbour_accuracy(rdm, labels):
    """Return the fraction of images whose nearest other image has the same label."""
    raise NotImplementedError

# %% tags=["solution"]
def nearest_neighbour_accuracy(rdm, labels):
    """Return the fraction of images whose nearest other image has the same label."""
    distance, labels = np.array(rdm, dtype=float), np.asarray(labels)
    np.fill_diagonal(distance, np.inf)
    nearest = distance.argmin(1)
    return float((labels[nearest] == labels).mean())

# %% tags=["check"]
# NBVAL_CHECK_OUTPUT
position, letters = np.array([0, 1, 3, 4.5, 7, 7.5, 20]), np.array(list("aababbb"))
away = lambda rdm: rdm + np.diag(np.full(len(rdm), np.inf))
same = lambda names: names[:, None] == names
toy, pixels = np.abs(position[:, None] - position), pixel_features(stimuli)
check(nearest_neighbour_accuracy,
      lambda rdm, names: np.mean(names[away(rdm).argmin(1)] == names),
      on=[(toy, letters), (rdms[main][-1], categories),
          (separability.layer_rdm(pixels), categories)],
      hint="argmin over each row; an image must not be its own neighbour.",
      wrong={"Every image is nearest to itself: set the diagonal to infinity.":
                 lambda rdm, names: np.mean(names[rdm.argmin(1)] == names),
             "These are distances, not similarities: take the smallest.":
                 lambda rdm, names: np.mean(names[rdm.argmax(1)] == names),
             "That is the fraction of pairs of one category; look only at the nearest image.":
                 lambda rdm, names: same(names)[~np.eye(len(names), dtype=bool)].mean()})

# %% [markdown]
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
# [05 · Fine-tune to a region](05_finetune_to_a_region.ipynb).
