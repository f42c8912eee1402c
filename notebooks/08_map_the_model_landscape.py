# %% [markdown]
# # 08 · What does a network forget when it is fine-tuned to a brain?
#
# Mulrooney & Brockmeier (2024), classification matrices and model landscapes
# ([arXiv 2410.06067](https://arxiv.org/abs/2410.06067)).
# On two cores: three minutes after notebook 05 and 2 GB under `demo`, one under `mini`;
# not measured under `paper`, which needs the Algonauts 2023 data, three image sets and a GPU.

# %% [markdown]
# **Goal.** Notebooks 05 to 07 asked what a network *gains* when it is fine-tuned to a brain region.
# This one asks what it *loses*, and where it ends up. Before fine-tuning, the network's features
# separated many classes. [Linear probes](GLOSSARY.md#linear-probe) measure how much of this is
# left, in several tasks. Then we lay all networks on a [map](GLOSSARY.md#model-landscape): two
# networks lie close together when they give the same images the same probabilities.
#
# **You will learn**
# - how a linear probe measures the information in features, and what it cannot measure;
# - how to draw a map of models that preserves all distances, imaginary axes included;
# - the trade-off: gain in r against loss in accuracy, and weights interpolated between.

# %% tags=["parameters"]
profile = "demo"    # demo, mini, paper, or the path of your own TOML file
n_jobs = 2          # processes that fine-tune and fit probes; one where there is a GPU

# %% [markdown]
# What the notebook opens: the profile, its networks, cohort and image sets.

# %%
import numpy as np
import pandas as pd
from IPython.display import Markdown
from matplotlib.colors import Normalize

from helpers import lab
from helpers.brains.layouts import open_cohort
from helpers.core.intervals import mean_interval
from helpers.exercises import check
from helpers.figures import schematic, style
from helpers.figures.claims import ClaimsTable, round_numbers
from helpers.figures.deviations import deviation_table
from helpers.finetuning import bound_plots
from helpers.finetuning import plots as finetuning_plots
from helpers.finetuning.statistics import pivot_subject_by_seed, region_scores, select_group
from helpers.finetuning.study import FineTuningStudy
from helpers.landscape import plots as landscape_plots
from helpers.landscape import statistics
from helpers.landscape import study as landscape_study
from helpers.landscape.distances import (
    bhattacharyya,
    block_from_array,
    concatenate_blocks,
    ignorance_model,
    truth_model,
)
from helpers.landscape.inpca import fit_inpca

laboratory = lab.open(profile, notebook="08_map_the_model_landscape")
claims = ClaimsTable(laboratory.provenance)
spec, seed = laboratory.profile.table("finetuning"), laboratory.profile.seed
landscape_spec = laboratory.profile.table("landscape")
style.use_style()
print(laboratory.provenance.line)

# %% [markdown]
# ## 1 · The networks and the tasks
#
# The networks are those of notebook 05: of each condition one or more (trained from different
# seeds) for each region of each participant, [pooled](GLOSSARY.md#pooled-model) ones, and the
# pretrained network. The tasks are new: images that were not used in fine-tuning, with labels that
# have nothing to do with brains. A **linear probe** reads one layer: features are standardised, a
# logistic regression is fitted to 85 % of the images, and its accuracy is measured on the other
# 15 %.

# %%
network, untrained = laboratory.network(spec.network), laboratory.network(spec.untrained)
cohort = open_cohort(laboratory, "finetuning_cohort")
study = FineTuningStudy.from_cohort(cohort, spec, network, untrained, seed=seed, n_jobs=n_jobs)
image_sets = {name: laboratory.images(*where.split("/", 1))
              for name, where in landscape_spec.tasks.items()}
tasks = {name: landscape_study.load_task(name, images, network, landscape_spec.image_size,
                                         landscape_spec.max_images)
         for name, images in image_sets.items()}
n_classes = {name: len(np.unique(task.labels)) for name, task in tasks.items()}
pd.DataFrame([{"task": name, "classes": n_classes[name], "chance": round(1 / n_classes[name], 3),
               "n_train": len(task.train_idx), "n_test": len(task.test_idx),
               "for example": ", ".join(task.classes[:3])}
              for name, task in tasks.items()]).set_index("task")

# %% [markdown]
# **The analysis in one line.** Images go through a network and its probe; from each come
# probabilities of the classes; two networks are as far apart as these differ.

# %%
map_images = image_sets[landscape_spec.map_task]
examples = [map_images.open(place * len(map_images) // 4) for place in range(4)]
dark, light = style.TRAINING["contrastive"], style.TRAINING["pretrained"]
schematic.draw_schematic([
    schematic.Step("Held-out images", schematic.images(examples), landscape_spec.map_task),
    schematic.Step("Networks", schematic.network(5), "and a linear probe each"),
    schematic.Step("Probabilities", schematic.bars([.15, .9, .35, .2], [light] * 4),
                   "of the classes"),
    schematic.Step("Distances", schematic.matrix([[0, .5, .9], [.5, 0, .7], [.9, .7, 0]]),
                   "of all pairs of networks"),
    schematic.Step("Map", schematic.points([.85, .2, .3, .15], [.8, .3, .15, .55],
                                           [light, dark, dark, dark]), "InPCA")],
    laboratory.provenance, alt="From held-out images, through networks with a linear probe each, "
    "to probabilities of classes, to distances of all pairs of networks, to a map of networks.")

# %% [markdown]
# ## 2 · What is forgotten
#
# Contrastively fine-tuned and pooled networks are evaluated on all tasks, as published; the
# controls in the one by which the map below is drawn.

# %%
conditions = ["untrained", "pretrained", "shuffled", "regression", "regression, same head",
              "contrastive", "pooled, avg", "pooled, const"]
controls = ("untrained", "shuffled", "regression", "regression, same head")
finetuned_models = study.networks(conditions)
published = [run for run in finetuned_models if run.condition.name not in controls]
accuracy = statistics.add_accuracy_change(pd.concat([
    landscape_study.task_accuracies(
        study, finetuned_models if name == landscape_spec.map_task else published, [task],
        landscape_spec.layer) for name, task in tasks.items()]))
by_task = accuracy.pivot_table(index="condition", columns="task", values="accuracy",
                               sort=False)[list(tasks)]
by_task.loc["chance"] = [1 / n for n in n_classes.values()]
print(f"{len(finetuned_models)} networks; mean accuracy:")
by_task.round(3)

# %% [markdown]
# The same for early and higher regions, and the published matrix of the map's task: a row a region,
# a column a participant, then the mean, then the pooled networks. The first row is the pretrained
# network.

# %%
print(accuracy[accuracy["group"] != "none"].pivot_table(
    index="condition", columns=["task", "group"], values="accuracy", sort=False).round(3))
matrices = {name: statistics.accuracy_matrix(accuracy, name) for name in tasks}
matrices[landscape_spec.map_task].round(3)

# %% [markdown]
# ## 3 · A map of models
#
# How far apart are two networks? For every held-out image, both give a probability to each class.
# The **[Bhattacharyya distance](GLOSSARY.md#bhattacharyya-distance)** is minus the logarithm of
# how much the two distributions overlap, averaged over images:
#
# $$d(u, v) = \frac1N \sum_n -\log \sum_c \sqrt{p_u(c \mid n)\, p_v(c \mid n)}$$
#
# Here is one of them, between the pretrained network and one that was fine-tuned to a region.

# %%
task = tasks[landscape_spec.map_task]
first = {run.condition.name: run for run in reversed(finetuned_models)}  # the first of each
log_probs = np.stack([landscape_study.fit_probe(first[name], task, landscape_spec.layer)[
    "log_probs"] for name in ("pretrained", "contrastive", "pooled, avg")])
p, q = np.exp(log_probs[:2].astype(float))  # n_images × n_classes

one = pd.DataFrame({"pretrained p": p[0], "contrastive q": q[0], "√(p q)": np.sqrt(p[0] * q[0])},
                   index=task.classes).sort_values("√(p q)", ascending=False)
overlap = one["√(p q)"].sum()
print(f"first held-out image, of class {task.classes[task.test_labels[0]]}: overlap {overlap:.3f}, "
      f"summed over {len(one)} classes; distance -log {overlap:.3f} = {-np.log(overlap):.3f}")
one.head(4).round(3)

# %% [markdown]
# Averaged over images, this is the distance of the two networks. We do it for four models: three
# networks and *truth*, which is always right and sure. Where two distributions do not overlap, the
# distance is infinite; it is limited to 100.

# %%
def distance(p, q):
    """Return the Bhattacharyya distance of two arrays (n_images, n_classes)."""
    overlap = np.sqrt(p * q).sum(axis=1)
    return np.mean(-np.log(np.maximum(overlap, np.exp(-100))))

four = dict(zip(("pretrained", "contrastive", "pooled, avg"), np.exp(log_probs.astype(float))))
four["truth"] = np.eye(len(task.classes))[task.test_labels]
by_hand = np.array([[distance(p, q) for q in four.values()] for p in four.values()])
np.fill_diagonal(by_hand, 0)  # but for rounding it is
fast = bhattacharyya(concatenate_blocks([
    block_from_array(log_probs), truth_model(task.test_labels, len(task.classes))]),
    len(four), len(task.test_idx), len(task.classes))
np.testing.assert_allclose(by_hand, fast, rtol=1e-3, atol=1e-5)
print(f"distances of {len(four)} models on {len(task.test_idx)} images, by hand and by "
      "helpers/landscape:")
pd.DataFrame(by_hand, four, four).round(2)

# %% [markdown]
# **[InPCA](GLOSSARY.md#inpca)** finds coordinates whose squared differences add up to these
# distances. The matrix D is centred from both sides, $W = -\frac12 L D L$ with
# $L = I - \frac1n 1 1^\top$, and decomposed. The distances are not those of an ordinary space, so
# that W may have negative eigenvalues. Along these axes, called *imaginary*, squared differences
# are *subtracted*.

# %%
centring = np.eye(len(by_hand)) - 1 / len(by_hand)
eigenvalues, vectors = np.linalg.eigh(-centring @ by_hand @ centring / 2)
order = np.argsort(-np.abs(eigenvalues))
eigenvalues, vectors = eigenvalues[order], vectors[:, order]
coordinates, signs = vectors * np.sqrt(np.abs(eigenvalues)), np.sign(eigenvalues)
restored = sum(sign * np.subtract.outer(x, x) ** 2 for sign, x in zip(signs, coordinates.T))
np.testing.assert_allclose(restored, by_hand, atol=1e-9)
np.testing.assert_allclose(np.abs(coordinates), np.abs(fit_inpca(by_hand).coordinates), atol=1e-6)
is_imaginary = eigenvalues < -1e-9
print(f"eigenvalues {eigenvalues.round(2) + 0.0}: {is_imaginary.sum()} of the {len(four) - 1} axes "
      "imaginary; squared differences, added and subtracted, restore all distances")
pd.DataFrame(coordinates, four, [f"axis {k}" + ", imaginary" * bool(imaginary)
                                 for k, imaginary in enumerate(is_imaginary, 1)]).round(2)

# %% [markdown]
# Imaginary axes appear, for instance, where going from one model to another by way of a third is
# shorter than going straight, which no ordinary distance allows. (The last axis is 0: n points span
# n − 1 axes.)
#
# Now all networks, one training of each. Truth is placed on the map afterwards, and so is
# *ignorance*, which finds all classes equally likely: the map is made from networks alone.

# %%
drawn = [run for run in finetuned_models if run.number == 0]
pairwise_distances, distances_to_references = landscape_study.prediction_distances(
    study, drawn, task, landscape_spec.layer,
    [truth_model(task.test_labels, len(task.classes)), ignorance_model(len(task.classes))])
inpca_map = fit_inpca(pairwise_distances)
reference_points = dict(zip(("truth", "ignorance"), inpca_map.project(distances_to_references)))
error = float(np.abs(inpca_map.distances() - pairwise_distances).max())
stress = inpca_map.explained_stress()
print(f"{len(drawn)} networks, {len(task.test_idx)} images; distances up to "
      f"{pairwise_distances.max():.2f}; restored to {error:.0e}")
print(f"two axes explain {stress[1]:.0%} of the stress, five {stress[:5][-1]:.0%}; imaginary among "
      f"the first ten: {(inpca_map.signs[:10] < 0).sum()}")

# %% [markdown]
# **Stress** is what is lost when only some axes are kept: the norm of the rest of W, relative to W.
# Two axes can be looked at; how much they leave out stands on the axes of the figure. Distances of
# all axes:

# %%
map_accuracy = accuracy[accuracy["task"] == landscape_spec.map_task].drop(columns="task")
model_table = map_accuracy[map_accuracy["seed"] == 0].reset_index(drop=True)
pretrained_row = conditions.index("pretrained")
model_table["from pretrained"] = pairwise_distances[pretrained_row]
model_table["to truth"] = distances_to_references[0]
print("means over networks:")
model_table.groupby("condition",
                    sort=False)[["from pretrained", "to truth", "accuracy"]].mean().round(3)

# %% [markdown]
# ## 4 · Left and right
#
# Published: networks fine-tuned to the left and to the right hemisphere's early regions leave the
# pretrained network in two directions. Early regions of one hemisphere see one half of the visual
# field, so their networks may well come to represent different halves of an image. Here we
# fine-tune a network to each early region of each hemisphere. (In the demo, on larger images than
# the other networks, which were fine-tuned on small ones to save time: there, one position is left
# in the last feature maps, and a network without positions has no left.)

# %%
laterality_spec = laboratory.profile.table("laterality")
early_spec = laterality_spec.finetuning_spec(spec, study.learning_rate("contrastive"))
early = FineTuningStudy.from_cohort(cohort, early_spec, network, untrained, seed=seed,
                                    n_jobs=n_jobs)
hemisphere_models = early.networks(["pretrained", "contrastive"])
large = landscape_study.load_task(landscape_spec.map_task, map_images, network,
                                  laterality_spec.image_size, landscape_spec.max_images)
hemisphere_distances, _ = landscape_study.prediction_distances(early, hemisphere_models, large,
                                                               landscape_spec.layer)

# %% [markdown]
# Their accuracies, and a map made from the fine-tuned ones alone.

# %%
hemisphere_table = landscape_study.task_accuracies(early, hemisphere_models, [large],
                                                   landscape_spec.layer)
hemisphere_table["from pretrained"] = hemisphere_distances[0]
is_early = np.flatnonzero(hemisphere_table["roi"] != "none")
hemisphere_map = fit_inpca(hemisphere_distances[np.ix_(is_early, is_early)])
print(f"{len(is_early)} fine-tuned networks; two axes explain "
      f"{hemisphere_map.explained_stress()[:2][-1]:.0%} of the stress")

# %% [markdown]
# The eye finds two arms in many clouds of points. So, within each participant, over pairs of
# networks of different regions: is the distance larger when the two belong to opposite
# hemispheres?

# %%
directions = statistics.hemisphere_distance_difference(hemisphere_distances, hemisphere_table)
print("opposite minus same, by participant:", directions.mean(axis=1).round(3).to_dict())
hemisphere_table.iloc[is_early].pivot_table(index="roi", columns="hemisphere", sort=False,
                                            values=["from pretrained", "accuracy"]).round(3)

# %% [markdown]
# ## 5 · Beyond: gain against forgetting
#
# One point a network: what encoding gained (r minus that of the pretrained network, cross-validated
# as in notebook 05) against what classification lost.

# %%
scores = region_scores(study.voxel_scores([condition for condition in conditions
                                           if condition != "untrained"]))
trade_off = map_accuracy.merge(statistics.encoding_gains(scores), on=statistics.MODEL_COLUMNS)
print("means over networks, gain of r and change of accuracy:")
trade_off.groupby(["condition", "group"], sort=False)[["gain", "change"]].mean().round(3)

# %% [markdown]
# And between the two: a network whose weights are **interpolated** between the pretrained and the
# fine-tuned ones (Wortsman et al. 2022), half of the way by the
# [coefficient](GLOSSARY.md#interpolation-coefficient) 0.5. If the gain comes at a smaller
# coefficient than the loss, there is a trade-off.

# %%
halfway = {"conditions": ["contrastive"], "interpolation": 0.5}
gained = statistics.encoding_gains(region_scores(pd.concat([
    study.voxel_scores(["pretrained"]), study.voxel_scores(**halfway)])))
changed = statistics.add_accuracy_change(pd.concat([
    accuracy[accuracy["condition"] == "pretrained"],
    landscape_study.task_accuracies(study, study.networks(**halfway), [task],
                                    landscape_spec.layer)]))
whole = trade_off[trade_off["condition"] == "contrastive"].assign(interpolation=1.0)
paths = pd.concat([
    whole.assign(interpolation=0.0, gain=0.0, change=0.0),
    changed.merge(gained, on=statistics.MODEL_COLUMNS).assign(interpolation=0.5), whole])[
    ["donor", "seed", "roi", "group", "interpolation", "gain", "change"]]
paths.pivot_table(index="interpolation", columns="group", values=["gain", "change"]).round(3)

# %% [markdown]
# ## 6 · The figures
#
# First the differences that the claims are about: which training forgets less?

# %%
accuracy_change = {(condition, group): statistics.pivot_donor_by_seed(
    select_group(map_accuracy, group), "change", condition=condition)
                   for condition in conditions for group in ("early", "higher", "all")}
of_region = {condition: pivot_subject_by_seed(map_accuracy[map_accuracy["condition"] == condition],
                                              "accuracy", "roi")
             for condition in ("pooled, avg", "contrastive")}
contrastive = accuracy_change["contrastive", "all"]
rivals = ("regression", "regression, same head", "shuffled")
differences = {f"contrastive −\n{rival}": contrastive - accuracy_change[rival, "all"]
               for rival in rivals}
differences["early −\nhigher regions"] = (accuracy_change["contrastive", "early"]
                                          - accuracy_change["contrastive", "higher"])
differences["pooled −\nspecific"] = of_region["pooled, avg"] - of_region["contrastive"]
pd.DataFrame({name.replace("\n", " "): mean_interval(table) for name, table in differences.items()},
             index=["mean", "low", "high"]).T.round(3)

# %% [markdown]
# Accuracies and these differences; then the maps.

# %%
figure = style.new_figure(8, alt="""Six panels. A: accuracy in each task of the pretrained network,
    of networks fine-tuned to early and higher regions and of pooled ones, with chance. B: five
    differences of accuracy between trainings, dots and 95 % intervals, with zero. C: map of all
    networks with truth and ignorance. D: map of the fine-tuned networks alone. E: gain in r against
    change of accuracy, one marker a network. F: the same along weights interpolated from the
    pretrained to the fine-tuned network.""")
panels = figure.subplots(3, 2, gridspec_kw={"wspace": 0.42, "hspace": 0.42, "left": 0.085,
                                            "right": 0.985, "top": 0.905, "bottom": 0.065}).ravel()
panels[0].set_ylabel("accuracy, held-out images")
panels[1].set_xlabel(f"difference of accuracy, {landscape_spec.map_task}")
landscape_plots.accuracy_dots(panels[0], accuracy, n_classes)
landscape_plots.difference_rows(panels[1], differences)
style.percent_axis(panels[1].xaxis)

# %% [markdown]
# The map of all networks, and one made from the fine-tuned networks alone, in which the pretrained
# network takes no axis.

# %%
is_finetuned = np.flatnonzero(model_table["roi"] != "none")
finetuned_map = fit_inpca(pairwise_distances[np.ix_(is_finetuned, is_finetuned)])
landscape_plots.condition_map(panels[2], model_table, inpca_map.coordinates,
                              references=reference_points)
landscape_plots.condition_map(panels[3], model_table.iloc[is_finetuned], finetuned_map.coordinates)
for axes, one in zip(panels[2:4], (inpca_map, finetuned_map)):
    landscape_plots.label_inpca_axes(axes, one.signs, one.explained_stress())

# %% [markdown]
# Gain against forgetting, and the legend.

# %%
drawn_conditions = list(dict.fromkeys(trade_off["condition"]))
landscape_plots.trade_off(panels[4], trade_off, drawn_conditions)
landscape_plots.interpolation_paths(panels[5], paths)
for axes in panels[4:]:
    axes.set_xlabel(f"change of accuracy, {landscape_spec.map_task}")
    axes.set_ylabel("gain in r over pretrained")
titles = ("what is left of classification", "which training forgets less?", "all networks",
          "fine-tuned networks alone", "gain against forgetting", "between the two sets of weights")
for axes, letter, title in zip(panels, "ABCDEF", titles):
    axes.set_title(title)
    style.panel_letter(axes, letter, x=-0.1)
style.top_legend(figure, [*finetuning_plots.condition_handles(conditions),
                          *finetuning_plots.group_handles(("early", "higher"))], ncols=5)

# %% [markdown]
# The figure is saved with a table for each panel.

# %%
style.save_figure(figure, laboratory.provenance, {
    "A": accuracy, "C": model_table.assign(x=inpca_map.coordinates[:, 0],
                                           y=inpca_map.coordinates[:, 1]),
    "D": model_table.iloc[is_finetuned].assign(x=finetuned_map.coordinates[:, 0],
                                               y=finetuned_map.coordinates[:, 1]),
    "E": trade_off, "F": paths})

# %% [markdown]
# **Figure 08.** Colour: training; open markers: early regions, filled: higher ones. **A** Accuracy
# of linear probes on held-out images in each task; star: pretrained; dots: participants (of pooled
# networks: regions), means over regions and trainings; bars: their means; dotted: chance. **B**
# Differences of accuracy in the map's task; grey: participants (last row: regions), black: mean
# and 95 % interval over them and trainings. **C** Map of networks by their predictions (InPCA;
# fraction of the stress that an axis explains), one training of each; truth and ignorance are
# placed on the map made from the networks. **D** The same made from the fine-tuned networks alone.
# **E** One point a network and training: gain in r against change in accuracy. **F** Weights
# interpolated between pretrained (0) and fine-tuned (1); thin: a participant, thick: their mean.
# The stamp says whether the data are REAL or SYNTHETIC, and the seed.
#
# The supplement shows the published matrices, the map in the published colours, and the networks
# of the left and of the right hemisphere.

# %%
n_rows = max(map(len, matrices.values())) - 1
supplement = style.new_figure(min(9, 5.6 + 0.11 * max(0, n_rows - 8)), alt="""Six panels. A to C:
    heat maps of accuracy in each task, regions by participants, their mean and pooled networks. D:
    map of all networks, coloured by accuracy, marked by domain. E: map of networks of the left and
    of the right hemisphere's early regions. F: differences of distances between hemispheres and
    between V1 and hV4, dots and 95 % intervals, with zero.""")
upper, lower = supplement.subplots(2, 3, gridspec_kw={
    "wspace": 0.55, "hspace": 0.52, "left": 0.085, "right": 0.98, "top": 0.94, "bottom": 0.17,
    "width_ratios": [1.15, 1, 1], "height_ratios": [1 + 0.05 * max(0, n_rows - 8), 1]})
for axes, (name, values) in zip(upper, matrices.items()):
    finetuning_plots.value_matrix(axes, values.drop(index="pretrained"), cmap=style.SEQUENTIAL)
    axes.set_title(f"{name}: pretrained {values.loc['pretrained', 'mean']:.2f}")
for axes in upper[len(matrices):]:
    axes.axis("off")

# %% [markdown]
# The maps as published.

# %%
landscape_plots.model_map(
    lower[0], model_table, inpca_map.coordinates[:, :2], "accuracy",
    Normalize(*model_table["accuracy"].iloc[is_finetuned].agg(["min", "max"])),
    references=reference_points)
landscape_plots.label_inpca_axes(lower[0], inpca_map.signs, stress)
landscape_plots.hemisphere_map(lower[1], hemisphere_table.iloc[is_early],
                               hemisphere_map.coordinates)
landscape_plots.label_inpca_axes(lower[1], hemisphere_map.signs, hemisphere_map.explained_stress())
area = hemisphere_table.assign(area=hemisphere_table["roi"].str[:2])
farther = (statistics.pivot_donor_by_seed(area, "from pretrained", area="V1")
           - statistics.pivot_donor_by_seed(area, "from pretrained", area="hV"))
landscape_plots.difference_rows(lower[2], {"opposite −\nsame side": directions,
                                           "V1 − hV4,\nfrom\npretrained": farther})

# %% [markdown]
# Titles, colour bar and legends.

# %%
lower[2].set_xlabel("difference of distances")
for axes, title in zip(lower, ("as published", "left and right, early", "hemispheres and areas")):
    axes.set_title(title)
for axes, letter in zip([*upper[:len(matrices)], *lower], "ABC"[:len(matrices)] + "DEF"):
    style.panel_letter(axes, letter, x=-0.2)
colorbar = supplement.colorbar(lower[0].collections[-3], ax=lower[0], extend="max", pad=0.04)
marks = dict.fromkeys(landscape_plots.marker_key(*row) for row in model_table[
    ["roi", "hemisphere", "group", "condition"]].to_numpy())
lower[0].legend(handles=landscape_plots.marker_handles([*marks, *reference_points]), ncols=3,
                loc="upper center", bbox_to_anchor=(0.5, -0.24), columnspacing=0.8,
                handletextpad=0.2)
colorbar.set_label(f"accuracy, {landscape_spec.map_task}")
x, y = hemisphere_map.coordinates[:, :2].T
style.save_figure(supplement, laboratory.provenance, {
    "supplement-E": hemisphere_table.iloc[is_early].assign(x=x, y=y)}, part="supplement")

# %% [markdown]
# **Figure 08, supplement.** **A-C** Accuracy of linear probes; rows: region that a network was
# contrastively fine-tuned to; columns: participants, their mean, pooled networks; title: the
# pretrained network. **D** The map of figure 08C as published: colour is accuracy (the pretrained
# network lies above the scale), marker the domain of the region; thick edges: pooled. **E**
# Networks fine-tuned to early regions of the left and of the right hemisphere, without the
# pretrained one. **F** Pairs of networks of different regions: distance of opposite hemispheres
# minus that of the same one; and distance from the pretrained network, V1 minus hV4; grey:
# participants, black: mean and 95 % interval.

# %% [markdown]
# ## 7 · Claims
#
# Rules were fixed before the run. Participants and trainings are the sample where each participant
# has networks of their own; pooled networks are compared region by region. Each claim is judged by
# its own interval, not corrected for the number of claims; the last line of the list says which
# verdicts Holm's rule over all of them would change. Where every network loses much of its
# accuracy, whether it gained or not, to count those that gained without forgetting tells nothing
# new: the count is printed, and the claim is on networks half of the way, where it is open
# (Wortsman et al. 2022 found such networks between two others).

# %%
published_accuracies = {"Caltech-256": ".703 pretrained, .61 to .65 early, .66 to .67 higher",
                        "Places365": ".291 pretrained, .22 to .25 early, .25 to .26 higher",
                        "ImageNet": ".458 pretrained, .35 to .40 early, .41 to .43 higher"}
changes = {name: statistics.pivot_donor_by_seed(accuracy, "change", condition="contrastive",
                                                task=name) for name in tasks}
n_people, n_trainings = changes[landscape_spec.map_task].shape
claims.intervals("Fine-tuning to a brain region forgets (in every task)",
                 {name: mean_interval(table) for name, table in changes.items()}, "below 0",
                 of="accuracy minus that of the pretrained network, over participants and "
                 "trainings",
                 n=f"n = {n_people} x {n_trainings} trainings", df=n_people - 1,
                 source="classification matrices",
                 paper="; ".join(f"{name}: {published_accuracies[name]}" for name in tasks
                                 if name in published_accuracies)
                 or "in all tasks: pretrained > higher > early")

# %% [markdown]
# The order of early, higher and pooled networks, in the map's task.

# %%
claims.interval("Early regions cost more than higher ones",
                differences["early −\nhigher regions"], "below 0",
                of="accuracy, early minus higher",
                source="classification matrices", paper="pretrained > higher > early")
claims.interval("A pooled network forgets more than specific ones",
                differences["pooled −\nspecific"], "below 0", sample="regions",
                of="accuracy, pooled (avg) minus the mean of specific networks",
                source="classification matrices",
                paper="early, ImageNet: pooled .19 to .29, specific .35 to .40")

# %% [markdown]
# Contrast against its rivals.

# %%
for rival, source, paper in zip(rivals, ("2023 version", "beyond the paper", "beyond the paper"),
                                (".63 against .49 (Caltech-256)", "–", "–")):
    claims.interval(f"Contrastive fine-tuning forgets less than {rival}",
                    differences[f"contrastive −\n{rival}"], "above 0",
                    of=f"accuracy, contrastive minus {rival}", source=source, paper=paper)

# %% [markdown]
# Left and right, near and far.

# %%
claims.interval("Networks of opposite hemispheres leave in different directions", directions,
                "above 0", of="distance of opposite minus that of same hemisphere",
                source="subject landscape", paper="two arms, left and right")
claims.interval("V1 lies farther from the pretrained network than hV4", farther, "above 0",
                of="distance from pretrained, V1 minus hV4", source="subject landscape",
                paper="V1 farthest, hV4 nearest")

# %% [markdown]
# Gain against forgetting, half of the way.

# %%
of_trained = trade_off[~trade_off["condition"].isin(["shuffled", "untrained"])]
winners = of_trained[of_trained["gain"] > 0]
n_unforgetting = int((winners["change"] >= 0).sum())
print(f"{n_unforgetting} of {len(winners)} networks that gained have the pretrained one's accuracy "
      "or more")
claims.interval("Half the way, too, nothing is gained without forgetting",
                statistics.change_where_gained(paths, 0.5), "below 0",
                of="accuracy minus that of the pretrained network, of networks half the way that "
                "gained", source="beyond the paper", paper="–")
claims.interval("Half the way is a trade-off", statistics.interpolation_advantage(paths, 0.5),
                "above 0",
                of="gain of r of half the way's weights minus the part of the whole gain that "
                "belongs to their part of the loss",
                source="beyond the paper", paper="–")

# %% [markdown]
# Numbers by which later runs are compared.

# %%
for name in tasks:
    part = accuracy[accuracy["task"] == name].groupby("condition", sort=False)["accuracy"].mean()
    claims.number(f"accuracy, {name}", round_numbers(part.to_dict(), 3))
claims.number("explained stress, two axes", round_numbers({"all": stress[1]}, 3))

# %% [markdown]
# All claims, with their rules and numbers.

# %%
path = claims.save()
print(claims.text())

# %% [markdown]
# The verdicts alone, which are the same on every machine.

# %%
# NBVAL_CHECK_OUTPUT
print(claims.verdicts())

# %% [markdown]
# ## 8 · What we see, what the paper says, why they differ
#
# The paper's networks were trained with a smaller rate, for longer, on hundreds of voxels. Its
# order (pretrained, then higher, then early regions, pooled networks last) is tested by two claims,
# in the map's task; in the others it is described here.

# %% tags=["prose"]
def mean_of(task, condition, group):
    """Return a mean accuracy, as text."""
    part = accuracy[(accuracy["task"] == task) & (accuracy["condition"] == condition)]
    return f"{select_group(part, group)['accuracy'].mean():.2f}"

lines = "; ".join(
    f"*{name}* {mean_of(name, 'pretrained', 'all')} pretrained, "
    f"{mean_of(name, 'contrastive', 'higher')} higher, {mean_of(name, 'contrastive', 'early')} "
    f"early, {mean_of(name, 'pooled, avg', 'all')} pooled (chance {1 / n_classes[name]:.2f})"
    for name in tasks)
Markdown(f"""That fine-tuning to a region forgets in every task is
**{claims.verdict("Fine-tuning to a brain region")}**. Mean accuracies: {lines}. That early regions cost
more than higher ones is **{claims.verdict("Early regions cost")}**, that a pooled network forgets
more than specific ones is **{claims.verdict("A pooled network forgets")}**.""")

# %% [markdown]
# Controls say what forgetting is *not*. A network that is trained on **shuffled** responses has
# nothing to gain: whatever it loses is not the price of a gain. Regression shows whether another
# objective, with its own head or with the same one, would have kept more. Each is trained at the
# rate at which it predicts best (notebook 05): a larger rate goes farther from the pretrained
# network, so that this compares methods as they would be used, not losses at equal steps. (In the
# published matrices of 2023 regression lost most, with other rates and budgets for the two.) None
# of these comparisons was made with an equivalence bound: an inconclusive one does not show
# equality.

# %% tags=["prose"]
verdicts = {claim.statement: claim.verdict for claim in claims.claims}
gains = trade_off.groupby("condition")["gain"].mean()
compared = "; ".join(
    f"*{rival}* {(contrastive - accuracy_change[rival, 'all']).to_numpy().mean():+.3f} "
    f"(**{verdicts['Contrastive fine-tuning forgets less than ' + rival]}**)" for rival in rivals)
Markdown(f"""Networks trained on shuffled responses end at an accuracy of
{by_task.loc["shuffled", landscape_spec.map_task]:.2f} with a mean gain in r of
{gains["shuffled"]:+.3f}; contrastive ones at
{by_task.loc["contrastive", landscape_spec.map_task]:.2f} with {gains["contrastive"]:+.3f}.
Accuracy after contrastive training minus that after another, and whether contrast forgets less:
{compared}.""")

# %% [markdown]
# On the map look at the axes first: what two of them leave out is seen nowhere. Whether left and
# right networks leave in different directions is decided by all distances within a participant, not
# by the drawing.

# %% tags=["prose"]
to_truth = model_table["to truth"]
n_nearer = int((to_truth.iloc[is_finetuned] < to_truth.iloc[pretrained_row]).sum())
Markdown(f"""Of {len(is_finetuned)} fine-tuned networks {n_nearer} lie nearer to truth than the
pretrained one does ({to_truth.iloc[pretrained_row]:.2f}; the others' mean is
{to_truth.iloc[is_finetuned].mean():.2f}). Two axes explain {stress[1]:.0%} of the stress. That
opposite hemispheres leave in different directions is
**{claims.verdict("Networks of opposite hemispheres")}**, that V1 lies farther away than hV4 is
**{claims.verdict("V1 lies farther")}**.""")

# %% [markdown]
# Panels E and F are the question that the paper did not ask: is there a network that gained without
# forgetting, and is half of the way better? A better trade-off may need another training (a penalty
# on leaving, a smaller rate), not a point on this line.

# %% tags=["prose"]
Markdown(f"""Of {len(winners)} networks that gained, {n_unforgetting} have at least the pretrained
network's accuracy. That half of the way, too, nothing is gained without forgetting is
**{claims.verdict("Half the way, too")}**; that it keeps more of the gain than belongs to its part of
the loss, a trade-off, is **{claims.verdict("Half the way is")}**.""")

# %% [markdown]
# Under `mini` there is one task, the localizer's eleven categories, and no early region.

# %% [markdown]
# ## Known deviations from the paper
#
# Where a step differs from the published code or text, under every profile; of all notebooks:
# [REPRODUCING.md](../REPRODUCING.md).

# %%
Markdown(deviation_table(laboratory.provenance.notebook))

# %% [markdown]
# ## 9 · Exercises
#
# **Read.** Chance differs between tasks, so accuracies cannot be compared as they stand. From the
# first table of section 2: of the pretrained network's accuracy *above chance*, what fraction do
# contrastively fine-tuned networks still have, on average? Give a list, one number a task, in the
# order of the columns.

# %% tags=["exercise"]
your_fractions = None    # a list of numbers, one a task

# %% tags=["solution"]
chance = by_task.loc["chance"]
your_fractions = ((by_task.loc["contrastive"] - chance)
                  / (by_task.loc["pretrained"] - chance)).tolist()

# %% tags=["check"]
# NBVAL_CHECK_OUTPUT
left, before, guess = (by_task.loc[name] for name in ("contrastive", "pretrained", "chance"))
check(your_fractions, (left - guess) / (before - guess),
      hint="(accuracy - chance) / (pretrained - chance), task by task.",
      wrong={"Subtract chance, from both.": left / before,
             "Subtract chance from both, not only from what is left.": (left - guess) / before,
             "That is the fraction that was lost.": (before - left) / (before - guess),
             "Those are differences: a fraction is a quotient.": before - left,
             "The whole is what the pretrained network had, not a perfect score.":
                 (left - guess) / (1 - guess)})

# %% [markdown]
# **Change.** Replace −log(overlap) by 1 − overlap, the squared Hellinger distance, and average
# it over images as before. Give the matrix of the four models (`four`) as `your_distances`. Then
# decompose it as in section 3: how many axes are imaginary now, and why?

# %% tags=["exercise"]
your_distances = None    # array (4, 4), models in the order of `four`

# %% tags=["solution"]
your_distances = np.array([[np.mean(1 - np.sqrt(p * q).sum(axis=1)) for q in four.values()]
                           for p in four.values()])
print("eigenvalues:", np.linalg.eigvalsh(-centring @ your_distances @ centring / 2).round(3) + 0.0)
print("None is negative: half of the squared Euclidean distance of √p and √q is this distance.")

# %% tags=["check"]
# NBVAL_CHECK_OUTPUT
def all_pairs(of_pair):
    """Return the matrix of a distance between the four models."""
    return np.array([[of_pair(p, q) for q in four.values()] for p in four.values()])

overlaps = all_pairs(lambda p, q: np.sqrt(p * q).sum(axis=1).mean())
check(your_distances, 1 - overlaps,
      hint="np.mean(1 - np.sqrt(p * q).sum(axis=1)) for each pair of `four`.",
      wrong={"Average over images last: exp of a mean is no mean of exps.":
                 1 - np.exp(-by_hand),
             "That is the overlap: 1 minus it.": overlaps,
             "The overlap is the sum of √(p q), not of p q.":
                 1 - all_pairs(lambda p, q: (p * q).sum(axis=1).mean()),
             "The squared distance, without a root.": np.sqrt(np.maximum(1 - overlaps, 0)),
             "That is the old distance: no logarithm.": by_hand})

# %% [markdown]
# **Extend.** Are networks of one region nearer to each other than networks of different regions,
# *across* participants? Write `region_advantage`: over all pairs of networks of two different
# participants, the mean distance of pairs of different regions minus that of pairs of the same
# region.

# %% tags=["exercise"]
def region_advantage(distances, rois, donors):
    """Return the mean distance of pairs of other regions minus same region, other participants."""
    raise NotImplementedError

# %% tags=["solution"]
def region_advantage(distances, rois, donors):
    """Return the mean distance of pairs of other regions minus same region, other participants."""
    rois, donors = np.asarray(rois), np.asarray(donors)
    one, other = np.triu_indices(len(rois), 1)
    across = donors[one] != donors[other]
    same = rois[one] == rois[other]
    values = distances[one, other]
    return values[across & ~same].mean() - values[across & same].mean()

part = model_table[model_table["condition"] == "contrastive"]
advantage_here = region_advantage(pairwise_distances[np.ix_(part.index, part.index)], part["roi"],
                                  part["donor"])
print(f"contrastively fine-tuned networks: {advantage_here:+.3f}")

# %% tags=["check"]
# NBVAL_CHECK_OUTPUT
def advantage(distances, rois, donors, ignore_donors=False, diagonal=False):
    """Return the difference, right or with one mistake."""
    same, across = (np.equal.outer(one, one) for one in map(np.asarray, (rois, donors)))
    across = np.ones_like(same) if ignore_donors else ~across
    across &= ~np.eye(len(same), dtype=bool)
    within = same if diagonal else same & across
    return distances[across & ~same].mean() - distances[within].mean()

random = np.random.default_rng(0).random((8, 8))
tiny = (random + random.T) * (1 - np.eye(8)), list("abcaabbc"), list("11122333")
part = model_table[model_table["condition"] == "contrastive"]
own = (pairwise_distances[np.ix_(part.index, part.index)], part["roi"].to_numpy(),
       part["donor"].to_numpy())
check(region_advantage, advantage, on=[tiny, own],
      hint="Two masks over pairs: another participant; the same region or not.",
      wrong={"Leave out pairs of one participant.":
                 lambda *one: advantage(*one, ignore_donors=True),
             "Leave out the diagonal: a network is no pair with itself.":
                 lambda *one: advantage(*one, diagonal=True),
             "Other regions minus the same region.": lambda *one: -advantage(*one),
             "A difference of means was asked for, not a mean.":
                 lambda distances, *_: distances.mean()})

# %% [markdown]
# **Discuss.** (1) A probe is trained anew on each network. What could a network have kept that a
# probe of this layer does not find? (2) Truth lies far away from all networks. Is a network that is
# nearer to it always more accurate? (3) Would you publish the network half of the way?
#
# **References.** Mulrooney & Brockmeier (2024), arXiv 2410.06067 · Mao et al. (2024), *PNAS*
# 121(12) (InPCA of networks) · Quinn et al. (2019), *PNAS* 116(28) (InPCA) · Wortsman et al.
# (2022), CVPR (weights between two networks).
#
# Previous: [07 · Bound shared information](07_bound_shared_information.ipynb) · Next:
# [09 · See lateralisation](09_see_lateralisation.ipynb): which half of an image do they prefer?
