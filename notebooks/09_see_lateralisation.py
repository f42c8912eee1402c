# %% [markdown]
# # 09 · Which half of a picture does a network look at?
#
# Mulrooney & Brockmeier (2024), Grad-CAM of left- and right-hemisphere models
# ([arXiv 2410.06067](https://arxiv.org/abs/2410.06067)).
# On two cores: three minutes after notebook 08 and 2 GB under `demo`; not measured under `mini`;
# nor under `paper`, which needs the Algonauts 2023 data, Caltech-256 and a GPU.

# %% [markdown]
# **Goal.** Early visual cortex of the left hemisphere sees the right half of the visual field, and
# the right hemisphere the left half. A network tuned to one hemisphere might come to look at that
# half. The paper shows it on two photographs. We measure it: over a whole set of pictures, for
# every early region of each hemisphere, on the pictures and on their mirror images, with a control
# that cannot have learned it. In the demo the receptive fields are contralateral because we built
# them so: the right answer is known, and we can ask which *measure* finds it.
#
# **You will learn**
# - how Grad-CAM makes a map of saliency, and what its averaging throws away;
# - how mirror images tell a network's preference from what the pictures show;
# - why a striking pair of pictures is not yet a measurement.

# %% tags=["parameters"]
profile = "demo"          # demo, mini, paper, or the path of your own TOML file
n_jobs = 2                # processes that tune and look; one where there is a GPU
n_pictures = 2            # in the panel of pictures
least = 0.75              # probability of the true class, before tuning, of pictures in the panel

# %%
import numpy as np
import pandas as pd

from helpers import lab
from helpers.figures import plots, plots_landscape
from helpers.figures.claims import Ledger, rounded
from helpers.finetuning.study import Study
from helpers.ground.stats import interval
from helpers.landscape.reading import open_task, probed
from helpers.saliency.laterality import contralateral
from helpers.saliency.looking import HALVES, METHODS, glances
from helpers.saliency.measuring import laterality

laboratory = lab.open(profile, notebook="09_see_lateralisation")
ledger = Ledger(laboratory.provenance)
plots.use_style()
print(laboratory.provenance.line)

# %% [markdown]
# ## 1 · Networks for each hemisphere
#
# One network for each early region of each hemisphere of each participant, tuned contrastively;
# for some regions a second one, tuned to the same responses in **shuffled** order: its pictures
# never met their own responses, so it cannot know which half of them mattered. Each network names
# the classes of a task through a linear probe (notebook 08).

# %%
spec, seed = laboratory.profile.table("finetuning"), laboratory.profile.seed
lateral, chosen = (laboratory.profile.table(name) for name in ("laterality", "landscape"))
network, untrained = laboratory.network(spec.network), laboratory.network(spec.untrained)
cohort = laboratory.cohort("tuning_cohort")
whole = Study.of(cohort, spec, network, untrained, seed=seed, n_jobs=n_jobs)
rate = whole.rate(whole.networks(["contrastive"])[0].job.kind)
study = Study.of(cohort, lateral.tuning(spec, rate), network, untrained, seed=seed, n_jobs=n_jobs)
members = [member for member in study.networks(["untuned", "contrastive", "shuffled"])
           if member.kind != "shuffled" or member.roi in lateral.controls]
images = laboratory.images(*chosen.tasks[lateral.task].split("/", 1))
task = open_task(lateral.task, images, network, lateral.image_size, chosen.max_images)
print(pd.Series([member.kind for member in members]).value_counts(sort=False).to_dict(),
      f"networks; {len(task.held_out)} held-out pictures of {len(task.classes)} classes")

# %% [markdown]
# ## 2 · Three ways to ask where a network looks
#
# **Grad-CAM** (published) asks how much the score of the true class grows with each feature map,
# *averaged over all positions*, and adds the maps up with these weights:
#
# $$\mathrm{ReLU}\Big(\sum_c \bar g_c\, A_c(x, y)\Big), \qquad
#   \bar g_c = \frac{1}{XY}\sum_{x, y} \frac{\partial s}{\partial A_c(x, y)}$$
#
# A convolution treats left and right alike. A network can only prefer a side *after* its
# convolutions, where every position has weights of its own. The gradient at a position knows this;
# its average over positions has forgotten it. **HiResCAM** is the same without the average:
# $g_c(x, y)$ in place of $\bar g_c$. And **half removed** needs no gradient: the left, or the
# right, half of the picture turns grey, and we see how far the classes' scores move.
#
# Of each map, or each pair of movements, we take one number: (right - left) / (right + left).
#
# ## 3 · Mirror images
#
# Pictures may have more to show on one side. So each picture is shown twice, as it is and mirrored.
# Half the sum of the two indices is the network's **bias**: the side it prefers whatever is there.
# Half the difference is the pictures' **content**.

# %%
table = laterality(study, members, task, chosen.layer, lateral.layers)
measures = list(dict.fromkeys(table["measure"]))
published, finer = (f"{METHODS[0]} {lateral.layers[0]}", f"{METHODS[1]} {lateral.layers[-1]}")
table.groupby(["kind", "measure", "hemisphere"], sort=False)[
    ["original", "mirrored", "bias", "content"]].mean().round(3)

# %% [markdown]
# Positive: right. If networks look at the half that their region sees, left hemispheres (lh) are
# positive and right ones (rh) negative. **Laterality** is therefore half the bias of the left
# hemisphere's networks minus half that of the right one's, within participants: above 0 is
# contralateral. What all networks have in common, the untuned one included, drops out.

# %%
def summary(values):
    low, high = interval(values.to_numpy()) if len(values) else (np.nan, np.nan)
    mean = values.to_numpy().mean() if len(values) else np.nan
    return {"mean": mean, "low": low, "high": high, "n": len(values)}

regions_of = {"contrastive": lateral.rois, "shuffled": lateral.controls}
effects = pd.DataFrame([{"kind": kind, "measure": measure,
                         **summary(contralateral(table, kind, measure, rois))}
                        for kind, rois in regions_of.items() for measure in measures])
effects.set_index(["kind", "measure"]).round(3)

# %% [markdown]
# Region by region, by the measure that takes half of the picture away:

# %%
regions = pd.DataFrame([{"roi": roi, "measure": measure, **summary(contralateral(
    table, "contrastive", measure, [roi]))} for roi in lateral.rois for measure in measures])
regions[regions["measure"] == HALVES].set_index("roi").drop(columns="measure").round(3)

# %% [markdown]
# ## 4 · The published panel
#
# Two pictures that the untuned network is sure of, the first ones among the held-out pictures, of
# different classes; untuned, left and right network; original and mirrored; by the published
# measure, and below by the finer one. Over each stands the probability of the true class *of that
# network for that view*. (In the published figure two of these numbers are exchanged.)

# %%
def member_of(kind, hemisphere=None):
    found = [m for m in members if m.kind == kind and (kind == "untuned" or (
        m.donor == lateral.subject and m.roi == lateral.roi
        and hemisphere in (None, m.hemisphere)))]
    return found[0]

tuned_to = [("left ", "lh"), ("right ", "rh")] if lateral.hemispheres == "apart" else [("", None)]
panel = [("untuned", member_of("untuned")),
         *((f"{name}{lateral.roi}", member_of("contrastive", side)) for name, side in tuned_to)]

# %%
logs = probed(panel[0][1].job, task, chosen.layer)["logs"]
sure = np.exp(logs[np.arange(len(logs)), task.truth])
order = np.argsort(sure < least, kind="stable")      # the sure ones first, in their order
_, first = np.unique(task.truth[order], return_index=True)
pictures = order[np.sort(first)][:n_pictures]
names, looking = zip(*panel)
looks = {(int(picture), measure): glances(looking, names, task, chosen.layer, where, int(picture),
                                          method=method)
         for picture in pictures for measure, method, where in (
             (published, METHODS[0], lateral.layers[0]), (finer, METHODS[1], lateral.layers[-1]))}

# %% [markdown]
# ## 5 · The figure

# %%
figure = plots.new_figure(4.4 + 1.3 * len(looks))
lines = figure.add_gridspec(2, 1, hspace=0.18, left=0.08, right=0.985, top=0.96, bottom=0.085,
                            height_ratios=[1.3 * len(looks), 4.2])
above = lines[0].subgridspec(len(looks), 2 * len(panel), wspace=0.06, hspace=0.32).subplots()
for line, ((_, measure), seen) in zip(above, looks.items()):
    for axes, glance in zip(line, seen):
        plots_landscape.glance_panel(axes, glance)
    line[0].text(-0.08, 0.5, measure, transform=line[0].transAxes, rotation=90, fontsize=6,
                 ha="right", va="center")
plots.panel_letter(above[0, 0], "A", x=-0.25)

# %%
below = lines[1].subgridspec(2, 3, wspace=0.35, hspace=0.75, width_ratios=[1, 1, 1.05])
dots = {"B": published, "C": finer, "D": HALVES}
for place, (letter, measure) in zip(((0, 0), (0, 1), (1, 0)), dots.items()):
    axes = figure.add_subplot(below[place])
    plots_landscape.laterality_dots(axes, table[(table["kind"] == "contrastive")
                                                & (table["measure"] == measure)], lateral.rois)
    axes.set(title=measure, ylabel="left  -  bias  -  right")
    plots.panel_letter(axes, letter, x=-0.2)
axes = figure.add_subplot(below[1, 1])
plots_landscape.laterality_dots(axes, table[(table["kind"] == "shuffled")
                                            & (table["measure"] == HALVES)], lateral.controls)
axes.set(title=f"{HALVES}, shuffled pairs", ylabel="left  -  bias  -  right")
plots.panel_letter(axes, "E", x=-0.2)

# %%
axes = figure.add_subplot(below[:, 2])
colour = {"contrastive": "royalblue", "shuffled": "tan"}
rows = effects.assign(label=effects["measure"].str.replace(" ", "\n", n=1),
                      colour=effects["kind"].map(colour))
plots_landscape.effect_rows(axes, rows)
axes.set(xlabel="laterality (above 0: contralateral)", title="contrastive (blue), shuffled (tan)")
plots.panel_letter(axes, "F", x=-0.35)
plots.top_legend(figure, [plots.plt.Line2D([], [], color=tone, marker=".", linestyle="none",
                                           label=name) for name, tone in (
    ("left hemisphere", "royalblue"), ("right hemisphere", "crimson"))], loc="lower left")

# %%
plots.save_figure(figure, laboratory.provenance, {
    "A": pd.DataFrame([{"picture": picture, "network": glance.network, "view": glance.view,
                        "class": glance.true_class, "probability": glance.probability}
                       for (picture, _), seen in looks.items() for glance in seen]),
    "BCDE": table, "F": effects, "regions": regions})
figure

# %% [markdown]
# **Figure 09.** **A** Saliency over pictures as networks saw them, by the published measure and by
# the finer one: untuned, tuned to the left and to the right hemisphere, each for the picture and
# its mirror image; dotted: the middle; above: probability of the true class. **B-D** Bias of every
# network, by three measures; a dot a participant's region, thin line: its 95 % interval over
# pictures; black: mean.
# **E** The same for networks tuned to shuffled pairs. **F** Laterality: mean and 95 % interval over
# participants, by every measure. The stamp says whether the data are REAL or SYNTHETIC.

# %% [markdown]
# ## 6 · Claims
#
# Rules were fixed before the whole run. A trial with fifteen networks had been seen, and the three
# measures were chosen after it. One thing was changed later: *half removed* first measured how far
# the probabilities move (total variation), as in the trial it had not; they saturate when half a
# picture is gone, and gave a laterality of +.019 [-.006, .044].

# %%
sources = {published: ("Grad-CAM figure", "opposite halves, two pictures"),
           finer: ("beyond the paper", "unknown"), HALVES: ("beyond the paper", "unknown")}
for measure, (source, told) in sources.items():
    ledger.interval(f"Networks look at the contralateral half ({measure})",
                    contralateral(table, "contrastive", measure, lateral.rois), "above 0",
                    of="laterality", source=source, paper=told)

# %%
for measure in (finer, HALVES):
    ledger.interval(f"In the mirrored pictures' own coordinates the sign flips ({measure})",
                    -contralateral(table, "contrastive", measure, lateral.rois, "mirrored"),
                    "below 0", of="laterality on mirrored pictures, turned back",
                    source="beyond the paper", paper="two pictures")
    shuffled, true = (contralateral(table, kind, measure, lateral.controls)
                      for kind in ("shuffled", "contrastive"))
    ledger.interval(f"A network tuned to shuffled pairs prefers no side ({measure})", shuffled,
                    "around 0", within=0.05, source="beyond the paper", paper="unknown",
                    of="laterality (a twentieth of the largest possible)")
    ledger.interval(f"Only true pairs teach a side ({measure})", true - shuffled, "above 0",
                    of="laterality, contrastive minus shuffled, same regions",
                    source="beyond the paper", paper="unknown")

# %%
for measure in sources:
    part = regions[regions["measure"] == measure].set_index("roi")[["mean", "low", "high"]]
    ledger.intervals(f"Every early region, by itself, is contralateral ({measure})",
                     {roi: tuple(row) for roi, row in part.iterrows()}, "above 0",
                     of="laterality of each region over participants", source="abstract",
                     paper="left and right V2v shown")
for kind in regions_of:
    values = effects[effects["kind"] == kind].set_index("measure")["mean"]
    ledger.number(f"laterality, {kind}", rounded(values.to_dict(), 3))

# %%
path = ledger.save()
print(ledger.text())

# %%
# NBVAL_CHECK_OUTPUT
print(ledger.verdicts())

# %% [markdown]
# ## 7 · What we see, what the paper says, why they differ
#
# Where the gradient keeps its place (C), networks of the left hemisphere lean right and those of
# the right hemisphere left, on the mean of regions and participants, and the sign flips with the
# picture. Taking half of the picture away says the same, without any gradient. How sure that is,
# the claims tell: each network was trained once, there are four participants, and training on a
# machine that rounds differently moves an interval by as much as it lies away from zero. Grad-CAM,
# at its published layer or at a finer one, is scattered around zero whatever the machine. This is
# no accident of the demo: averaging a gradient over positions and then multiplying with maps that
# know no left or right cannot show a preference that lives in the weights behind them. Two pictures
# on which it seems to show one are easily found in any network.
#
# So the published conclusion may well be right, but its figure is weak evidence for it. What one
# would need: a measure that keeps positions, many pictures, their mirror images, and a network that
# was tuned to shuffled pairs. The measure should also be taken early enough: deep in the network a
# position has seen nearly the whole picture, and its place means little.
#
# Our demo differs from the paper in size (96 px, five by five positions at most where AlexNet has
# thirteen), in the number of voxels (some thirty a region, not hundreds) and in what is forgotten:
# the demo's networks lose many of their classes (notebook 08), so "the true class" is often not
# what they would say. Under `mini` the files do not tell hemispheres apart: the panel is drawn, and
# the claims say that these data cannot tell.

# %% [markdown]
# ## 8 · Exercises
#
# **Read.** Which region's networks are the most lateralised by the measure of panel C?

# %%
your_region = None    # one of the early regions

if your_region is None:
    print("Hint: `regions` has a row for each region and measure.")
else:
    part = regions[regions["measure"] == finer].set_index("roi")["mean"]
    print("Right." if your_region == part.idxmax() else "Did you take the right measure?")

# %% tags=["solution"]
regions[regions["measure"] == finer].set_index("roi")["mean"].round(3)

# %% [markdown]
# **Change.** Set `least = 0.3` in the parameters, and look at other pictures in panel A. How many
# pairs do you need until one seems to show what you expect?
#
# **Extend.** Are mirror images worth the trouble? How well does the index of the original pictures
# alone agree with the bias of both? Give the correlation over the contrastively tuned networks for
# the measure of panel C.

# %%
your_correlation = None    # a number

part = table[(table["kind"] == "contrastive") & (table["measure"] == finer)]
if your_correlation is None:
    print("Hint: `table` has the columns original and bias.")
else:
    expected = np.corrcoef(part["original"], part["bias"])[0, 1]
    print("Right." if abs(your_correlation - expected) < 0.01 else "Which rows did you take?")

# %% tags=["solution"]
round(float(np.corrcoef(part["original"], part["bias"])[0, 1]), 3)

# %% [markdown]
# **Discuss.** (1) If Grad-CAM cannot show a preference for a side, what did the published panel
# show? (2) A network that reads one half only: what should *half removed* give, and what Grad-CAM?
# (3) Is the network's left the brain's left? What if the images were flipped on the way in?
#
# **References.** Mulrooney & Brockmeier (2024), arXiv 2410.06067 · Selvaraju et al. (2017), ICCV
# (Grad-CAM) · Draelos & Carin (2020), arXiv 2011.08891 (HiResCAM) · Kokhlikyan et al. (2020),
# arXiv 2009.07896 (Captum).
#
# Previous: [08 · Map the model landscape](08_map_the_model_landscape.ipynb) · Next:
# [10 · Decode brains to CLIP](10_decode_brains_to_clip.ipynb): which picture was it?
