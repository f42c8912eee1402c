# %% [markdown]
# # 15 · When does selectivity emerge, and does it resemble that of brains?
#
# Future work that Lu & Wang (2025) name: untrained networks, stages of training, comparison with
# category-selective cortex ([arXiv 2502.16456](https://arxiv.org/abs/2502.16456)).
# On two cores: half a minute and 1 GB under `demo`, one minute and 5 GB under `mini`; under
# `paper` not measured.

# %% [markdown]
# **Goal.** Selective units are usually studied in trained networks. Here networks are measured
# *during* training, from the initial weights on. Which rises first: the number of selective units,
# how strongly the best of them are tuned, how well the categories within a domain can be decoded
# from the activations, or the similarity of a block to a brain region? And does language change
# the order?
#
# **You will learn**
# - how to compare training steps on one axis, and what the first one controls for;
# - why the proportion of significant units rises late, when the effect that is tested rises early;
# - how similarity to a brain is compared with the similarity of one brain to others.

# %% tags=["parameters"]
profile = "demo"    # demo, mini, paper, or the path of your own TOML file
layer_index = -1    # block that is shown and judged: its position among the profile's layers

# %%
import numpy as np
import pandas as pd
from IPython.display import Markdown
from scipy import stats

from helpers import lab
from helpers.brains.layouts import open_cohort
from helpers.core.intervals import mean_interval
from helpers.encoding.cohort_features import channel_mean_features
from helpers.encoding.cohort_responses import MIN_SIZE, read_responses
from helpers.exercises import check
from helpers.figures import schematic, style
from helpers.figures.claims import ClaimsTable, round_numbers
from helpers.figures.deviations import deviation_table
from helpers.matched_models import plots, training_dynamics
from helpers.matched_models.study import MatchedModelsStudy
from helpers.rsa.dissimilarity import rdm, spearman_rdms

laboratory = lab.open(profile, notebook="15_watch_selectivity_emerge")
claims = ClaimsTable(laboratory.provenance)
style.use_style()
print(laboratory.provenance.line)

# %% [markdown]
# ## 1 · Checkpoints
#
# While the demo's networks were trained, each was saved as a
# [checkpoint](GLOSSARY.md#checkpoint) with its initial weights and after a growing number of steps,
# and measured; the table of measures lies beside the weights, and so do the RDMs of every block at
# some test images, which are compared here with the participants' regions. Where a profile has no
# such table, networks are measured as they are: untrained (step 0) and trained (step 1 of 1).

# %%
study = MatchedModelsStudy.from_profile(laboratory.profile, laboratory.images, laboratory.network)
spec, layer = study.spec, study.spec.layers[layer_index]
categories = laboratory.images(spec.images)
regions = training_dynamics.load_regions(open_cohort(laboratory), spec) if spec.regions else None
record = study.training_record(categories, regions)
core = [domain for domain in study.domains if domain in set(record["domain"])]
style.add_domains(study.images.domain_names)
by_condition = record.groupby("condition", sort=False)
conditions = [condition for condition in spec.conditions if condition in by_condition.groups]
n_networks = by_condition["seed"].nunique().to_dict()
pd.DataFrame({"networks": n_networks, "checkpoints": by_condition["step"].nunique(),
              "last step": by_condition["step"].max()}).reindex(conditions)

# %% [markdown]
# The way from images to the figure: one block of every network, at every checkpoint, gets four
# measures; two of them need other material, a probe of its categories and the responses of brains.

# %%
shown = spec.language or spec.vision
supervised = [condition for condition in (spec.vision, spec.language) if condition]
examples = [categories.open(categories.domains.index(domain)) for domain in core[:4]]
x = np.linspace(0.05, 0.95, 30)
rise = 0.1 + 0.8 / (1 + np.exp(-13 * (x - 0.5)))
schematic.draw_schematic([
    schematic.Step("images", schematic.images(examples), "localizer, test images"),
    schematic.Step("checkpoints", schematic.network(4, [3]), "one block, at every\nstep saved"),
    schematic.Step("units, categories", schematic.curve((x, rise, "0.25"), (
        x[6:], rise[:-6], "0.6")), "A–C, E, F"),
    schematic.Step("brain regions", schematic.brain(), "similarity of RDMs (D, H)"),
    schematic.Step("half-way", schematic.formula(r"$\frac{y_0 + y_{end}}{2}$"), "step of it (G)")],
    laboratory.provenance, alt="From left to right: example images, a network at several training "
    "steps, curves that rise over training, a brain with one region, and the value halfway between "
    "the first and the last.")

# %% [markdown]
# ## 2 · One RDM of a block, one of a region
#
# How can a block, with its feature maps, be compared with a region, with its vertices? By which
# images each finds similar. A representational dissimilarity matrix
# ([RDM](GLOSSARY.md#rdm)) has an entry for every pair of images: 1 − Pearson's *r* of the two
# patterns of activity. Its entries above the diagonal are then correlated by ranks (Spearman's ρ).
# Here both RDMs for six images: of the last block of a trained network (feature maps averaged over
# space), and of one participant's region.

# %%
def dissimilarity(patterns):
    """1 - Pearson's r of every pair of rows, (n_images, n_images)."""
    centred = patterns - patterns.mean(1, keepdims=True)
    unit_length = centred / np.linalg.norm(centred, axis=1, keepdims=True)
    return 1 - unit_length @ unit_length.T

network = study.network(next(name for condition, _, name in study.iter_networks()
                             if condition == shown))
if regions:
    cohort, n_test = regions.cohort, len(regions.test_conditions)
    six = regions.test_conditions[::max(n_test // 6, 1)][:6]
    of_block = dissimilarity(channel_mean_features(
        network, [layer], cohort, six, label="six images", batch_size=6)[layer].astype(float))
    print(f"{layer}, {shown}, after training: RDM of {len(six)} images\n", of_block.round(2))

# %% [markdown]
# The same images in the first participant who has a region of the profile, and the correlation of
# the two RDMs, which the package's functions confirm. With so few images the number means little;
# the measure uses many more.

# %%
if regions and regions.rdms.keys() & spec.regions.keys():
    read = ((subject, roi, read_responses(cohort, subject, [roi]).of(roi, min_ncsnr=spec.min_ncsnr))
            for subject in cohort.subjects for roi in spec.regions.values()
            if roi in cohort.rois(subject))
    subject, roi, region = next(one for one in read if len(one[2].vertex) >= MIN_SIZE)
    patterns = region.mean(six).astype(float)
    of_region, pairs = dissimilarity(patterns), np.triu_indices(len(six), 1)
    ranks = [stats.rankdata(matrix[pairs]) for matrix in (of_block, of_region)]
    rho = np.corrcoef(*ranks)[0, 1]
    np.testing.assert_allclose(of_region[pairs], rdm(patterns), atol=1e-8)
    np.testing.assert_allclose(rho, spearman_rdms(of_block[pairs], rdm(patterns)), atol=1e-6)
    print(f"{roi} of {subject}, {patterns.shape[1]} vertices\n", of_region.round(2))
    print(f"ρ over {len(ranks[0])} pairs: {rho:.3f}, as the package finds; the measure uses "
          f"{n_test} images, {n_test * (n_test - 1) // 2} pairs, and all participants")

# %% [markdown]
# ## 3 · Before the first step, and after the last
#
# Step 0 is the **untrained baseline** of every measure
# ([randomly initialised control](GLOSSARY.md#randomly-initialised-control)). The measures:
# *proportion* of selective units; *d_prime* of equal numbers of the best units, on images that did
# not select them; *recall*: the fraction of a domain's images whose category (its folder: adult or
# child, house or corridor …) a [linear probe](GLOSSARY.md#linear-probe) predicts, trained on the
# other half; *similarity* to the region that the profile names for the domain. *Early* is a region
# without a preferred domain.

# %%
measures = list(training_dynamics.MEASURES)
at_layer = record[record["layer"] == layer]
ends = at_layer.groupby(["condition", "seed"])["step"].transform("max")
untrained_rows = at_layer[at_layer["step"] == 0]
last_checkpoint = at_layer[(at_layer["step"] == ends) & (ends > 0)]
trained = [condition for condition in conditions if (
    last_checkpoint["condition"] == condition).any()]
table = pd.concat({"untrained": untrained_rows.groupby("domain")[measures].mean(),
                   **{condition: its.groupby("domain")[measures].mean()
                      for condition, its in last_checkpoint.groupby("condition", sort=False)}})
table.swaplevel().reindex([*core, training_dynamics.EARLY], level=0).rename(
    index=style.display_name, level=0).round(3)

# %% [markdown]
# Two references. Chance of recall; and the [noise ceiling](GLOSSARY.md#noise-ceiling) of
# similarity: how well the mean RDM of the other participants predicts one participant's (lower
# bound).

# %%
noise_ceilings = {domain: regions.noise_ceiling(domain)
                  for domain in regions.rdms} if regions else {}
chance = training_dynamics.chance_recall(categories)
example_domain, other_domain, *_ = *(d for d in core if d in noise_ceilings), *core, ""
print(f"chance of recall {chance:.2f}; noise ceilings:",
      {style.display_name(domain): round(value, 3) for domain, value in noise_ceilings.items()}
      or "no regions here")

# %% [markdown]
# ## 4 · Half-maximum steps
#
# For every network and domain: after how many steps is a measure halfway between its first and its
# last value? Checkpoints become rarer, so the step *s* is interpolated in the logarithm. With *a*
# the first checkpoint at or above the half $h = (y_0 + y_{end})/2$, and *b* the one before:
#
# $$\ln(1 + s) = \ln(1 + s_b) + \frac{h - y_b}{y_a - y_b}\,[\ln(1 + s_a) - \ln(1 + s_b)]$$
#
# By hand, for the first domain, faces, of one network (for an invented curve where there are no
# checkpoints).

# %%
curve = at_layer.query("condition == @shown and seed == 0 and domain == @core[0]")
curve = curve.sort_values("step")
steps, values = curve["step"].to_numpy(float), curve["proportion"].to_numpy(float)
if len(values) < 3 or values[-1] <= values[0]:
    steps, values = np.array([0.0, 10, 100, 1000]), np.array([0.0, 0.02, 0.3, 0.5])
half = (values[0] + values[-1]) / 2
above = int(np.flatnonzero(values >= half)[0])
fraction = (half - values[above - 1]) / (values[above] - values[above - 1])
before, after = np.log1p(steps[above - 1:above + 1])
by_hand = np.expm1(before + fraction * (after - before))
np.testing.assert_allclose(by_hand, training_dynamics.half_maximum_step(steps, values))
print(f"halfway value {half:.4f}, between steps {steps[above - 1]:.0f} and {steps[above]:.0f}: "
      f"at step {by_hand:.1f}, as the package finds")

# %% [markdown]
# The same for all. A curve that ends no higher than it began has no such step. One that ends hardly
# higher has one, which is noise: read the step beside the rise.

# %%
of_domains = at_layer[at_layer["domain"].isin(core)]
rows = []
for key, its in of_domains.groupby(["condition", "seed", "domain"], sort=False):
    its = its.sort_values("step")
    rows += [dict(zip(("condition", "seed", "domain"), key)) | {
        "measure": measure, "rise": its[measure].iloc[-1] - its[measure].iloc[0],
        "half_step": training_dynamics.half_maximum_step(its["step"], its[measure])}
        for measure in measures if len(its) > 2 and its[measure].notna().all()]
half_steps = pd.DataFrame(rows, columns=["condition", "seed", "domain", "measure", "rise",
                                         "half_step"])
print("half-maximum step, and rise from first to last; means over networks and domains")
half_steps.pivot_table(index="condition", columns="measure", values=["half_step", "rise"]).reindex(
    [name for name in conditions if name in set(half_steps["condition"])]).round(3)

# %% [markdown]
# ## 5 · Do selective units go along with recall?
#
# Over checkpoints and networks of all conditions: does a network with more selective units for a
# domain in this block also have a higher recall of its categories? Each domain by itself.

# %%
after_training_start = of_domains[of_domains["step"] > 0]
correlations = {domain: its[["proportion", "recall", "similarity"]].corr(method="spearman")
                for domain, its in after_training_start.groupby("domain", sort=False)}
pd.DataFrame({style.display_name(domain): {
    f"{one} and {other}": r.loc[one, other]
    for one, other in (("proportion", "recall"), ("proportion", "similarity"),
                       ("recall", "similarity"))} for domain, r in correlations.items()}).round(2)

# %% [markdown]
# ## 6 · The figure
#
# Four panels compare conditions by one measure each, mean over domains; two follow the domains in
# one condition; the last two ask when, and how close to the brain. Where there are no checkpoints,
# a condition begins at the untrained network's value.

# %%
figure = style.new_figure(
    8.7, "Eight panels. A to D: proportion of selective units, d' of the best units, recall of "
    "categories and similarity to brain regions over training steps, a line for each condition; "
    "the dotted line is the untrained network. E and F: proportion and recall by domain in one "
    "condition, with a dotted line for each domain untrained. G: half-maximum steps of the four "
    "measures by condition. H: similarity to each region after training, with the untrained "
    "networks and the noise ceiling of that region.")
panels = figure.add_gridspec(4, 2, left=0.125, right=0.985, top=0.92, bottom=0.06, hspace=0.55,
                             wspace=0.3).subplots().ravel()
untrained = untrained_rows[untrained_rows["domain"].isin(core)]
without_start = [condition for condition in trained if (
    of_domains.loc[of_domains["condition"] == condition, "step"] > 0).all()]
curves = pd.concat([of_domains, *(untrained.assign(condition=name) for name in without_start)])

# %% [markdown]
# A to D: conditions. The legend counts the networks of each; networks are the sample. Those of one
# seed share their initial weights, so there are as many untrained networks as seeds.

# %%
names = {"proportion": "selective units", "d_prime": f"d' of {spec.n_units} best units",
         "recall": "recall of categories", "similarity": "similarity (ρ)"}
questions = ("How many units are selective?", "How strongly are the best tuned?",
             "Can categories be separated?", "Similar to the domains' regions?")
colours = plots.condition_styles(trained)
for panel, measure, title in zip(panels, names, questions):
    plots.training_curves(panel, curves, measure, "condition", colours)
    panel.axhline(untrained[measure].mean(), linewidth=0.9, color="0.5", linestyle=":")
    panel.set(title=title, ylabel=names[measure])
plots.condition_legend(figure, [*trained, spec.untrained], {
    **n_networks, spec.untrained: untrained_rows["seed"].nunique()}, ncols=4)

# %% [markdown]
# E and F: domains in one condition, each with its own untrained baseline (dotted).

# %%
domain_colours = plots.domain_styles(core)
for panel, measure, words in zip(panels[4:], ("proportion", "recall"), (
        "Which domain's units come first?", "Which domain's categories?")):
    plots.training_curves(panel, curves[curves["condition"] == shown], measure, "domain",
                          domain_colours, untrained.groupby("domain")[measure].mean().to_dict())
    panel.set(title=f"{words} ({shown})", ylabel=names[measure])
panels[4].legend(loc="upper left")
for panel in panels[[0, 2, 4, 5]]:
    style.percent_axis(panel.yaxis)
for panel in panels[:6]:
    panel.set_xlabel("training step + 1" if record["step"].max() > 1 else "training")

# %% [markdown]
# G and H: when, and how close to one participant's similarity to the others. The control with
# shuffled captions is left out of G: where a measure hardly rises, its half-way step means nothing.

# %%
plots.half_step_dots(panels[6], half_steps, {
    "proportion": "selective units", "d_prime": "d'", "recall": "recall",
    "similarity": "similarity"}, [condition for condition in trained if condition != spec.shuffled])
panels[6].set(title="Which measure rises first?", xlabel="half-maximum step + 1")
roi_names = {**(spec.regions or {}), training_dynamics.EARLY: f"{spec.early_roi} (early)"}
plots.region_dots(panels[7], last_checkpoint, {
    domain: roi for domain, roi in roi_names.items()
    if domain in noise_ceilings and domain in (*core, training_dynamics.EARLY)},
    untrained_rows.groupby("domain")["similarity"].mean().to_dict(), noise_ceilings, trained)
panels[7].set(title="Which region, after training?", ylabel=names["similarity"])
for letter, panel in zip("ABCDEFGH", panels):
    style.panel_letter(panel, letter, x=-0.13)
path = style.save_figure(figure, laboratory.provenance, {"A": record, "G": half_steps,
                                                         "H": last_checkpoint})

# %% [markdown]
# **Figure 15.** The block that the parameters name, by training step. **A** Proportion of its units
# that prefer a domain to every other set. **B** Held-out d′ of the most selective units, equal
# numbers of each domain. **C** Recall of categories within a domain by a linear probe, held-out
# images. **D** Spearman's ρ between the RDM of the block (feature maps averaged over space) and
# that of one participant's region, averaged over participants. A to D are means over the
# domains; dotted: mean of all untrained networks. **E, F** One condition by domain; dotted: the
# same domain untrained. Thick lines: means over networks, thin lines: networks (n in the legend).
# **G** Half-maximum steps, mean over domains; dots: networks, markers: their geometric mean. **H**
# Similarity after training to each region; dots: networks; black line: the region's noise ceiling
# (lower bound), one participant against the mean of the others; dotted: untrained networks. The
# stamp says whether the data are REAL or SYNTHETIC.

# %% [markdown]
# ## 7 · Claims
#
# None of them was tested in the paper, which names these questions as future work; their directions
# are ours.
#
# Each [claim](GLOSSARY.md#claim) over seeds is judged by itself, by a 95 % interval that is not
# corrected for the number of claims: of twenty claims without any effect, one is expected to be
# decided. The last line of the claims says which verdicts
# [Holm's rule](GLOSSARY.md#holm-rule) over this notebook's claims would make inconclusive. A claim
# about several conditions needs all of them; each is listed with its interval.

# %%
def change_over_training(measure, condition):
    """Last minus first value of every network of a condition, mean over domains."""
    means = of_domains.groupby(["condition", "seed", "step"])[measure].mean()
    if condition not in means.index.get_level_values("condition"):
        return np.array([])
    its = means[condition].unstack("step").sort_index(axis=1)
    start = its[0] if 0 in its else means[spec.untrained].mean()
    return (its.iloc[:, -1] - start).to_numpy(float)

n_seeds = {name: int(np.isfinite(change_over_training("similarity", name)).sum())
           for name in supervised}
print("networks with all measures:", n_seeds)

# %% [markdown]
# Do the three measures rise, in networks trained with labels and with captions?

# %%
not_in_paper = {"source": "question named in v1, direction ours", "paper": "not tested"}
for statement, measure, over in (
        ("Selective units emerge with training", "proportion", "domains"),
        ("Units sharpen with training", "d_prime", "domains"),
        ("Stages grow like the domains' regions with training", "similarity", "regions")):
    changes = {condition: change_over_training(measure, condition) for condition in supervised}
    n = min(int(np.isfinite(one).sum()) for one in changes.values())
    claims.intervals(statement, {name: mean_interval(one) for name, one in changes.items()},
                     "above 0", of=f"last minus first moment, mean over {over}, {layer}",
                     n=f"n = {n} seeds", df=n - 1, **not_in_paper)

# %% [markdown]
# The control: captions that were permuted over images. A claim of absence needs a bound, one unit
# in a hundred.

# %%
if spec.shuffled:
    claims.interval("Captions that say nothing about their images make no selective units",
                    change_over_training("proportion", spec.shuffled), "around 0",
                    sample="seeds", within=0.01,
                    of=f"last minus first moment, mean over domains, {layer}; one unit in a "
                    "hundred would be a difference of interest", source="beyond the paper: control",
                    paper="not tested")

# %% [markdown]
# Which comes first? Half-maximum steps, mean over domains, compared on a logarithmic scale.

# %%
first = half_steps.pivot_table(index=["condition", "seed"], columns="measure", values="half_step")
order = {condition: np.log1p(first.loc[condition]) for condition in supervised
         if condition in first.index}
for condition in supervised:
    its = order.get(condition, pd.DataFrame(columns=measures, dtype=float))
    claims.interval(f"Telling kinds apart comes before selective units: {condition}",
                    its["proportion"] - its["recall"], "above 0", sample="seeds",
                    of="log of the half-way step, proportion minus recall, mean over domains",
                    **not_in_paper)
pair = [order[condition]["proportion"] for condition in supervised if condition in order]
claims.interval("Language brings selective units later",
                (pair[1] - pair[0]).dropna() if len(pair) == 2 else [], "above 0", sample="seeds",
                of="log of the half-way step of the proportion, captions minus labels",
                **not_in_paper)

# %% [markdown]
# And the brain: category regions against an early one, and against the noise ceiling.

# %%
at_end = last_checkpoint[last_checkpoint["condition"].isin(supervised)]
by_region = at_end.pivot_table(index=["condition", "seed"], columns="domain", values="similarity")
has_early = training_dynamics.EARLY in by_region
claims.interval("The last stage is more like category regions than like an early one",
                by_region.reindex(columns=core).mean(axis=1) - by_region[training_dynamics.EARLY]
                if has_early else [],
                "above 0", of="similarity, mean of the domains' regions minus the early region, "
                "networks trained labels or captions", sample="networks", **not_in_paper)
claims.intervals("Stages stay below the similarity of one participant to the others",
                 {domain: mean_interval(its["similarity"] - noise_ceilings[domain])
                  for domain, its in at_end.groupby("domain")
                  if domain in noise_ceilings and domain in core},
                 "below 0", of="similarity minus that of one participant, in every domain, over "
                 "networks trained labels or captions",
                 source="human-human ceiling of a 2026 study", paper="well below it")

# %% [markdown]
# All claims with their numbers; the same go into the JSON file.

# %%
for condition in conditions:
    its = last_checkpoint[(last_checkpoint["condition"] == condition)
                          & last_checkpoint["domain"].isin(core)]
    claims.number(f"last moment, {condition}", round_numbers(
        its[measures].mean().to_dict() if len(its) else {}))
path = claims.save()
print(claims.text())

# %% [markdown]
# The verdicts alone are the same on every machine.

# %%
# NBVAL_CHECK_OUTPUT
print(claims.verdicts())

# %% [markdown]
# ## 8 · What we see, what the paper says, why they differ
#
# The paper names these questions and answers none of them. First: do units emerge, and when?

# %% tags=["prose"]
half_way = half_steps.groupby(["condition", "measure"])["half_step"].mean()

def in_order(steps):
    """Names with their steps, earliest first."""
    return ", ".join(f"{name} ({step:.0f})" for name, step in steps.sort_values().items())

words = {"d_prime": "d′", "proportion": "selective units"}
orders = "; ".join(f"{condition}: {in_order(half_way[condition].rename(words))}"
                   for condition in supervised if condition in half_way)
Markdown(f"""That selective units emerge with training is
**{claims.verdict("Selective units emerge")}** in {layer}, that the best units become more strongly
tuned **{claims.verdict("Units sharpen")}**. Half-maximum steps, means over networks and domains,
earliest first: {orders or "no checkpoints in this profile"}. The number of significant units
depends on the power of the test, so it may rise later than d′, the effect that is tested.""")

# %% [markdown]
# Does recall require selective units? A probe reads all channels together; a selective unit must
# pass a test by itself.

# %% tags=["prose"]
end_of_shown = last_checkpoint[last_checkpoint["condition"] == shown].groupby("domain")[
    ["proportion", "recall"]].mean().reindex(core).rename(style.display_name)
units_first = half_steps[(half_steps["condition"] == shown) & (
    half_steps["measure"] == "proportion")].groupby("domain")["half_step"].mean().dropna()
best = end_of_shown["recall"].idxmax()
Markdown(f"""That recall comes before selective units is {"; ".join(
    f"**{claims.verdict(f'Telling kinds apart comes before selective units: {condition}')}** with "
    f"{condition}" for condition in supervised)}. After training with {shown}, recall is highest for
{best} ({end_of_shown.loc[best, "recall"]:.0%}), for which {end_of_shown.loc[best,
"proportion"]:.1%} of the units are selective; most units are selective for
{end_of_shown["proportion"].idxmax()} ({end_of_shown["proportion"].max():.1%}). Half-maximum steps
of the units, by domain:
{in_order(units_first.rename(style.display_name)) or "no checkpoints"}. That captions bring
selective units later than labels is
**{claims.verdict("Language brings selective units later")}**.""")

# %% [markdown]
# What do the controls say? Shuffled captions keep the loss and the texts; views keep the images and
# have neither labels nor texts.

# %% tags=["prose"]
changes = {condition: [np.mean(change_over_training(measure, condition))
                       for measure in ("proportion", "recall")] for condition in trained}
no_units = (claims.verdict("Captions that say nothing") if spec.shuffled
            else "not testable here")
Markdown(f"""That shuffled captions make no selective units is **{no_units}**. From the untrained
network to the last step, selective units and recall (means over domains) changed by """
         + "; ".join(f"{round(100 * units, 1) + 0.0:+.1f} and {100 * recall:+.0f} percentage "
                     f"points with {name}" for name, (units, recall) in changes.items()) + ".")

# %% [markdown]
# And the brain. Where the domains' regions have RDMs that are similar to one another, this measure
# hardly distinguishes them. The early region, which prefers no domain, is the comparison.

# %% tags=["prose"]
kind = np.where(at_layer["domain"] == training_dynamics.EARLY, "early", "domains")
similar = at_layer.assign(kind=kind).pivot_table(
    index=["condition", "step"], columns="kind", values="similarity").reindex(
    columns=["domains", "early"])
final = similar.groupby("condition").last().reindex(trained)
at_the_end = "; ".join(f"{name} {row['domains']:.3f} and {row['early']:.3f}"
                       for name, row in final.iterrows())
ceiling = np.mean([noise_ceilings[domain] for domain in core if domain in noise_ceilings] or np.nan)
Markdown(f"""That training makes the block more similar to the domains' regions is
**{claims.verdict("Stages grow like")}**, that it ends more similar to them than to the early region
**{claims.verdict("The last stage is more like")}**, and that it stays below one participant's
similarity to the others **{claims.verdict("Stages stay below")}**. After training, ρ with the
domains' regions (mean) and with the early region: {at_the_end}. Noise ceilings: {ceiling:.3f} (mean
of the domains' regions) and {noise_ceilings.get(training_dynamics.EARLY, np.nan):.3f} (early). The
claims compare ρ as it is, not as a fraction of these.""")

# %% [markdown]
# The order may differ during training: where was the block more similar to the early region?

# %% tags=["prose"]
ahead = similar[(similar["early"] > similar["domains"]) & (
    similar.index.get_level_values("step") > 0)].reset_index()
Markdown("After the first step, the mean over networks was more similar to the early region than "
         "to the domains' regions at " + ("; ".join(
             f"step {', '.join(map(str, its['step']))} ({name})"
             for name, its in ahead.groupby("condition")) or "no checkpoint")
         + ". Seen afterwards, and not a claim that was fixed beforehand.")

# %% [markdown]
# Brains of the SYNTHETIC demo are simulated from the content of the images. That networks become
# similar to them shows that they learn this content; whether they learn it as cortex does needs
# real brains. Under `mini` (REAL photographs, SqueezeNet, object2vec's few participants) there are
# no checkpoints, only a trained network and its randomly initialised control: one network of each
# condition cannot show more than a difference between two networks.

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
# **Read.** How close to the noise ceiling of the faces' region (of `example_domain`, the first that
# has a region) does the block come? Take the
# similarity after training with captions from the table of step 3 (a profile without captions: of
# the networks trained without language) and the ceiling printed below it. Return a percentage.

# %% tags=["exercise"]
percent_of_ceiling = None    # a number, usually from 0 to 100

# %% tags=["solution"]
after_training = last_checkpoint.query("condition == @shown and domain == @example_domain")
percent_of_ceiling = (100 * after_training["similarity"].mean() / noise_ceilings[example_domain]
                      if example_domain in noise_ceilings else 0.0)

# %% tags=["check"]
# NBVAL_CHECK_OUTPUT
def percent(rows, domain=example_domain, of=example_domain):
    """Mean similarity of some rows in percent of a noise ceiling; 0 where there is none."""
    value = rows[rows["domain"] == domain]["similarity"].mean() / noise_ceilings.get(of, np.nan)
    return float(np.nan_to_num(100 * value))

rows_shown = last_checkpoint[last_checkpoint["condition"] == shown]
_ = check(percent_of_ceiling, percent(rows_shown), tolerance=0.02, wrong={
    "This is the similarity itself: divide by the ceiling.":
        percent(rows_shown) * noise_ceilings.get(example_domain, 0) / 100,
    "This is the untrained network.": percent(untrained_rows),
    "This is the early region.": percent(rows_shown, "early", "early"),
    "The ceiling of another region: each has its own.": percent(rows_shown, of=other_domain)},
    hint="100 × similarity / noise ceiling, both of the same domain.")

# %% [markdown]
# **Change.** The notebook shows the last block (`layer_index = -1`). Does an earlier block become
# more similar to the domains' regions, or to the early region? Return a dict, block → similarity to
# the domains' regions (mean over these domains) minus similarity to the early region, after
# training with captions, mean over networks. `record` has all blocks.

# %% tags=["exercise"]
domains_minus_early = None    # {block: difference}, for all of spec.layers

# %% tags=["solution"]
last_step = record[(record["condition"] == shown) & (record["step"] == record["step"].max())]
similarities = last_step.pivot_table(index="layer", columns="domain", values="similarity").reindex(
    columns=[*core, training_dynamics.EARLY])
difference = similarities[core].mean(axis=1) - similarities[training_dynamics.EARLY]
domains_minus_early = {name: difference.get(name, 0.0) for name in spec.layers}

# %% tags=["check"]
# NBVAL_CHECK_OUTPUT
def minus_early(condition, step, domains=core):
    """Similarity to the regions of some domains minus that to the early region, by block."""
    its = record[(record["condition"] == condition) & (record["step"] == step)].pivot_table(
        index="layer", columns="domain", values="similarity").reindex(columns=[*core, "early"])
    difference = (its[list(domains)].mean(axis=1) - its["early"]).fillna(0.0)
    return {name: difference.get(name, 0.0) for name in spec.layers}

end_step, right = record["step"].max(), minus_early(shown, record["step"].max())
_ = check(domains_minus_early, right, hint="Both similarities of the last step, by block.", wrong={
    "The other way round: domains' regions minus early region.": {
        name: -value for name, value in right.items()},
    "These are untrained networks: take the last step.": minus_early(shown, 0),
    "The mean of all domains, not the first alone.": minus_early(shown, end_step, core[:1]),
    "These networks were trained otherwise.": minus_early(spec.vision, end_step)})

# %% [markdown]
# **Extend.** Even a curve that never leaves the noise has a half-maximum step. Write a better
# onset: the first step from which on the curve *stays* above the untrained networks, that is, above
# the mean of their values plus two standard deviations (with n − 1). Return −1 if there is no such
# step.

# %% tags=["exercise"]
def onset(steps, values, untrained_values):
    """First step from which all values exceed the untrained mean + 2 SD; -1: none."""
    raise NotImplementedError

# %% tags=["solution"]
def onset(steps, values, untrained_values):
    """First step from which all values exceed the untrained mean + 2 SD; -1: none."""
    bound = np.mean(untrained_values) + 2 * np.std(untrained_values, ddof=1)
    stays = np.logical_and.accumulate((np.asarray(values) > bound)[::-1])[::-1]
    return int(np.asarray(steps)[stays][0]) if stays.any() else -1

# %% tags=["check"]
# NBVAL_CHECK_OUTPUT
def onset_above(bound_of, stay=True):
    """The answer with another bound, or without the need to stay above it."""
    def function(steps, values, untrained_values):
        above = np.asarray(values) > bound_of(np.asarray(untrained_values))
        kept = [i for i in range(len(above)) if (above[i:].all() if stay else above[i])]
        return int(steps[kept[0]]) if kept else -1
    return function

some, log = [0.10, 0.12, 0.14], [0, 10, 100, 1000]
on = [(log, [0.1, 0.3, 0.15, 0.6], some), (log, [0.1, 0.13, 0.2, 0.3], some),
      (log, [0.3, 0.4, 0.5, 0.1], some), (log, [0.1, 0.155, 0.2, 0.3], some)]
_ = check(onset, onset_above(lambda x: x.mean() + 2 * x.std(ddof=1)), on=on, wrong={
    "It must stay above.": onset_above(lambda x: x.mean() + 2 * x.std(ddof=1), stay=False),
    "Above the mean is not enough: plus two standard deviations.": onset_above(np.mean),
    "np.std divides by n: use ddof=1.": onset_above(lambda x: x.mean() + 2 * x.std())},
    hint="Which values are above the bound, and are all that follow?")

# %% [markdown]
# **Discuss.** (1) The proportion of significant units cannot rise before the test has power. What
# would you plot instead to see the onset? (2) Children's cortex becomes selective for words years
# after faces. Which order do you see here, and what in the images could cause it? (3) A network
# becomes similar to a region. What else must hold before you call it a model of the region?
#
# **References.** Lu & Wang (2025), arXiv 2502.16456 · Kriegeskorte, Mur & Bandettini (2008), *Front
# Syst Neurosci* 2 · Nordt et al. (2021), *Nat Hum Behav* 5 (selectivity in developing cortex).
#
# Previous: [14 · Spread over feature maps](14_spread_over_feature_maps.ipynb).
