# %% [markdown]
# # 15 · When does selectivity emerge, and is it what brains have?
#
# Future work that Lu & Wang (2025) name: untrained networks, stages of training, comparison with
# category-selective cortex ([arXiv 2502.16456](https://arxiv.org/abs/2502.16456)).
# On two cores: half a minute and 1 GB under `demo`, three minutes under `mini`; under `paper`
# not measured.

# %% [markdown]
# **Goal.** Selective units are studied in networks that are finished. Here we look while they
# learn: at their beginning, and after more and more steps. Four measures rise, or do not: the
# *share* of selective units; how *sharp* the sharpest units are; how well a linear reader *tells
# kinds* within a domain; and how far a stage finds the same pictures alike as a *region* of the
# brain does. Which comes first? Does telling things apart need selective units? And is it language
# that changes when they come?
#
# **You will learn**
# - how to put moments of training on one axis, and what the first moment is a control for;
# - why a share that passes a test rises late, when what it tests rises early;
# - how likeness to a brain is compared with the likeness of one brain to others.

# %% tags=["parameters"]
profile = "demo"    # demo, mini, paper, or the path of your own TOML file
which_stage = -1    # stage that panels A to D show: its place among the profile's layers

# %%
import numpy as np
import pandas as pd

from helpers import lab
from helpers.figures import plots, plots_siblings
from helpers.figures.claims import Ledger, rounded
from helpers.ground.intervals import mean_interval
from helpers.siblings import emergence
from helpers.siblings.study import SiblingStudy
from helpers.stimuli.image_sets import CORE

# %%
laboratory = lab.open(profile, notebook="15_watch_selectivity_emerge")
ledger = Ledger(laboratory.provenance)
plots.use_style()
print(laboratory.provenance.line)

# %% [markdown]
# ## 1 · Moments of training
#
# While the demo's networks were trained, each was kept at its first weights and after ever more
# steps, and measured; the record lies beside the weights. Where a profile has no such record,
# networks are measured as they are: untrained (step 0) and trained (step 1 of 1).

# %%
study = SiblingStudy.of(laboratory.profile, laboratory.images, laboratory.network)
spec, stage = study.spec, study.spec.layers[which_stage]
categories = laboratory.images(spec.images)
regions = emergence.regions_of(laboratory.cohort(), spec) if spec.regions else None
record = study.moments(categories, regions)
moments = record.groupby("kind", sort=False)["step"].unique().map(list)
kinds = [kind for kind in spec.kinds if kind in moments.index]
pd.DataFrame({"networks": record.groupby("kind", sort=False)["seed"].nunique(),
              "moments": moments.map(len), "last step": moments.map(max)}).reindex(kinds)

# %% [markdown]
# ## 2 · Before the first step, and after the last
#
# Step 0 is the **untrained floor** of every measure. *Recall* is the share of pictures whose folder
# (adult or child, house or corridor …) a linear reader tells, taught on the other half. The region
# of each domain is the one that the profile names; *early* is a region that prefers none.

# %%
here = record[record["layer"] == stage]
ends = here.groupby(["kind", "seed"])["step"].transform("max")
floor, done = here[here["step"] == 0], here[(here["step"] == ends) & (ends > 0)]
table = pd.concat({"untrained": floor.groupby("domain")[list(emergence.MEASURES)].mean(),
                   **{kind: its.groupby("domain")[list(emergence.MEASURES)].mean()
                      for kind, its in done.groupby("kind", sort=False)}})
table.swaplevel().reindex([*CORE, emergence.EARLY], level=0).round(3)

# %%
ceilings = {domain: regions.ceiling(domain) for domain in regions.rdms} if regions else {}
chance = emergence.chance_of_recall(categories)
print(f"chance of recall {chance:.2f};", "one participant's likeness to the others:",
      {domain: round(value, 2) for domain, value in ceilings.items()} or "no regions here")

# %% [markdown]
# ## 3 · Half of the way
#
# For every network and domain: after how many steps has a measure risen half of the way from its
# first to its last value? (Between two moments, evenly in the logarithm of the step.) A network
# that does not rise has no such step.

# %%
rows = []
for (kind, seed, domain), its in here[here["domain"] != emergence.EARLY].groupby(
        ["kind", "seed", "domain"], sort=False):
    its = its.sort_values("step")
    rows += [{"kind": kind, "seed": seed, "domain": domain, "measure": measure,
              "half": emergence.half_way(its["step"], its[measure])}
             for measure in emergence.MEASURES if len(its) > 2 and its[measure].notna().all()]
halves = pd.DataFrame(rows, columns=["kind", "seed", "domain", "measure", "half"])
halves.pivot_table(index="kind", columns="measure", values="half").round(0)

# %% [markdown]
# ## 4 · Do selective units come with what a network can tell?
#
# Over moments and networks of all kinds: does a domain with more selective units in this stage have
# kinds that are told better, at the same moment? Each domain by itself.

# %%
late = here[(here["step"] > 0) & here["domain"].isin(CORE)]
together = {domain: its[["share", "recall", "similarity"]].corr(method="spearman")
            for domain, its in late.groupby("domain", sort=False)}
pd.DataFrame({domain: {"share and recall": r.loc["share", "recall"],
                       "share and similarity": r.loc["share", "similarity"],
                       "recall and similarity": r.loc["recall", "similarity"]}
              for domain, r in together.items()}).round(2)

# %% [markdown]
# ## 5 · The figure

# %%
figure = plots.new_figure(8.2)
names = {"share": "selective units", "d_prime": f"d' of the {spec.n_units} sharpest",
         "recall": "recall of kinds", "similarity": "likeness to the region"}
panels = figure.add_gridspec(4, len(kinds), hspace=0.28, wspace=0.12, left=0.09, right=0.985,
                             top=0.92, bottom=0.06).subplots(sharex=True, sharey="row",
                                                             squeeze=False)
for column, kind in zip(panels.T, kinds):
    for panel, measure in zip(column, names):
        plots_siblings.moment_lines(panel, here[here["kind"] == kind], measure,
                                    (*CORE, emergence.EARLY))
    column[0].set_title(kind)
    column[-1].set_xlabel("step + 1")
for letter, row, words in zip("ABCD", panels, names.values()):
    row[0].set_ylabel(words)
    plots.panel_letter(row[0], letter, x=-0.06 * len(kinds))

# %%
for measure, row in zip(names, panels):
    for panel in row:
        panel.axhline(floor[measure].mean(), color="k", linestyle=":", linewidth=0.7)
    if measure in ("share", "recall"):
        plots.percent_axis(row[0].yaxis)
for panel in panels[3]:
    for domain, value in ceilings.items():
        panel.axhline(value, xmin=0.96, color=plots.COLOURS.get(domain, "0.5"), linewidth=2)
    if record["step"].max() == 1:
        panel.set_xticks([1, 2], ["before", "after"])
        panel.minorticks_off()
plots.domain_legend(figure, CORE)
plots.save_figure(figure, laboratory.provenance, {"A": record})
figure

# %% [markdown]
# **Figure 15.** The stage that the parameters name, by training step. **A** Share of its units that
# prefer a domain to every other set. **B** Held-out d′ of the sharpest units, as many of each
# domain. **C** Recall of kinds within a domain by a linear reader, held-out pictures. **D**
# Spearman correlation between the dissimilarities of the stage (feature maps averaged over space)
# and of one participant's region, averaged over participants; grey: an early region; ticks at the
# right edge: the noise ceiling (lower bound), one participant against the mean of the others.
# Thick lines: means over networks, thin lines: networks; dotted: mean of all untrained networks.
# The stamp says whether the data are REAL or SYNTHETIC.

# %% [markdown]
# ## 6 · Claims
#
# None of them was tested in the paper, which names these questions as future work.

# %%
asked = {"source": "future work named in v1", "paper": "not tested"}
means = here[here["domain"].isin(CORE)].groupby(["kind", "seed", "step"])[
    ["share", "d_prime", "recall"]].mean()
likeness = here[here["domain"].isin(CORE)].groupby(["kind", "seed", "step"])["similarity"].mean()
taught = [kind for kind in (spec.vision, spec.language) if kind]


def ends_of(values: pd.Series, kind: str) -> np.ndarray:
    if kind not in values.index.get_level_values("kind"):
        return np.array([])
    its = values[kind].unstack("step").sort_index(axis=1)
    start = its[0] if 0 in its else values[spec.untrained].mean()
    return (its.iloc[:, -1] - start).to_numpy(float)


# %%
for kind in taught:
    for measure, words in (("share", "Selective units emerge"), ("d_prime", "Units sharpen")):
        ledger.interval(f"{words} with training: {kind}", ends_of(means[measure], kind), "above 0",
                        of=f"last minus first moment, mean over domains, {stage}", sample="seeds",
                        **asked)
    ledger.interval(f"Stages grow like the domains' regions with training: {kind}",
                    ends_of(likeness, kind), "above 0", sample="seeds",
                    of=f"last minus first moment, mean over regions, {stage}", **asked)
if spec.shuffled:
    ledger.interval("Captions that say nothing about their pictures make no selective units",
                    ends_of(means["share"], spec.shuffled), "around 0", sample="seeds", within=0.01,
                    of=f"last minus first moment, mean over domains, {stage}; one unit in a hundred "
                       "would be a difference of interest", **asked)

# %%
first = halves.pivot_table(index=["kind", "seed"], columns="measure", values="half")
order = {kind: np.log1p(first.loc[kind]) for kind in taught if kind in first.index}
for kind in taught:
    its = order.get(kind, pd.DataFrame(columns=list(emergence.MEASURES), dtype=float))
    ledger.interval(f"Telling kinds apart comes before selective units: {kind}",
                    its["share"] - its["recall"], "above 0", sample="seeds",
                    of="log of the half-way step, share minus recall, mean over domains", **asked)
pair = [order[kind]["share"] for kind in taught if kind in order]
ledger.interval("Language brings selective units later",
                (pair[1] - pair[0]).dropna() if len(pair) == 2 else [], "above 0", sample="seeds",
                of="log of the half-way step of the share, captions minus labels", **asked)

# %%
specific = []
for (kind, seed), its in done.groupby(["kind", "seed"], sort=False):
    its = its.set_index("domain")["similarity"]
    if kind in taught and emergence.EARLY in its:
        specific.append(its.reindex(CORE).mean() - its[emergence.EARLY])

# %%
ledger.interval("The last stage is more like category regions than like an early one", specific,
                "above 0", of="likeness, mean of the domains' regions minus the early region, "
                "networks taught labels or captions", sample="networks", **asked)
reached = {domain: mean_interval(its["similarity"] - ceilings[domain]) for domain, its in done[
    done["kind"].isin(taught)].groupby("domain") if domain in ceilings and domain in CORE}
ledger.intervals("Stages stay below the likeness of one participant to the others", reached,
                 "below 0", of="likeness minus that of one participant, in every domain, over "
                 "networks taught labels or captions",
                 source="human-human ceiling of a 2026 study (spec 5.4)", paper="well below it")

# %%
for kind in kinds:
    its = done[(done["kind"] == kind) & done["domain"].isin(CORE)]
    ledger.number(f"last moment, {kind}", rounded(
        its[list(emergence.MEASURES)].mean().to_dict() if len(its) else {}))
path = ledger.save()
print(ledger.text())

# %%
# NBVAL_CHECK_OUTPUT
print(ledger.verdicts())

# %% [markdown]
# ## 7 · What we see, what the paper says, why they differ
#
# In the demo, nothing happens for some fifty steps; then all measures rise within a few hundred.
# Words come first, then faces: the *share* of units for words is at its height when that for faces
# begins to rise, and then falls a little, as units turn to other things. Bodies and scenes follow,
# and few units are selective for them, though their kinds are told best. So telling kinds apart
# does not wait for units that pass the test, nor does it need many: half of the way it is ahead
# where captions teach, and inconclusive where labels do. d′ of the sharpest units rises
# before any share can, since a share waits for the test's power.
#
# Networks that are told other pictures' captions stay at the untrained floor in everything, while
# their loss falls no further than chance. Networks that are told nothing (views) grow slowly, in
# recall more than in units.
#
# All that learn something grow like the brain's category regions, and much less like V1v; they
# stay at about half of the likeness of one participant to the others. The four domains' regions can
# hardly be told apart by this: pictures that are alike to one are alike to the others, in these
# brains as in these networks. Seen afterwards, and no claim that was fixed beforehand: captions
# bring the likeness earlier than labels, and text vectors most of it.
#
# These brains are simulated, from what is in the pictures. That networks grow towards them says
# that they learn what is in pictures; whether they learn it as cortex does needs real brains.
# Under `mini` (REAL photographs, SqueezeNet, object2vec's few participants) there is no record of
# moments, but the two ends say the same: the trained network is more like FFA, EBA and PPA than its
# untrained twin, and less like early visual cortex. One network of each kind cannot tell more.

# %% [markdown]
# ## 8 · Exercises
#
# **Read.** In which domain is recall highest before the first step? What in the pictures could tell
# an untrained network so much?

# %%
your_domain = None    # one of CORE

if your_domain is None:
    print("Hint: the rows `untrained` of section 2.")
else:
    expected = floor.groupby("domain")["recall"].mean().idxmax()
    print("Right." if your_domain == expected else "Compare the four rows named untrained.")

# %% tags=["solution"]
print(floor.groupby("domain")["recall"].mean().round(2).sort_values().to_string())

# %% [markdown]
# **Change.** Set `which_stage = 1` in the parameters. Does the stage before grow like the early
# region, or like the domains' regions?
#
# **Extend.** Is a stage more like the region of *its* best domain than like the others? Say for
# every kind which region the last stage is nearest to, relative to that region's ceiling.

# %%
your_answer = None    # {kind: domain}

if your_answer is None:
    print("Hint: divide `done`'s similarity by `ceilings`, then take the largest per kind.")
else:
    print("Compare with the solution; with few regions, any of them may be nearest.")

# %% tags=["solution"]
near = done[done["domain"].isin(list(ceilings))].assign(
    relative=lambda its: its["similarity"] / its["domain"].map(ceilings))
if len(near):
    print(near.pivot_table(index="kind", columns="domain", values="relative").round(2).to_string())

# %% [markdown]
# **Discuss.** (1) A share of units that pass a test cannot rise before the test has power. What
# would you plot instead to see the beginning? (2) Children's cortex becomes selective for words
# years after faces. Which order do you see here, and what in the pictures could make it? (3) A
# network grows like a region. What else must hold before you call it a model of the region?
#
# **References.** Lu & Wang (2025), arXiv 2502.16456 · Kriegeskorte, Mur & Bandettini (2008), *Front
# Syst Neurosci* 2 · Nordt et al. (2021), *Nat Hum Behav* 5 (selectivity in developing cortex).
#
# Previous: [14 · Spread over feature maps](14_spread_over_feature_maps.ipynb).
