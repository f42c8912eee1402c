# %% [markdown]
# # 08 · What does a network forget when it is fine-tuned to a brain?
#
# Mulrooney & Brockmeier (2024), classification matrices and model landscapes
# ([arXiv 2410.06067](https://arxiv.org/abs/2410.06067)).
# On two cores: two minutes after notebook 05 and 2 GB under `demo`; not measured under `mini`;
# nor under `paper`, which needs the Algonauts 2023 data, three image sets and a GPU.

# %% [markdown]
# **Goal.** Notebooks 05 to 07 asked what a network *gains* when it is fine-tuned to a brain region.
# This one asks what it *loses*, and where it ends up. Before fine-tuning, the network's features
# separated many classes. Linear probes measure how much of this is left, in three tasks. Then we
# lay all networks on a map: two networks lie close together when they give the same images the same
# probabilities.
#
# **You will learn**
# - how a linear probe measures the information in features, and what it cannot measure;
# - how to draw a map of models on which all distances can be read, imaginary axes included;
# - the trade-off: gain in r against loss in accuracy, and weights interpolated between.

# %% tags=["parameters"]
profile = "demo"    # demo, mini, paper, or the path of your own TOML file
n_jobs = 2          # processes that fine-tune and fit probes; one where there is a GPU

# %%
import numpy as np
import pandas as pd
from IPython.display import Markdown
from matplotlib.colors import Normalize

from helpers import lab
from helpers.brains.layouts import open_cohort
from helpers.figures import style
from helpers.figures.claims import ClaimsTable, round_numbers
from helpers.figures.deviations import deviation_table
from helpers.finetuning import plots as finetuning_plots
from helpers.finetuning.statistics import pivot_subject_by_seed, region_scores, select_group
from helpers.finetuning.study import FineTuningStudy
from helpers.landscape import statistics
from helpers.landscape import plots as landscape_plots
from helpers.landscape import study as landscape_study
from helpers.landscape.distances import ignorance_model, truth_model
from helpers.landscape.inpca import fit_inpca

# %%
laboratory = lab.open(profile, notebook="08_map_the_model_landscape")
claims = ClaimsTable(laboratory.provenance)
spec, seed = laboratory.profile.table("finetuning"), laboratory.profile.seed
landscape_spec = laboratory.profile.table("landscape")
style.use_style()
print(laboratory.provenance.line)

# %% [markdown]
# ## 1 · The networks and the tasks
#
# The networks are those of notebook 05: for each region of each participant and each condition
# two (trained from different seeds), pooled ones, and the pretrained network. The tasks are new:
# images that were not used in fine-tuning, with labels that have nothing to do with brains. A
# **linear probe** reads one layer: features are standardised, a logistic regression is fitted to 85
# % of the images, and its accuracy is measured on the other 15 %.

# %%
network, untrained = laboratory.network(spec.network), laboratory.network(spec.untrained)
cohort = open_cohort(laboratory, "finetuning_cohort")
study = FineTuningStudy.from_cohort(cohort, spec, network, untrained, seed=seed, n_jobs=n_jobs)
tasks = {name: landscape_study.load_task(name, laboratory.images(*where.split("/", 1)), network,
                                         landscape_spec.image_size, landscape_spec.max_images)
         for name, where in landscape_spec.tasks.items()}
pd.DataFrame([{"task": name, "classes": len(np.unique(task.labels)), "n_train": len(task.train_idx),
               "n_test": len(task.test_idx), "for example": ", ".join(task.classes[:3])}
              for name, task in tasks.items()]).set_index("task")

# %% [markdown]
# ## 2 · What is forgotten
#
# Contrastively fine-tuned and pooled networks are evaluated on all tasks, as published; the
# controls in the one by which the map below is drawn. Chance is one over the number of classes.

# %%
conditions = ["untrained", "pretrained", "shuffled", "regression", "regression, same head",
              "contrastive",
              "pooled, avg", "pooled, const"]
finetuned_models = study.networks(conditions)
controls = ("untrained", "shuffled", "regression", "regression, same head")
published = [run for run in finetuned_models if run.condition.name not in controls]
accuracy = statistics.add_accuracy_change(pd.concat([
    landscape_study.task_accuracies(study, finetuned_models if name == landscape_spec.map_task
                                    else published, [one],
                                    landscape_spec.layer) for name, one in tasks.items()]))
table = accuracy.pivot_table(index="condition", columns=["task", "group"], values="accuracy",
                             sort=False)
print(f"{len(finetuned_models)} networks; chance "
      + ", ".join(f"{1 / len(np.unique(task.labels)):.3f} ({name})"
                  for name, task in tasks.items()))
table.round(3)

# %% [markdown]
# The published matrices: a row a region, a column a participant, then the mean, then the pooled
# networks. The first row is the pretrained network.

# %%
matrices = {name: statistics.accuracy_matrix(accuracy, name) for name in tasks}
matrices[landscape_spec.map_task].round(3)

# %% [markdown]
# ## 3 · A map of models
#
# How far apart are two networks? For every held-out image, both give a probability to each class.
# The **Bhattacharyya distance** is minus the logarithm of how much the two distributions overlap,
# averaged over images:
#
# $$d(u, v) = \frac1N \sum_n -\log \sum_c \sqrt{p_u(c \mid n)\, p_v(c \mid n)}$$
#
# **InPCA** finds coordinates whose squared differences add up to these distances. The distances
# are not those of an ordinary space, so along some axes, called *imaginary*, squared differences
# are *subtracted*. Two points are placed on the map although no network is there: *truth*, which
# is always right and sure, and *ignorance*, which finds all classes equally likely.

# %%
task = tasks[landscape_spec.map_task]
drawn = [run for run in finetuned_models if run.number == 0]  # one training of each, to draw
n_classes = len(task.classes)
pairwise_distances, distances_to_references = landscape_study.prediction_distances(
    study, drawn, task, landscape_spec.layer,
    [truth_model(task.test_labels, n_classes), ignorance_model(n_classes)])
inpca_map = fit_inpca(pairwise_distances)
reference_points = dict(zip(("truth", "ignorance"), inpca_map.project(distances_to_references)))
reconstruction_error = float(np.abs(inpca_map.distances() - pairwise_distances).max())
stress = inpca_map.explained_stress()
print(
    f"{len(drawn)} networks, {len(task.test_idx)} images; distances up to {pairwise_distances.max():.2f}; "
    f"restored to {reconstruction_error:.0e}")
print(f"two axes explain {stress[1]:.0%} of the stress, five {stress[4]:.0%}; imaginary among the "
      f"first ten: {(inpca_map.signs[:10] < 0).sum()}")

# %%
map_accuracy = accuracy[accuracy["task"] == landscape_spec.map_task].drop(columns="task")
model_table = map_accuracy[map_accuracy["seed"] == 0].reset_index(drop=True)
pretrained_row = conditions.index("pretrained")
model_table["from pretrained"], model_table["to truth"] = pairwise_distances[
    pretrained_row], distances_to_references[0]
model_table.groupby("condition",
                    sort=False)[["from pretrained", "to truth", "accuracy"]].mean().round(3)

# %% [markdown]
# ## 4 · Left and right
#
# Published: networks fine-tuned to the left and to the right hemisphere's early regions leave the
# pretrained network in two directions. Early regions of one hemisphere see one half of the visual
# field, so their networks may well come to know different halves of an image. Here we tune a
# network to each early region of each hemisphere. (In the demo, on larger images than the other
# networks, which were fine-tuned on small ones to save time: there, one position is left in the
# last feature maps, and a network without positions has no left.)

# %%
laterality_spec = laboratory.profile.table("laterality")
learning_rate = study.learning_rate("contrastive")
early = FineTuningStudy.from_cohort(cohort, laterality_spec.finetuning_spec(spec, learning_rate),
                                    network, untrained, seed=seed, n_jobs=n_jobs)
hemisphere_models = early.networks(["pretrained", "contrastive"])
where = landscape_spec.tasks[landscape_spec.map_task].split("/", 1)
large = landscape_study.load_task(landscape_spec.map_task, laboratory.images(*where), network,
                                  laterality_spec.image_size, landscape_spec.max_images)
hemisphere_distances, _ = landscape_study.prediction_distances(early, hemisphere_models, large,
                                                               landscape_spec.layer)
hemisphere_table = landscape_study.task_accuracies(early, hemisphere_models, [large],
                                                   landscape_spec.layer)
hemisphere_table["from pretrained"] = hemisphere_distances[0]
hemisphere_map = fit_inpca(hemisphere_distances)
print(
    f"{len(hemisphere_models) - 1} networks; two axes explain {hemisphere_map.explained_stress()[1]:.0%} of the stress")

# %% [markdown]
# The eye sees two arms in many clouds of points. So, within each participant, over pairs of
# networks of different regions: is the distance larger when the two belong to opposite
# hemispheres?

# %%
directions = statistics.hemisphere_distance_difference(hemisphere_distances, hemisphere_table)
print("opposite minus same:", directions.mean(axis=1).round(3).to_dict())
hemisphere_table[hemisphere_table["roi"] != "none"].pivot_table(index="roi", columns="hemisphere",
                                                                sort=False,
                                          values=["from pretrained", "accuracy"]).round(3)

# %% [markdown]
# ## 5 · Beyond: gain against forgetting
#
# One point a network: what encoding gained (r minus that of the pretrained network, cross-validated
# as in notebook 05) against what classification lost. And between the two: a network whose weights
# are **interpolated** between the pretrained and the fine-tuned ones (Wortsman et al. 2022). If the
# gain comes at a smaller coefficient than the loss, there is a trade-off.

# %%
scores = region_scores(study.voxel_scores([condition for condition in conditions
                                           if condition != "untrained"]))
trade_off = map_accuracy.merge(statistics.encoding_gains(scores), on=statistics.MODEL_COLUMNS)
trade_off.groupby(["condition", "group"], sort=False)[["gain", "change"]].mean().round(3)

# %%
pretrained, before = study.voxel_scores(
    ["pretrained"]), accuracy[accuracy["condition"] == "pretrained"]
path_tables = [trade_off[trade_off["condition"] == "contrastive"].assign(interpolation=1.0)]
path_tables.append(path_tables[0].assign(interpolation=0.0, gain=0.0, change=0.0))
halfway = {"conditions": ["contrastive"], "interpolation": 0.5}
gained = statistics.encoding_gains(region_scores(pd.concat([pretrained,
                                                            study.voxel_scores(**halfway)])))
part = landscape_study.task_accuracies(study, study.networks(**halfway), [task],
                                       landscape_spec.layer)
part = statistics.add_accuracy_change(pd.concat([before, part]))
path_tables.append(part.merge(gained, on=statistics.MODEL_COLUMNS).assign(interpolation=0.5))
paths = pd.concat(path_tables).sort_values("interpolation")[
    ["donor", "seed", "roi", "group", "interpolation", "gain", "change"]]
paths.pivot_table(index="interpolation", columns="group", values=["gain", "change"]).round(3)

# %% [markdown]
# ## 6 · The figure

# %%
figure = style.new_figure(8.6)
lines = figure.add_gridspec(3, 1, hspace=0.42, left=0.085, right=0.945, top=0.955, bottom=0.06,
                            height_ratios=[1, 1.25, 1.15])
top = lines[0].subgridspec(1, 3, wspace=0.35).subplots(squeeze=False)[0]
for axes, letter, (name, values) in zip(top, "ABC", matrices.items()):
    finetuning_plots.value_matrix(axes, values, cmap="viridis")
    axes.set_title(f"{name}, {len(np.unique(tasks[name].labels))} classes")
    style.panel_letter(axes, letter, x=-0.2)
for axes in top[len(matrices):]:
    axes.axis("off")

# %%
*middle, bar = lines[1].subgridspec(1, 5, wspace=0.58,
                                    width_ratios=[1.5, 1.5, 1, 1, 0.06]).subplots()
norm = Normalize(min(model_table["accuracy"].min(), hemisphere_table["accuracy"].min()),
                 max(model_table["accuracy"].max(), hemisphere_table["accuracy"].max()))
landscape_plots.model_map(middle[0], model_table, inpca_map.coordinates[:, :2], "accuracy", norm,
                          references=reference_points)
landscape_plots.label_inpca_axes(middle[0], inpca_map.signs, stress)
landscape_plots.model_map(middle[1], hemisphere_table, hemisphere_map.coordinates[:, :2],
                          "accuracy", norm)
landscape_plots.label_inpca_axes(middle[1], hemisphere_map.signs, hemisphere_map.explained_stress())
subsets = {"higher regions": (model_table["group"] == "higher")
           & (model_table["condition"] == "contrastive"),
           "pooled": model_table["donor"] == "all"}
for axes, (name, rows) in zip(middle[2:], subsets.items()):
    rows = np.flatnonzero(rows | (model_table["condition"] == "pretrained"))
    part = fit_inpca(pairwise_distances[np.ix_(rows, rows)])
    landscape_plots.model_map(axes, model_table.iloc[rows], part.coordinates[:, :2], "accuracy",
                              norm)
    landscape_plots.label_inpca_axes(axes, part.signs, part.explained_stress())

# %%
for axes, letter, title in zip(middle, "DEFG", ("all networks", "left and right, early",
                                                *subsets)):
    axes.set_title(title)
    style.panel_letter(axes, letter, x=-0.22)
figure.colorbar(middle[0].collections[0], cax=bar).set_label(f"accuracy, {landscape_spec.map_task}")
marks = dict.fromkeys(landscape_plots.marker_key(*row) for row in pd.concat([model_table,
                                                                             hemisphere_table])[
    ["roi", "hemisphere", "group", "condition"]].to_numpy())
middle[0].legend(handles=landscape_plots.marker_handles([*marks, *reference_points]), ncols=9,
                 fontsize=5.5, loc="upper left", bbox_to_anchor=(-0.25, -0.17), handletextpad=0.2,
                 columnspacing=1.2)

# %%
bottom = lines[2].subgridspec(1, 2, wspace=0.25).subplots()
drawn_conditions = list(dict.fromkeys(trade_off["condition"]))
landscape_plots.trade_off(bottom[0], trade_off, drawn_conditions)
bottom[0].legend(handles=finetuning_plots.condition_handles(drawn_conditions), fontsize=5.5)
landscape_plots.interpolation_paths(bottom[1], paths)
bottom[1].legend(title="fraction of the way, by group")
for axes, letter in zip(bottom, "HI"):
    axes.set(xlabel=f"change of accuracy, {landscape_spec.map_task}",
             ylabel="r fine-tuned - r pretrained")
    style.panel_letter(axes, letter, x=-0.09)

# %%
style.save_figure(figure, laboratory.provenance, {
    "ABC": accuracy, "D": model_table.assign(x=inpca_map.coordinates[:, 0],
                                             y=inpca_map.coordinates[:, 1]),
    "E": hemisphere_table.assign(x=hemisphere_map.coordinates[:, 0],
                                 y=hemisphere_map.coordinates[:, 1]), "H": trade_off, "I": paths})
figure

# %% [markdown]
# **Figure 08.** **A-C** Accuracy of linear probes on held-out images, three tasks; rows: region
# that a network was contrastively fine-tuned to; columns: participants, their mean, pooled
# networks. **D** Map of all networks by their predictions (InPCA; fraction of the stress that an
# axis explains); colour: accuracy; magenta: pooled; truth and ignorance are placed on the map made
# from the networks. **E** Networks fine-tuned to early regions of the left and of the right
# hemisphere. **F, G** Higher regions and pooled networks alone. **H** One point a network: gain in
# r against change in accuracy; open: early regions. **I** Weights interpolated between pretrained
# and fine-tuned; thin: a participant, thick: their mean. The stamp says whether the data are REAL
# or SYNTHETIC.

# %% [markdown]
# ## 7 · Claims
#
# Rules were fixed before the run. Participants and trainings are the sample where each participant
# has networks of their own; pooled networks are compared region by region. Each claim is judged by
# its own interval, not corrected for the number of claims; the last line of the list says which
# verdicts Holm's rule over all of them would change. Where every network loses much of its
# accuracy, whether it gained or not, to count those that gained without forgetting tells nothing
# new: the count is printed, and the claim is on networks half the way, where it is open (Wortsman
# et al. 2022 found such networks between two others).

# %%
published_accuracies = {"Caltech-256": ".703 pretrained, .61 to .65 early, .66 to .67 higher",
                        "Places365": ".291 pretrained, .22 to .25 early, .25 to .26 higher",
                        "ImageNet": ".458 pretrained, .35 to .40 early, .41 to .43 higher"}
for name in tasks:
    claims.interval(f"Tuning to a brain region forgets ({name})", statistics.pivot_donor_by_seed(
        accuracy, "change", condition="contrastive", task=name), "below 0",
        of="accuracy minus that of the pretrained network", source="classification matrices",
        paper=published_accuracies.get(name, "in all tasks: pretrained > higher > early"))

# %%
accuracy_change = {(condition, group): statistics.pivot_donor_by_seed(
    select_group(map_accuracy, group), "change", condition=condition)
                   for condition in conditions for group in ("early", "higher", "all")}
of_region = {condition: pivot_subject_by_seed(map_accuracy[map_accuracy["condition"] == condition],
                                              "accuracy", "roi")
             for condition in ("pooled, avg", "contrastive")}
claims.interval("Early regions cost more than higher ones", accuracy_change["contrastive", "early"]
                - accuracy_change["contrastive", "higher"], "below 0",
                of="accuracy, early minus higher",
                source="classification matrices", paper="pretrained > higher > early")
claims.interval("A pooled network forgets more than specific ones",
                of_region["pooled, avg"] - of_region["contrastive"], "below 0", sample="regions",
                of="accuracy, pooled (avg) minus the mean of specific networks",
                source="classification matrices",
                paper="early, ImageNet: pooled .19 to .29, specific .35 to .40")

# %%
for rival, source, paper in (
        ("regression", "2023 version", ".63 against .49 (Caltech-256)"),
        ("regression, same head", "beyond the paper", "–"),
        ("shuffled", "beyond the paper", "–")):
    claims.interval(f"Contrastive fine-tuning forgets less than {rival}",
                    accuracy_change["contrastive", "all"] - accuracy_change[rival, "all"],
                    "above 0",
                    of=f"accuracy, contrastive minus {rival}", source=source, paper=paper)

# %%
claims.interval("Networks of opposite hemispheres leave in different directions", directions,
                "above 0", of="distance of opposite minus that of same hemisphere",
                source="subject landscape", paper="two arms, left and right")
area = hemisphere_table.assign(area=hemisphere_table["roi"].str[:2])
farther = (statistics.pivot_donor_by_seed(area, "from pretrained", area="V1")
           - statistics.pivot_donor_by_seed(area, "from pretrained", area="hV"))
claims.interval("V1 lies farther from the pretrained network than hV4", farther, "above 0",
                of="distance from pretrained, V1 minus hV4", source="subject landscape",
                paper="V1 farthest, hV4 nearest")

# %%
gained = trade_off[~trade_off["condition"].isin(["shuffled",
                                                 "untrained"]) & (trade_off["gain"] > 0)]
print(f"{(gained['change'] >= 0).sum()} of {len(gained)} networks that gained have the pretrained "
      "one's accuracy or more")
claims.interval("Half the way, too, nothing is gained without forgetting",
                statistics.change_where_gained(paths, 0.5), "below 0",
                of="accuracy minus that of the pretrained network, of networks half the way that "
                "gained", source="beyond the paper", paper="–")
claims.interval("Half the way is a trade-off", statistics.interpolation_advantage(paths, 0.5),
                "above 0",
                of="fraction of the gain minus fraction of the loss that half the way's weights have",
                source="beyond the paper", paper="–")

# %%
for name in tasks:
    part = accuracy[accuracy["task"] == name].groupby("condition", sort=False)["accuracy"].mean()
    claims.number(f"accuracy, {name}", round_numbers(part.to_dict(), 3))
claims.number("explained stress, two axes", round_numbers({"all": stress[1]}, 3))

# %%
path = claims.save()
print(claims.text())

# %%
# NBVAL_CHECK_OUTPUT
print(claims.verdicts())

# %% [markdown]
# ## 8 · What we see, what the paper says, why they differ
#
# Forgetting is real: after a few steps of training towards a region, probes find less of every
# task. The paper's networks lose more of some tasks and less of others; they were trained with a
# smaller rate, for longer, on hundreds of voxels. Its order (pretrained, then higher, then early
# regions, pooled networks last) is tested by two claims; at this size participants and trainings
# differ by about as much as the groups do.
#
# Two controls say what forgetting is *not*. Networks trained on **shuffled** responses forget about
# as much and gain nothing: what is lost is not the price of what is gained. And we see no sure
# difference between contrast and regression, with their own heads or with the same one. (The
# published matrices of 2023, in which regression lost most, used other rates and budgets for the
# two.) None of these comparisons was made with a bound for equivalence: no difference was found,
# which is not the same as finding none.
#
# On the map, the pretrained network lies between all others and truth: nothing that was fine-tuned
# came nearer to truth. Few axes do not explain much of the stress here; what the eye sees in two of
# them is a part only. Whether left and right networks leave in different directions is decided by
# all distances within a participant, not by the image.
#
# Panels H and I are the question that the paper did not ask. In the demo every network forgets,
# whether it gained or not. Two claims ask whether half the way is better: whether networks that
# gained there have lost accuracy, too, and whether they keep more of the gain than of the loss. A
# better trade may need another training (a penalty on leaving, a smaller rate), not a point on this
# line.
#
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
# **Read.** Which condition ends nearest to the pretrained network?

# %%
your_condition = None    # one of the conditions

if your_condition is None:
    print(
        "Hint: `model_table` has the distance from the pretrained network; leave out that one itself.")
else:
    nearest = model_table.drop(index=pretrained_row).groupby("condition")[
        "from pretrained"].mean().idxmin()
    print("Right." if your_condition == nearest else "Take the mean over networks of a condition.")

# %% tags=["solution"]
model_table.drop(index=pretrained_row).groupby("condition")["from pretrained"].mean().round(3)

# %% [markdown]
# **Change.** Make the map from the fine-tuned networks alone (leave row and column `pretrained_row`
# out of `pairwise_distances`), and place the pretrained network on it with `project`. Does it land
# where it was?
#
# **Extend.** Distances are averages over images. Are networks of one region nearer to each other
# than to networks of other regions, across participants? Give the difference of the two mean
# distances for contrastively fine-tuned networks (other region minus same region).

# %%
your_difference = None    # a number

rows = model_table[model_table["condition"] == "contrastive"]
one, other = np.triu_indices(len(rows), 1)
same = rows["roi"].to_numpy()[one] == rows["roi"].to_numpy()[other]
pairs = pairwise_distances[rows.index[one], rows.index[other]]
if your_difference is None:
    print("Hint: `pairs` holds the distance of every pair, `same` whether the regions agree.")
else:
    expected = pairs[~same].mean() - pairs[same].mean()
    print("Right." if abs(your_difference - expected) < 1e-3 else "Other minus same?")

# %% tags=["solution"]
round(float(pairs[~same].mean() - pairs[same].mean()), 3)

# %% [markdown]
# **Discuss.** (1) A probe is trained anew on each network. What could a network have kept that a
# probe of this layer does not find? (2) Truth lies far away from all networks. Is a network that is
# nearer to it always more accurate? (3) Would you publish the network half the way?
#
# **References.** Mulrooney & Brockmeier (2024), arXiv 2410.06067 · Mao et al. (2024), *PNAS*
# 121(12) (InPCA of networks) · Quinn et al. (2019), *PNAS* 116(28) (InPCA) · Wortsman et al.
# (2022), CVPR (weights between two networks).
#
# Previous: [07 · Bound shared information](07_bound_shared_information.ipynb) · Next:
# [09 · See lateralisation](09_see_lateralisation.ipynb): which half of an image do they prefer?
