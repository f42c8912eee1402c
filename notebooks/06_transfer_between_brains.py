# %% [markdown]
# # 06 · Does a network fine-tuned to one brain fit another?
#
# Mulrooney & Brockmeier (2024), cross-subject matrices, pooled models, transfer to a second data
# set ([arXiv 2410.06067](https://arxiv.org/abs/2410.06067)).
# On two cores: one minute after notebook 05 and 2 GB under `demo`, one minute under `mini`;
# under `paper` not measured: it needs the Algonauts 2023 and NOD data and a GPU.

# %% [markdown]
# **Goal.** Notebook 05 fine-tuned networks to regions, one participant at a time. If what a network
# gained is about *vision*, it should help to predict other people's region of the same name; if
# it is about this one brain (or this one scan), it should not. We evaluate every participant's
# network on all participants' held-out responses, compare with networks trained on all at once, and
# then take them to a second data set: other people, other images, other scanners.
#
# **You will learn**
# - how to read a donor × receiver matrix, and what its diagonal hides;
# - when one pooled model beats many specific ones;
# - why "five folds" has to mean five different folds.

# %% tags=["parameters"]
profile = "demo"    # demo, mini, paper, or the path of your own TOML file
n_jobs = 2          # processes that fine-tune and evaluate; one where there is a GPU

# %%
from dataclasses import replace
from IPython.display import Markdown

import numpy as np
import pandas as pd

from helpers import lab
from helpers.brains.layouts import open_cohort
from helpers.figures import style
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
print(
    f"{n_networks} networks evaluated on {cross_subject.groupby(['subject', 'roi', 'hemisphere']).ngroups} regions "
      f"of {cross_subject['subject'].nunique()} participants in the layout of {cohort.name}")
shared_images = study.cohort_data.shared_images()
print("held-out conditions in another participant's training: "
      f"{shared_images['seen_by_others'].sum()} of {shared_images['held_out'].sum()}; "
      f"left out: {shared_images['left_out'].sum()} (evaluate_shared: {spec.evaluate_shared})")

# %% [markdown]
# ## 2 · How many voxels improve?
#
# For every donor and receiver: the fraction of the receiver's voxels that the donor's network
# predicts better than the pretrained network does. One half is what chance alone would give. As
# published, a matrix averages over the regions that all participants have. Unlike there, images that
# a donor's training had (with the donor's response) do not count; the same with them is printed.

# %%
both_networks = pd.concat([cross_subject, pretrained])
improved_fraction = statistics.fraction_improved(both_networks, "contrastive", "pretrained")
on_all_images = statistics.fraction_improved(
    both_networks.assign(r_unseen=both_networks["r_all"]), "contrastive", "pretrained")
groups = [group for group in statistics.GROUPS if len(statistics.select_group(improved_fraction,
                                                                              group))
          and (group == "all" or improved_fraction["group"].nunique() > 1)]
matrices = {group: statistics.donor_matrix(improved_fraction, group) for group in groups}
for group, matrix in matrices.items():
    own = np.diag(matrix.reindex(columns=matrix.index))
    others = matrix.to_numpy()[~np.eye(len(matrix), dtype=bool)]
    print(f"{group}: diagonal {own.mean():.2f}, off the diagonal {others.mean():.2f}, "
          f"{(others > 0.5).mean():.0%} of the cells off the diagonal above one half")
    if shared_images["left_out"].any():
        whole = statistics.donor_matrix(on_all_images, group).reindex(
            columns=matrix.index).to_numpy()
        print(f"{group}, all held-out images, as published: diagonal {np.diag(whole).mean():.2f}, "
              f"off the diagonal {whole[~np.eye(len(whole), dtype=bool)].mean():.2f}")
matrices[groups[-1]].round(2)

# %% [markdown]
# The fraction of voxels says nothing about *how much* better. So the gain in r as well: mean over
# regions, one's own network against those of the others.

# %%
scores, pretrained_scores = statistics.region_scores(
    cross_subject), statistics.region_scores(pretrained)
place = [*statistics.REGION_COLUMNS, "seed"]
gains = scores.merge(pretrained_scores[[*place, "r_unseen"]], on=place,
                     suffixes=("", "_pretrained"))
gains["gain"] = gains["r_unseen"] - gains["r_unseen_pretrained"]
gains["model"] = np.where(gains["donor"] == gains["subject"], "within_participant",
                          "cross_participant")
gains_by_model = gains.pivot_table(index=["subject", "group"], columns="model", values="gain")
gains_by_model.round(3)

# %% [markdown]
# ## 3 · One network for all
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
    both_networks = pd.concat([pooled, pretrained])
    found = statistics.fraction_improved(both_networks, condition, "pretrained")
    whole = statistics.fraction_improved(both_networks.assign(r_unseen=both_networks["r_all"]),
                                         condition, "pretrained")
    if shared_images["left_out"].any():
        print(f"{condition}: {found['improved'].mean():.2f} of voxels improved; on all held-out "
              f"images, as published, {whole['improved'].mean():.2f}")
    pooled_comparison = pooled_comparison.merge(
        found.drop(columns="donor").rename(columns={"improved": condition}),
                            on=place)
pooled_comparison.groupby("group")[["within_participant", "cross_participant",
                                    *pooled_conditions]].mean().round(2)

# %% [markdown]
# ## 4 · A second data set
#
# Other people who saw other images, once each, in the layout of the Natural Object Dataset. Its
# areas come from an atlas: V1 meets the network that was fine-tuned to V1v of the first participant
# (as published) or of all. Layer and penalty are chosen anew, by nested cross-validation over all
# of a receiver's images: **every fold is run** (the published script ran its first fold five
# times).

# %%
transfer_voxels = None
if laboratory.profile.transfer_cohort is not None:
    transfer_cohort = open_cohort(laboratory, "transfer_cohort")
    areas = tuple(TRANSFER_AREAS[roi] for roi in spec.rois if roi in TRANSFER_AREAS)
    transfer_data = FineTuningStudy.from_cohort(
        transfer_cohort, replace(spec, rois=areas, subjects=()), network, untrained,
                                                seed=seed, n_jobs=n_jobs).cohort_data
    transfer_voxels = study.transfer(transfer_data,
                                     ["pretrained", "regression", "contrastive", "pooled, avg"])
    print(
        f"{transfer_voxels['subject'].nunique()} participants in the layout of {transfer_cohort.name}, "
        f"{len(areas)} areas, {len(transfer_voxels) // transfer_voxels['condition'].nunique()} vertices")
else:
    print("this profile names no second cohort")

# %%
transfer_scores, condition_differences = pd.DataFrame(), pd.DataFrame()
if transfer_voxels is not None:
    transfer_scores = statistics.region_scores(transfer_voxels)
    condition_differences = statistics.condition_differences(
        transfer_voxels, [("contrastive", "pretrained"), ("regression", "pretrained"),
                          ("pooled, avg", "pretrained")])
transfer_scores.pivot_table(index="roi", columns="condition", values="r",
                            sort=False).round(3) if len(
    transfer_scores) else None

# %% [markdown]
# ## 5 · The figure

# %%
figure = style.new_figure(5.6)
lines = figure.add_gridspec(2, 1, hspace=0.5, left=0.07, right=0.985, top=0.93, bottom=0.1)
top = lines[0].subgridspec(1, len(statistics.GROUPS), wspace=0.3).subplots()
for axes, letter, (group, matrix) in zip(top, "ABC", matrices.items()):
    matrix = matrix.reindex(columns=matrix.index)
    plots.value_matrix(axes, matrix, cmap="RdBu_r", centre=0.5)
    axes.set(title=f"{group} regions", xlabel="receiver", ylabel="donor")
    style.panel_letter(axes, letter, x=-0.2)
for axes in top[len(groups):]:
    axes.axis("off")

# %%
bottom = lines[1].subgridspec(1, 4, wspace=0.42).subplots()
for axes, condition in zip(bottom[:2], pooled_conditions):
    plots.group_scatter(axes, pooled_comparison["cross_participant"], pooled_comparison[condition],
                        pooled_comparison["group"])
    axes.set(xlabel="others' networks, voxels improved", ylabel=f"{condition}, voxels improved")
    style.percent_axis(axes.xaxis), style.percent_axis(axes.yaxis)
style.panel_letter(bottom[0], "D", x=-0.3)
order = [group for group in ("early", "higher") if group in set(gains["group"])]
plots.within_and_cross_gains(bottom[2], gains, order)
bottom[2].set_ylabel("r fine-tuned - r pretrained")
style.panel_letter(bottom[2], "E", x=-0.35)

# %%
if len(transfer_scores):
    conditions = list(dict.fromkeys(transfer_scores["condition"]))
    plots.condition_dots(bottom[3], transfer_scores, "r", ["all"], conditions)
    bottom[3].set(ylabel="r, second data set", xticks=[])
    style.top_legend(figure, plots.condition_handles(conditions))
    style.panel_letter(bottom[3], "F", x=-0.35)
else:
    bottom[3].axis("off")

# %%
style.save_figure(figure, laboratory.provenance, {
    "ABC": improved_fraction, "D": pooled_comparison, "E": gains, "F": transfer_scores})
figure

# %% [markdown]
# **Figure 06.** **A-C** Fraction of the receiver's voxels that the donor's network predicts better
# than the pretrained network; mean over regions that all participants have; white: one half; panels
# A-E without images that another participant's training had. **D**
# Each dot a participant's region: networks of the other participants (mean over donors) against
# the pooled network; blue: early, orange: higher; line: equality. **E** Gain in r with the within-
# and with the cross-participant models; lines join a participant. **F** Second data set: r of the
# atlas's areas, nested cross-validation over all images, a dot a participant; bar: mean. The stamp
# says whether the data are REAL or SYNTHETIC.

# %% [markdown]
# ## 6 · Claims
#
# Rules were fixed before the run. A network that is not the receiver's own is shared by several
# receivers: intervals then treat receivers and trainings as crossed samples. In higher regions the
# paper's matrix and scatter lie *below* one half and below the line, and so do the claims on them.
# Each claim is judged by its own interval, not corrected for the number of claims; the last line of
# the list says which verdicts Holm's rule over all of them would change.

# %%
def by_receiver(group):
    found = statistics.within_and_cross_participant(statistics.select_group(improved_fraction,
                                                                            group))
    return statistics.pivot_shared_models(
        found, "within_participant"), statistics.pivot_shared_models(found, "cross_participant")

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
claims.interval("One's own network helps more than borrowed ones", own - others, "above 0",
                of="fraction of voxels improved, own network minus others'", sample="receivers",
                crossed=True,
                source="cross-subject matrices", paper="all regions .633 against .515")

# %%
for group in order:
    part = pooled_comparison[pooled_comparison["group"] == group]
    part = part.assign(more=part["pooled, avg"] - part["cross_participant"])
    words, expected, paper = {
        "early": ("beats", "above 0", "more in 102 of 112 cases, mean .80 against .68"),
        "higher": ("improves fewer voxels than", "below 0",
                   "more in 35 of 152, mean .29 against .38")}[group]
    claims.interval(f"The pooled network {words} borrowed ones ({group} regions)",
                    statistics.pivot_shared_models(part, "more"), expected, sample="receivers",
                    crossed=True, of="fraction of voxels improved, pooled (avg) minus others'",
                    source="marks of the authors' cs_vs_pooled_avg_scatterplot.pdf", paper=paper)

# %%
for condition in ("contrastive", "pooled, avg"):
    row = (condition_differences[(condition_differences["condition"] == condition) & (
        condition_differences["group"] == "all")].iloc[0]
           if len(condition_differences) else None)
    found = (np.nan,) * 3 if row is None else row[["difference", "low", "high"]]
    claims.judge(f"What was learned carries over to a second data set ({condition})", *found,
                 "above 0",
                 of="r minus that of the pretrained network, over participants and trainings",
                 source="transfer to NOD; abstract", paper="numbers not at hand",
                 n="" if row is None else f"n = {row['n']} x {spec.n_seeds} trainings, "
                 f"{row['improved']:.0%} of vertices", df=np.nan if row is None else row["df"])
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
# ## 7 · What we see, what the paper says, why they differ
#
# In the paper, early regions help each other across people nearly as much as they help themselves,
# and higher ones do not: fewer than half of the voxels improve. The pooled network is better than
# cross-participant models for early regions only. The demo has much of this pattern. What V1
# computes is the same in everyone here, apart from where the receptive fields lie, so that a cross-
# participant model predicts early regions about as well as the own one. In higher regions people
# differ in taste. The claims about them need three trainings that all receivers share; the demo has
# one higher region, trained twice, and cannot test them.
#
# Two warnings about the published comparison. A pooled network differs from a cross-participant
# model in *whose* responses it is trained on, the receiver's among them, and in *how many*; these
# cannot be told apart without a pooled network that sees as many as a specific one. And a matrix of
# fractions of improved voxels has a generous zero: a network that is better by a hair everywhere
# scores 100 %. Panel E gives the sizes.
#
# The second data set was never trained on, not even for the heads: only the layers' features
# travel. Its single trials are noisy, so all r are small; what matters is the difference from the
# pretrained network on the same images.
#
# Under `mini` the four people of object2vec share two regions and the same 81 categories; donors'
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
# ## 8 · Exercises
#
# **Read.** Who is the best donor, over all regions, to others?

# %%
your_donor = None    # one of the participants

if your_donor is None:
    print("Hint: `share` has donor and subject; leave out where they are the same person.")
else:
    cross_participant = improved_fraction[
        improved_fraction["donor"] != improved_fraction["subject"]]
    best = cross_participant.groupby("donor")["improved"].mean().idxmax()
    print("Right." if your_donor == best else "Did you leave the diagonal out?")

# %% tags=["solution"]
improved_fraction[improved_fraction["donor"] != improved_fraction["subject"]].groupby(
    "donor")["improved"].mean().round(3)

# %% [markdown]
# **Change.** Copy the profile and set `interleaved = true` in `[finetuning]`: the pooled network
# then sees the participants' batches in random order instead of one person after another. Does the
# last person visited still do better than the first?
#
# **Extend.** The published matrix counts voxels. Make the matrix of mean gains in r instead, for
# one group of regions. Does it order the donors in the same way?

# %%
your_matrix = None    # DataFrame, donors x receivers

if your_matrix is None:
    print("Hint: `gains` has one row a donor, receiver and region.")
else:
    expected = gains.pivot_table(index="donor", columns="subject", values="gain")
    print("Right." if np.allclose(your_matrix, expected) else "Check the group and the mean.")

# %% tags=["solution"]
gains.pivot_table(index="donor", columns="subject", values="gain").round(3)

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
