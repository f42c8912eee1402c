# %% [markdown]
# # 06 · Does a network fine-tuned to one brain fit another?
#
# Mulrooney & Brockmeier (2024), cross-subject matrices, pooled models, transfer to a second data
# set ([arXiv 2410.06067](https://arxiv.org/abs/2410.06067)).
# On two cores: two minutes after notebook 05 and 2 GB under `demo`, half a minute under `mini`;
# under `paper` not measured: it needs the Algonauts 2023 and NOD data and a GPU.

# %% [markdown]
# **Goal.** Notebook 05 fine-tuned networks to regions, one participant at a time. If what a network
# gained is about *vision*, it should help to predict other people's region of the same name; if
# it is about this one brain (or this one scan), it should not. We evaluate every participant's
# network on all participants' held-out responses, compare with networks trained on all at once, and
# then take them to a second data set: other people, other images, other scanners.
#
# **You will learn**
# - how to read a donor × receiver matrix of
#   [within-](GLOSSARY.md#pooled-model) and cross-participant models, and what its diagonal hides;
# - when one pooled model beats many specific ones, each an
#   [encoding model](GLOSSARY.md#encoding-model) of a [region](GLOSSARY.md#region-of-interest);
# - why "five folds" has to mean five different folds.

# %% tags=["parameters"]
profile = "demo"    # demo, mini, paper, or the path of your own TOML file
n_jobs = 2          # processes that fine-tune and evaluate; one where there is a GPU

# %%
from dataclasses import replace

import numpy as np
import pandas as pd
from IPython.display import Markdown, display

from helpers import lab
from helpers.brains.layouts import open_cohort
from helpers.exercises import check
from helpers.figures import schematic, style
from helpers.figures.claims import ClaimsTable, round_numbers
from helpers.figures.deviations import deviation_table
from helpers.finetuning import plots, statistics
from helpers.finetuning.study import TRANSFER_AREAS, FineTuningStudy

laboratory = lab.open(profile, notebook="06_transfer_between_brains")
claims = ClaimsTable(laboratory.provenance)
spec, seed = laboratory.profile.table("finetuning"), laboratory.profile.seed
style.use_style()
print(laboratory.provenance.line)

# %% [markdown]
# ## 1 · Donors and receivers
#
# The *donor* is the participant to whose region a network was fine-tuned; the *receiver* is the one
# whose held-out responses its features must predict (cross-validated, as in notebook 05; the
# network itself is not trained again). Networks that notebook 05 fine-tuned are taken from the
# cache.

# %%
network, untrained = laboratory.network(spec.network), laboratory.network(spec.untrained)
cohort = open_cohort(laboratory, "finetuning_cohort")
study = FineTuningStudy.from_cohort(cohort, spec, network, untrained, seed=seed, n_jobs=n_jobs)
cross_subject = study.voxel_scores(["contrastive"], all_subjects=True)
pretrained = study.voxel_scores(["pretrained"])
n_networks = cross_subject.groupby(["donor", "roi", "hemisphere", "seed"]).ngroups
n_regions = cross_subject.groupby(["subject", "roi", "hemisphere"]).ngroups
print(f"{n_networks} networks evaluated on {n_regions} regions of "
      f"{cross_subject['subject'].nunique()} participants in the layout of {cohort.name}")

# %% [markdown]
# Images that the donor saw, with the donor's response, would favour the donor's network. How many
# of the held-out images are of this kind?

# %%
shared_images = study.cohort_data.shared_images()
print("held-out conditions in another participant's training: "
      f"{shared_images['seen_by_others'].sum()} of {shared_images['held_out'].sum()}; "
      f"left out: {shared_images['left_out'].sum()} (evaluate_shared: {spec.evaluate_shared})")

# %% [markdown]
# The whole notebook in one drawing:

# %%
subject = study.cohort_data.subjects[0]
examples, _ = study.cohort_data.images(study.cohort_data.splits(subject)[0].test[:4])
pixels = examples[np.arange(4)]
higher = style.REGION_GROUPS["higher"]
schematic.draw_schematic([
    schematic.Step("held-out images", schematic.images([schematic.as_image(one) for one in pixels]),
                   "no training saw them"),
    schematic.Step("donor's network", schematic.network(5, range(5), style.TRAINING["contrastive"]),
                   "fine-tuned to one brain"),
    schematic.Step("receiver's brain", schematic.brain(((0.78, 0.45, higher), (0.62, 0.3, higher))),
                   "ridge on its responses"),
    schematic.Step("improved voxels", schematic.matrix(0.4 + 0.3 * np.eye(4)),
                   "donor × receiver (A to C)")], laboratory.provenance,
    alt="Held-out images pass through a network that was fine-tuned to a donor's brain; its layers "
    "predict a receiver's responses; a matrix holds the fraction of voxels that improve.")

# %% [markdown]
# ## 2 · One cell of the matrix, by hand
#
# A voxel *improves* if the donor's network predicts its held-out responses with a larger
# correlation than the pretrained network does. A cell of the matrix is the fraction of the
# receiver's voxels that improve, averaged over trainings. Here is one donor, one receiver and one
# region; `r_unseen` leaves out images that the donor's training had.

# %%
donor, receiver = study.cohort_data.subjects[:2]
roi, hemisphere = study.regions[0].roi, study.regions[0].hemisphere
def of_region(table):
    its = table[(table["subject"] == receiver) & (table["roi"] == roi)
                & (table["hemisphere"] == hemisphere)]
    return its.pivot_table(index="voxel", columns="seed", values="r_unseen")

donor_r = of_region(cross_subject[cross_subject["donor"] == donor])
improved = donor_r > of_region(pretrained).reindex_like(donor_r)
print(f"{roi}, network of {donor}, voxels of {receiver}: {improved.to_numpy().sum()} of "
      f"{improved.size} (voxel, training) pairs improve: {improved.mean().mean():.3f}")

# %% [markdown]
# The function that makes all cells gives the same:

# %%
both_networks = pd.concat([cross_subject, pretrained])
improved_fraction = statistics.fraction_improved(both_networks, "contrastive", "pretrained")
cell = improved_fraction.query("donor == @donor and subject == @receiver and roi == @roi "
                               "and hemisphere == @hemisphere")
np.testing.assert_allclose(cell["improved"].mean(), improved.mean().mean())
print(f"fraction_improved: {cell['improved'].mean():.3f}, {len(cell)} trainings")

# %% [markdown]
# ## 3 · How many voxels improve?
#
# All donors and receivers. One half is what chance alone would give. As published, a matrix
# averages over the regions that all participants have. Unlike there, images that a donor's training
# had do not count; the same with them is the second line of each group.

# %%
on_all_images = statistics.fraction_improved(
    both_networks.assign(r_unseen=both_networks["r_all"]), "contrastive", "pretrained")
groups = [group for group in statistics.GROUPS
          if len(statistics.select_group(improved_fraction, group))
          and (group == "all" or improved_fraction["group"].nunique() > 1)]
matrices = {group: statistics.donor_matrix(improved_fraction, group) for group in groups}
def diagonal_and_off(matrix):
    cells = matrix.reindex(columns=matrix.index).to_numpy()
    return np.diag(cells).mean(), cells[~np.eye(len(cells), dtype=bool)].mean()

pd.DataFrame({(group, words): diagonal_and_off(statistics.donor_matrix(table, group))
              for group in groups for words, table in (
                  ("unseen images", improved_fraction), ("all, as published", on_all_images))},
             index=["diagonal", "off the diagonal"]).T.round(3)

# %% [markdown]
# The matrix of all regions, donors in rows, receivers in columns:

# %%
matrices[groups[-1]].round(2)

# %% [markdown]
# The fraction of voxels says nothing about *how much* better. So the gain in r as well: mean over
# regions, one's own network against those of the others.

# %%
scores, pretrained_scores = map(statistics.region_scores, (cross_subject, pretrained))
place = [*statistics.REGION_COLUMNS, "seed"]
gains = scores.merge(pretrained_scores[[*place, "r_unseen"]], on=place,
                     suffixes=("", "_pretrained"))
gains["gain"] = gains["r_unseen"] - gains["r_unseen_pretrained"]
gains["model"] = np.where(gains["donor"] == gains["subject"], "within_participant",
                          "cross_participant")
gains_by_model = gains.pivot_table(index=["subject", "group"], columns="model", values="gain")
gains_by_model.round(3)

# %% [markdown]
# ## 4 · One network for all
#
# A pooled network is trained on all participants, with one map from each one's voxels into a common
# head. Is it better for a participant than cross-participant models? And better than the
# within-participant model? (The pooled network was trained on the receiver's responses as well.)
# All are compared on images that no other participant's training had.

# %%
pooled_conditions = ["pooled, avg", "pooled, const"]
pooled = study.voxel_scores(pooled_conditions)
pooled_comparison = statistics.within_and_cross_participant(improved_fraction)
for condition in pooled_conditions:
    found = statistics.fraction_improved(pd.concat([pooled, pretrained]), condition, "pretrained")
    pooled_comparison = pooled_comparison.merge(
        found.drop(columns="donor").rename(columns={"improved": condition}), on=place)
pooled_comparison.groupby("group")[["within_participant", "cross_participant",
                                    *pooled_conditions]].mean().round(2)

# %% [markdown]
# ## 5 · A second data set
#
# Other people who saw other images, once each, in the layout of the Natural Object Dataset. Its
# areas come from an atlas: V1 meets the network that was fine-tuned to V1v of the first participant
# (as published) or of all. Layer and penalty are chosen anew, by nested cross-validation over all
# of a receiver's images: **every fold is run** (the published script ran its first fold five
# times).

# %%
transfer_voxels, conditions = None, ["pretrained", "regression", "contrastive", "pooled, avg"]
if laboratory.profile.transfer_cohort is not None:
    transfer_cohort = open_cohort(laboratory, "transfer_cohort")
    areas = tuple(TRANSFER_AREAS[roi] for roi in spec.rois if roi in TRANSFER_AREAS)
    transfer_data = FineTuningStudy.from_cohort(
        transfer_cohort, replace(spec, rois=areas, subjects=()), network, untrained, seed=seed,
        n_jobs=n_jobs).cohort_data
    transfer_voxels = study.transfer(transfer_data, conditions)
    print(f"{transfer_voxels['subject'].nunique()} participants in the layout of "
          f"{transfer_cohort.name}, {len(areas)} areas, "
          f"{len(transfer_voxels) // len(conditions)} vertices")
else:
    print("this profile names no second cohort")

# %% [markdown]
# The correlation of predicted and measured responses, mean over participants and trainings:

# %%
transfer_scores, condition_differences = pd.DataFrame(), pd.DataFrame()
if transfer_voxels is not None:
    transfer_scores = statistics.region_scores(transfer_voxels)
    condition_differences = statistics.condition_differences(
        transfer_voxels, [("contrastive", "pretrained"), ("regression", "pretrained"),
                          ("pooled, avg", "pretrained")])
    display(transfer_scores.pivot_table(index="roi", columns="condition", values="r",
                                        sort=False).round(3))

# %% [markdown]
# ## 6 · The figure

# %%
figure = style.new_figure(
    6.6, "Above: matrices of donors by receivers with the fraction of voxels that improve, for "
    "early, higher and all regions. Below: pooled networks against those of other participants, "
    "gains within and across participants, and r in a second data set.")
lines = figure.add_gridspec(2, 1, height_ratios=[1, 1.05], hspace=0.62, left=0.085, right=0.93,
                            top=0.93, bottom=0.13)

# %%
widths = [1] * len(groups) + [0.06]
top = lines[0].subgridspec(1, len(widths), width_ratios=widths, wspace=0.25).subplots()
reach = max(np.abs(matrix.to_numpy() - 0.5).max() for matrix in matrices.values())
for axes, letter, (group, matrix) in zip(top, "ABC", matrices.items()):
    shades = plots.value_matrix(axes, matrix.reindex(columns=matrix.index), cmap=style.DIVERGING,
                                limits=(0.5 - reach, 0.5 + reach))
    axes.set(title=f"{group} regions", xlabel="receiver")
    axes.tick_params(labelleft=axes is top[0])
    style.panel_letter(axes, letter, x=-0.08)
top[0].set_ylabel("donor")
figure.colorbar(shades, cax=top[-1]).set_label("fraction of voxels that improve")

# %%
bottom = lines[1].subgridspec(1, 3, width_ratios=[1.1, 1, 0.8], wspace=0.5).subplots()
n_subjects = gains["subject"].nunique()
plots.group_scatter(bottom[0], pooled_comparison["cross_participant"],
                    pooled_comparison["pooled, avg"], pooled_comparison["group"])
bottom[0].set(xlabel="improved by others' networks", ylabel="improved by the pooled network",
              title="a participant's region each")
style.percent_axis(bottom[0].xaxis)
style.percent_axis(bottom[0].yaxis)
style.panel_letter(bottom[0], "D", x=-0.25)
order = [group for group in ("early", "higher") if group in set(gains["group"])]
plots.within_and_cross_gains(bottom[1], gains, order)
bottom[1].set(ylabel="r fine-tuned − r pretrained", title=f"n = {n_subjects} participants")
style.panel_letter(bottom[1], "E", x=-0.35)

# %%
if len(transfer_scores):
    plots.condition_dots(bottom[2], transfer_scores, "r", ["all"], conditions)
    n_receivers = transfer_scores["subject"].nunique()
    bottom[2].set(ylabel="held-out r", xticks=[],
                  title=f"second data set, n = {n_receivers}")
    bottom[2].legend(handles=plots.condition_handles(conditions), loc="upper center", ncols=2,
                     bbox_to_anchor=(0.35, -0.1), columnspacing=0.5, handletextpad=0.1)
else:
    style.say_absent(bottom[2], "no second cohort")
style.panel_letter(bottom[2], "F", x=-0.4)
style.save_figure(figure, laboratory.provenance, {
    "ABC": improved_fraction, "E": gains, "F": transfer_scores, "D": pooled_comparison.melt(
        ["subject", "roi", "hemisphere", "group", "seed"], var_name="model",
        value_name="improved")})

# %% [markdown]
# **Figure 06.** **A–C** Fraction of the receiver's voxels that the donor's network predicts better
# than the pretrained network; mean over regions that all participants have and over trainings;
# white: one half. Panels A–E without images that another participant's training had. **D** Each
# point is a participant's region and training: networks of the other participants (mean over
# donors) against the pooled network; line: equality. **E** Gain in r with the within- and with the
# cross-participant models; lines join a participant, bars are means. **F** Second data set: r of
# the atlas's areas, nested cross-validation over all images, a point a participant; bar: mean. The
# stamp says whether the data are REAL or SYNTHETIC.

# %% [markdown]
# ## 7 · Claims
#
# Rules were fixed before the run. A network that is not the receiver's own is shared by several
# receivers: intervals then treat receivers and trainings as crossed samples. In higher regions the
# paper's matrix and scatter lie *below* one half and below the line, and so do the claims on them.
# Each claim is judged by its own interval, not corrected for the number of claims; the last line of
# the list says which verdicts Holm's rule over all of them would change.

# %%
def by_receiver(group):
    found = statistics.within_and_cross_participant(
        statistics.select_group(improved_fraction, group))
    return [statistics.pivot_shared_models(found, model)
            for model in ("within_participant", "cross_participant")]

published = {"early": "diagonal .755, off .677", "higher": "diagonal .490, off .348",
             "all": "diagonal .633, off .515"}
for group in groups:
    own, others = by_receiver(group)
    words, expected = (("do not help", "below 0") if group == "higher"
                       else ("help, too", "above 0"))
    claims.interval(f"Networks fine-tuned to others {words} ({group} regions)", others - 0.5,
                    expected, of="fraction of voxels improved by others' networks, minus one half",
                    source="cross-subject matrices", paper=published[group], sample="receivers",
                    crossed=True)

# %%
own, others = by_receiver("all")
claims.interval("The within-participant network helps more than cross-participant ones",
                own - others, "above 0", sample="receivers", crossed=True,
                of="fraction of voxels improved, own network minus others'",
                source="cross-subject matrices", paper="all regions .633 against .515")

# %%
for group in order:
    part = pooled_comparison[pooled_comparison["group"] == group]
    part = part.assign(more=part["pooled, avg"] - part["cross_participant"])
    words, expected, paper = {
        "early": ("beats", "above 0", "more in 102 of 112 cases, mean .80 against .68"),
        "higher": ("improves fewer voxels than", "below 0",
                   "more in 35 of 152, mean .29 against .38")}[group]
    claims.interval(f"The pooled network {words} cross-participant ones ({group} regions)",
                    statistics.pivot_shared_models(part, "more"), expected, sample="receivers",
                    crossed=True, of="fraction of voxels improved, pooled (avg) minus others'",
                    source="marks of the authors' cs_vs_pooled_avg_scatterplot.pdf", paper=paper)

# %%
for condition in ("contrastive", "pooled, avg"):
    row = (condition_differences.query("condition == @condition and group == 'all'").iloc[0]
           if len(condition_differences) else None)
    found = (np.nan,) * 3 if row is None else row[["difference", "low", "high"]]
    claims.judge(f"What was learned carries over to a second data set ({condition})", *found,
                 "above 0",
                 of="r minus that of the pretrained network, over participants and trainings",
                 source="transfer to NOD; abstract", paper="numbers not at hand",
                 n="" if row is None else f"n = {row['n']} x {spec.n_seeds} trainings, "
                 f"{row['improved']:.0%} of vertices", df=np.nan if row is None else row["df"])

# %%
for group in groups:
    own, others = by_receiver(group)
    claims.number(f"improved, {group}", round_numbers({"within_participant": own.mean(axis=None),
                                                       "cross_participant": others.mean(axis=None)}, 3))
    whole = statistics.within_and_cross_participant(statistics.select_group(on_all_images, group))
    if shared_images["left_out"].any():
        claims.number(f"improved on all held-out images, {group}", round_numbers(
            {name: whole[name].mean() for name in ("within_participant", "cross_participant")}, 3))

# %%
path = claims.save()
print(claims.text())

# %%
# NBVAL_CHECK_OUTPUT
print(claims.verdicts())

# %% [markdown]
# ## 8 · What we see, what the paper says, why they differ
#
# In the paper, early regions help each other across people nearly as much as they help themselves,
# and higher ones do not: fewer than half of the voxels improve. The pooled network is better than
# cross-participant models for early regions only.

# %% tags=["prose"]
lines_of_text = []
for group in groups:
    own, others = by_receiver(group)
    lines_of_text.append(f"- *{group} regions*: one's own network improves "
                         f"{own.mean(axis=None):.0%} of the voxels, others' networks "
                         f"{others.mean(axis=None):.0%}.")
Markdown("\n".join(lines_of_text) + f"""
- *The within-participant network helps more than cross-participant ones*:
  **{claims.verdict("The within-participant network")}**.
- *A second data set* improves with contrastive networks
  (**{claims.verdict("What was learned carries over to a second data set (contrastive)")}**) and with
  pooled ones (**{claims.verdict("What was learned carries over to a second data set (pooled")}**).
""")

# %% [markdown]
# In the demo, what V1 computes is the same in everyone, apart from where the receptive fields lie;
# in higher regions participants differ in their tuning. Claims about higher regions need three
# trainings that all receivers share; where a profile has fewer, they cannot be tested.
#
# Two warnings about the published comparison. A pooled network differs from a cross-participant
# model in *whose* responses it is trained on, the receiver's among them, and in *how many*; these
# cannot be separated without a pooled network that sees as many as a specific one. And a matrix of
# fractions of improved voxels has a generous zero: a network that is better by a hair everywhere
# scores as high as one that is much better. Panel E gives the sizes.
#
# The second data set was never trained on, not even for the heads: only the layers' features
# travel. Its single trials are noisy, so all r are small; what matters is the difference from the
# pretrained network on the same images.
#
# Under `mini` the four people of object2vec share two regions and the same categories; donors'
# training categories are the receivers' as well, and count (`evaluate_shared = "published"`): too
# few would be left. No second cohort is at hand there.

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
# **Read.** In the matrix of all regions (`matrices["all"]`): how much larger is the mean of the
# diagonal than the mean of all other cells?

# %% tags=["exercise"]
diagonal_minus_others = None    # a number

# %% tags=["solution"]
cells = matrices["all"].reindex(columns=matrices["all"].index).to_numpy()
off_diagonal = ~np.eye(len(cells), dtype=bool)
diagonal_minus_others = np.diag(cells).mean() - cells[off_diagonal].mean()

# %% tags=["check"]
# NBVAL_CHECK_OUTPUT
all_cells = matrices["all"].reindex(columns=matrices["all"].index).to_numpy()
own_mean, other_mean = diagonal_and_off(matrices["all"])
check(diagonal_minus_others, own_mean - other_mean, tolerance=0.05,
      hint="np.diag gives the diagonal; a mask leaves it out.", wrong={
          "Leave the diagonal out of the second mean.": own_mean - all_cells.mean(),
          "Diagonal minus others, not the other way round.": other_mean - own_mean,
          "That is the mean of the diagonal alone.": own_mean,
          "That compares with one half.": own_mean - 0.5})

# %% [markdown]
# **Change.** A voxel that is better by a hair counts as improved. Require a margin: write
# `fraction_above(gain, margin)`, the fraction of voxels whose gain in r exceeds `margin`; voxels
# without a gain (NaN) do not count at all. How fast do the fractions fall?

# %% tags=["exercise"]
def fraction_above(gain, margin):
    """Return the fraction of known gains, shape (n_voxels,), that exceed the margin."""
    raise NotImplementedError

# %% tags=["solution"]
def fraction_above(gain, margin):
    """Return the fraction of known gains, shape (n_voxels,), that exceed the margin."""
    known = np.asarray(gain, float)[np.isfinite(gain)]
    return (known > margin).mean()

# %% tags=["check"]
# NBVAL_CHECK_OUTPUT
made_up = np.array([0.10, 0.02, -0.05, np.nan, 0.05, -0.20, 0.30, np.nan])
check(fraction_above, lambda gain, margin: np.mean(gain[np.isfinite(gain)] > margin),
      on=[(made_up, 0.0), (made_up, 0.05), (made_up, 0.15)],
      hint="leave out NaN, compare, take the mean.", wrong={
          "NaN are left out; they are not failures.": lambda gain, margin: np.mean(gain > margin),
          "Exceed: a gain of exactly the margin does not count.":
          lambda gain, margin: np.mean(gain[np.isfinite(gain)] >= margin),
          "A loss is no gain: do not take absolute values.":
          lambda gain, margin: np.mean(np.abs(gain[np.isfinite(gain)]) > margin)})

# %% [markdown]
# **Extend.** The published matrix counts voxels. Write `gain_matrix(table)`: from rows with the
# columns `donor`, `subject` and `gain`, the matrix of mean gains, donors in rows and receivers in
# columns, both in alphabetical order. Does it order the donors in the same way as panel C?

# %% tags=["exercise"]
def gain_matrix(table):
    """Return mean gains, donors x receivers, in alphabetical order."""
    raise NotImplementedError

# %% tags=["solution"]
def gain_matrix(table):
    """Return mean gains, donors x receivers, in alphabetical order."""
    return table.pivot_table(index="donor", columns="subject", values="gain", aggfunc="mean")

# %% tags=["check"]
# NBVAL_CHECK_OUTPUT
toy = pd.DataFrame({"donor": list("bbaaab"), "subject": list("abbaab"),
                    "gain": [0.3, 0.1, 0.2, 0.4, 0.8, 0.5]})
pivot = lambda table, how="mean": table.pivot_table(index="donor", columns="subject", values="gain",
                                                    aggfunc=how).to_numpy()
check(gain_matrix, pivot, on=[(toy,), (gains,)], hint="pivot_table does all of it.", wrong={
    "Donors are rows, receivers are columns.": lambda table: pivot(table).T,
    "Mean gains, not their sum.": lambda table: pivot(table, "sum"),
    "A cell averages over regions and trainings; do not take the last one.":
    lambda table: pivot(table, "last")})

# %% [markdown]
# **Discuss.** (1) If cross-participant models were as good as within-participant ones, what would
# that say about individual brains, and what about the method? (2) A donor with noisy responses:
# would you expect a bad donor, a bad receiver, or both? (3) What would a fair pooled comparison
# look like?
#
# **References.** Mulrooney & Brockmeier (2024), arXiv 2410.06067 · Gong et al. (2023), *Sci Data*
# 10, 559 (NOD) · Glasser et al. (2016), *Nature* 536 (the atlas).
#
# Previous: [05 · Finetune to a region](05_finetune_to_a_region.ipynb) · Next:
# [07 · Bound shared information](07_bound_shared_information.ipynb): how much do they share?
