# %% [markdown]
# # 06 · Does a network tuned to one brain fit another?
#
# Mulrooney & Brockmeier (2024), cross-subject matrices, pooled models, transfer to a second data
# set ([arXiv 2410.06067](https://arxiv.org/abs/2410.06067)).
# On two cores: one minute after notebook 05 and 2 GB under `demo`, one minute under `mini`;
# under `paper` not measured: it needs the Algonauts 2023 and NOD data and a GPU.

# %% [markdown]
# **Goal.** Notebook 05 tuned networks to regions, one participant at a time. If what a network
# learned is about *vision*, it should help to predict other people's region of the same name; if
# it is about this one brain (or this one scan), it should not. We let every participant's network
# meet everyone's held-out responses, compare with networks that learned from all at once, and then
# take them to a second data set: other people, other pictures, other scanners.
#
# **You will learn**
# - how to read a donor × receiver matrix, and what its diagonal hides;
# - when one pooled model beats many specific ones;
# - why "five folds" has to mean five different folds.

# %% tags=["parameters"]
profile = "demo"          # demo, mini, paper, or the path of your own TOML file
n_jobs = 2                # processes that tune and judge; one where there is a GPU

# %%
import numpy as np
import pandas as pd
from dataclasses import replace

from helpers import lab
from helpers.figures import plots, plots_finetuning
from helpers.figures.claims import Ledger, rounded
from helpers.finetuning import outcomes
from helpers.finetuning.study import ELSEWHERE, Study

laboratory = lab.open(profile, notebook="06_transfer_between_brains")
ledger = Ledger(laboratory.provenance)
spec, seed = laboratory.profile.table("finetuning"), laboratory.profile.seed
plots.use_style()
print(laboratory.provenance.line)

# %% [markdown]
# ## 1 · Donors and receivers
#
# The *donor* is the participant to whose region a network was tuned; the *receiver* is the one
# whose held-out responses its features must predict (cross-validated, as in notebook 05; the
# network itself is not trained again). Networks that notebook 05 tuned are taken from the cache.

# %%
network, untrained = laboratory.network(spec.network), laboratory.network(spec.untrained)
cohort = laboratory.cohort("tuning_cohort")
study = Study.of(cohort, spec, network, untrained, seed=seed, n_jobs=n_jobs)
met = study.run(["contrastive"], everyone=True)
untuned = study.run(["untuned"])
n_networks = met.groupby(["donor", "roi", "hemisphere", "seed"]).ngroups
print(f"{n_networks} networks met {met.groupby(['subject', 'roi', 'hemisphere']).ngroups} regions "
      f"of {met['subject'].nunique()} participants in the layout of {cohort.name}")

# %% [markdown]
# ## 2 · How many voxels improve?
#
# For every donor and receiver: the share of the receiver's voxels that the donor's network
# predicts better than the untuned network does. One half is what chance alone would give. As
# published, a matrix averages over the regions that all participants have.

# %%
share = outcomes.improved(pd.concat([met, untuned]), "contrastive", "untuned")
groups = [group for group in outcomes.GROUPS if len(outcomes.in_group(share, group))
          and (group == "all" or share["group"].nunique() > 1)]
matrices = {group: outcomes.donor_matrix(share, group) for group in groups}
for group, matrix in matrices.items():
    own = np.diag(matrix.reindex(columns=matrix.index))
    others = matrix.to_numpy()[~np.eye(len(matrix), dtype=bool)]
    print(f"{group}: diagonal {own.mean():.2f}, off the diagonal {others.mean():.2f}, "
          f"{(others > 0.5).mean():.0%} of the cells off the diagonal above one half")
matrices[groups[-1]].round(2)

# %% [markdown]
# The share of voxels says nothing about *how much* better. So the gain in r as well: mean over
# regions, one's own network against those of the others.

# %%
scores, before = outcomes.region_scores(met), outcomes.region_scores(untuned)
place = [*outcomes.REGION, "seed"]
gains = scores.merge(before[[*place, "r"]], on=place,
                     suffixes=("", "_untuned"))
gains["gain"] = gains["r"] - gains["r_untuned"]
gains["whose"] = np.where(gains["donor"] == gains["subject"], "own", "others'")
by_whose = gains.pivot_table(index=["subject", "group"], columns="whose", values="gain")
by_whose.round(3)

# %% [markdown]
# ## 3 · One network for all
#
# A pooled network learns from all participants, with one map from each one's voxels into a common
# head. Is it better for a person than networks borrowed from others? And better than the person's
# own? (The pooled network has seen the receiver's training responses, the borrowed ones have not.)

# %%
pooled_kinds = ["pooled, avg", "pooled, const"]
pooled = study.run(pooled_kinds)
against = outcomes.own_and_others(share)
for kind in pooled_kinds:
    found = outcomes.improved(pd.concat([pooled, untuned]), kind, "untuned")
    against = against.merge(found.drop(columns="donor").rename(columns={"improved": kind}),
                            on=place)
against.groupby("group")[["own", "others", *pooled_kinds]].mean().round(2)

# %% [markdown]
# ## 4 · A second data set
#
# Other people who saw other pictures, once each, in the layout of the Natural Object Dataset. Its
# areas come from an atlas: V1 meets the network that was tuned to V1v of the first participant (as
# published) or of all. Layer and penalty are chosen anew, by nested cross-validation over all of a
# receiver's pictures: **every fold is run** (the published script ran its first fold five times).

# %%
second = None
if laboratory.profile.transfer_cohort is not None:
    people = laboratory.cohort("transfer_cohort")
    areas = tuple(ELSEWHERE[roi] for roi in spec.rois if roi in ELSEWHERE)
    other = Study.of(people, replace(spec, rois=areas, subjects=()), network, untrained,
                     seed=seed, n_jobs=n_jobs).plan.material
    second = study.elsewhere(other, ["untuned", "regression", "contrastive", "pooled, avg"])
    print(f"{second['subject'].nunique()} participants in the layout of {people.name}, "
          f"{len(areas)} areas, {len(second) // second['kind'].nunique()} vertices")
else:
    print("this profile names no second cohort")

# %%
elsewhere, compared = pd.DataFrame(), pd.DataFrame()
if second is not None:
    elsewhere = outcomes.region_scores(second)
    compared = outcomes.compared(second, [("contrastive", "untuned"), ("regression", "untuned"),
                                          ("pooled, avg", "untuned")])
elsewhere.pivot_table(index="roi", columns="kind", values="r", sort=False).round(3) if len(
    elsewhere) else None

# %% [markdown]
# ## 5 · The figure

# %%
figure = plots.new_figure(5.6)
lines = figure.add_gridspec(2, 1, hspace=0.5, left=0.07, right=0.985, top=0.93, bottom=0.1)
top = lines[0].subgridspec(1, len(outcomes.GROUPS), wspace=0.3).subplots()
for axes, letter, (group, matrix) in zip(top, "ABC", matrices.items()):
    matrix = matrix.reindex(columns=matrix.index)
    plots_finetuning.value_matrix(axes, matrix, cmap="RdBu_r", centre=0.5)
    axes.set(title=f"{group} regions", xlabel="receiver", ylabel="donor")
    plots.panel_letter(axes, letter, x=-0.2)
for axes in top[len(groups):]:
    axes.axis("off")

# %%
bottom = lines[1].subgridspec(1, 4, wspace=0.42).subplots()
for axes, kind in zip(bottom[:2], pooled_kinds):
    plots_finetuning.group_scatter(axes, against["others"], against[kind], against["group"])
    axes.set(xlabel="others' networks, voxels improved", ylabel=f"{kind}, voxels improved")
    plots.percent_axis(axes.xaxis), plots.percent_axis(axes.yaxis)
plots.panel_letter(bottom[0], "D", x=-0.3)
order = [group for group in ("early", "higher") if group in set(gains["group"])]
plots_finetuning.own_and_borrowed(bottom[2], gains, order)
bottom[2].set_ylabel("r tuned - r untuned")
plots.panel_letter(bottom[2], "E", x=-0.35)

# %%
if len(elsewhere):
    kinds = list(dict.fromkeys(elsewhere["kind"]))
    plots_finetuning.kind_dots(bottom[3], elsewhere, "r", ["all"], kinds)
    bottom[3].set(ylabel="r, second data set", xticks=[])
    plots.top_legend(figure, plots_finetuning.labelled(kinds))
    plots.panel_letter(bottom[3], "F", x=-0.35)
else:
    bottom[3].axis("off")

# %%
plots.save_figure(figure, laboratory.provenance, {
    "ABC": share, "D": against, "E": gains, "F": elsewhere})
figure

# %% [markdown]
# **Figure 06.** **A-C** Share of the receiver's voxels that the donor's network predicts better
# than the untuned network; mean over regions that all participants have; white: one half. **D**
# Each dot a participant's region: networks of the other participants (mean over donors) against
# the pooled network; blue: early, orange: higher; line: equality. **E** Gain in r with one's own
# network and with borrowed ones; lines join a participant. **F** Second data set: r of the atlas's
# areas, nested cross-validation over all pictures, a dot a participant; bar: mean. The stamp says
# whether the data are REAL or SYNTHETIC.

# %% [markdown]
# ## 6 · Claims
#
# Rules were fixed before the run. A network that is not the receiver's own is shared by several
# receivers: intervals then treat receivers and trainings as crossed samples.

# %%
def by_receiver(group):
    found = outcomes.own_and_others(outcomes.in_group(share, group))
    return outcomes.by_training(found, "own"), outcomes.by_training(found, "others")

published = {"early": "diagonal .755, off .677", "higher": "diagonal .490, off .348",
             "all": "diagonal .633, off .515"}
for group in groups:
    own, others = by_receiver(group)
    ledger.interval(f"Networks tuned to others help, too ({group} regions)", others - 0.5, "above 0",
                    of="share of voxels improved by others' networks, minus one half",
                    source="cross-subject matrices", paper=published[group], sample="receivers",
                    shared=True)

# %%
own, others = by_receiver("all")
ledger.interval("One's own network helps more than borrowed ones", own - others, "above 0",
                of="share of voxels improved, own network minus others'", sample="receivers", shared=True,
                source="cross-subject matrices", paper="all regions .633 against .515")

# %%
for group in order:
    part = against[against["group"] == group]
    part = part.assign(more=part["pooled, avg"] - part["others"])
    ledger.interval(f"The pooled network beats borrowed ones ({group} regions)",
                    outcomes.by_training(part, "more"), "above 0", sample="receivers", shared=True,
                    of="share of voxels improved, pooled (avg) minus others'",
                    source="pooled against cross-subject scatter",
                    paper={"early": "mostly above the line", "higher": "mostly below"}[group])

# %%
for kind in ("contrastive", "pooled, avg"):
    row = (compared[(compared["kind"] == kind) & (compared["group"] == "all")].iloc[0]
           if len(compared) else None)
    found = (np.nan,) * 3 if row is None else row[["difference", "low", "high"]]
    ledger.judge(f"What was learned carries over to a second data set ({kind})", *found, "above 0",
                 of="r minus that of the untuned network, over participants and trainings",
                 source="transfer to NOD; abstract", paper="numbers unknown",
                 n="" if row is None else f"n = {row['n']} x {spec.n_seeds} trainings, "
                                          f"{row['improved']:.0%} of vertices")
for group in groups:
    own, others = by_receiver(group)
    ledger.number(f"improved, {group}", rounded({"own": own.mean(axis=None),
                                                 "others": others.mean(axis=None)}, 3))

# %%
path = ledger.save()
print(ledger.text())

# %%
# NBVAL_CHECK_OUTPUT
print(ledger.verdicts())

# %% [markdown]
# ## 7 · What we see, what the paper says, why they differ
#
# In the paper, early regions help each other across people nearly as much as they help themselves,
# and higher ones hardly; the pooled network is better than borrowed ones for early regions only.
# The demo has much of this pattern. What V1 computes is the same in everyone here, apart from where
# the receptive fields lie, so that a borrowed network serves a person's early regions about as well
# as the own one. In higher regions people differ in taste, and few trainings are shared by all
# receivers: the interval, which covers both, is wide, and the claims about them are inconclusive.
#
# Two warnings about the published comparison. A pooled network differs from a borrowed one in
# *whose* responses it sees, the receiver's among them, and in *how many*; these cannot be told
# apart without a pooled network that sees as many as a specific one. And a matrix of shares of
# improved voxels has a generous zero: a network that is better by a hair everywhere scores 100 %.
# Panel E gives the sizes.
#
# The second data set was never trained on, not even for the heads: only the layers' features
# travel. Its single trials are noisy, so all r are small; what matters is the difference from the
# untuned network on the same pictures.
#
# Under `mini` the four people of object2vec share two regions and the same 81 categories; donors'
# training categories are the receivers' as well. No second cohort is at hand there.

# %% [markdown]
# ## 8 · Exercises
#
# **Read.** Who is the best donor, over all regions, to others?

# %%
your_donor = None    # one of the participants

if your_donor is None:
    print("Hint: `share` has donor and subject; leave out where they are the same person.")
else:
    borrowed = share[share["donor"] != share["subject"]]
    best = borrowed.groupby("donor")["improved"].mean().idxmax()
    print("Right." if your_donor == best else "Did you leave the diagonal out?")

# %% tags=["solution"]
share[share["donor"] != share["subject"]].groupby("donor")["improved"].mean().round(3)

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
# **Discuss.** (1) If borrowed networks were as good as one's own, what would that say about
# individual brains, and what about the method? (2) A donor with noisy responses: would you expect a
# bad donor, a bad receiver, or both? (3) What would a fair pooled comparison look like?
#
# **References.** Mulrooney & Brockmeier (2024), arXiv 2410.06067 · Gong et al. (2023), *Sci Data*
# 10, 559 (NOD) · Glasser et al. (2016), *Nature* 536 (the atlas).
#
# Previous: [05 · Finetune to a region](05_finetune_to_a_region.ipynb) · Next:
# [07 · Bound shared information](07_bound_shared_information.ipynb): how much do they share?
