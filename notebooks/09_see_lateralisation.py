# %% [markdown]
# # 09 · Which half of an image does a network look at?
#
# Mulrooney & Brockmeier (2024), Grad-CAM of left- and right-hemisphere models
# ([arXiv 2410.06067](https://arxiv.org/abs/2410.06067)).
# On two cores: three minutes after notebook 08 and 2 GB under `demo`; not measured under `mini`;
# nor under `paper`, which needs the Algonauts 2023 data, Caltech-256 and a GPU.

# %% [markdown]
# **Goal.** Early visual cortex of the left hemisphere sees the right half of the visual field, and
# the right hemisphere the left half. A network fine-tuned to one hemisphere might come to look at
# that half. The paper shows it on two photographs. We measure it: over a whole set of images, for
# every early region of each hemisphere, on the images and on their mirror images, with a control
# that cannot have learned it. In the demo the receptive fields are contralateral because we built
# them so: the right answer is known, and we can ask which *measure* finds it.
#
# **You will learn**
# - how Grad-CAM makes a map of saliency, and what its averaging throws away;
# - how mirror images separate a network's bias from the images' content;
# - why a striking pair of images is not yet a measurement.

# %% tags=["parameters"]
profile = "demo"    # demo, mini, paper, or the path of your own TOML file
n_jobs = 2          # processes that fine-tune and measure; one where there is a GPU
n_images = 2        # in the panel of images
# probability of the true class, of the pretrained network, for images in the panel
min_probability = 0.75

# %%
import numpy as np
import pandas as pd
from IPython.display import Markdown

from helpers import lab
from helpers.brains.layouts import open_cohort
from helpers.core.statistics import confidence_interval
from helpers.figures import style
from helpers.figures.claims import ClaimsTable, round_numbers
from helpers.figures.deviations import deviation_table
from helpers.figures.verdicts import CLAIM, EXPLORATORY
from helpers.finetuning.study import FineTuningStudy
from helpers.landscape.study import fit_probe, load_task
from helpers.saliency import plots
from helpers.saliency.laterality import contralateral_bias
from helpers.saliency.study import METHODS, OCCLUSION, laterality_table, saliency_examples

laboratory = lab.open(profile, notebook="09_see_lateralisation")
claims = ClaimsTable(laboratory.provenance)
style.use_style()
print(laboratory.provenance.line)

# %% [markdown]
# ## 1 · Networks for each hemisphere
#
# One network for each early region of each hemisphere of each participant, fine-tuned
# contrastively; for some regions a second one, fine-tuned to the same responses in **shuffled**
# order: no image was paired with its own response, so the training has no information on a half of
# the image. Each network classifies the images of a task through a linear probe (notebook 08).

# %%
spec, seed = laboratory.profile.table("finetuning"), laboratory.profile.seed
laterality_spec, landscape_spec = (laboratory.profile.table(name) for name in ("laterality",
                                                                               "landscape"))
network, untrained = laboratory.network(spec.network), laboratory.network(spec.untrained)
cohort = open_cohort(laboratory, "finetuning_cohort")
finetuning_study = FineTuningStudy.from_cohort(cohort, spec, network, untrained, seed=seed,
                                               n_jobs=n_jobs)
learning_rate = finetuning_study.learning_rate("contrastive")
study = FineTuningStudy.from_cohort(cohort, laterality_spec.finetuning_spec(spec, learning_rate),
                                    network, untrained, seed=seed, n_jobs=n_jobs)
finetuned_models = [run for run in study.networks(["pretrained", "contrastive", "shuffled"])
                    if run.condition.name != "shuffled"
                    or run.metadata["roi"] in laterality_spec.shuffled_rois]
images = laboratory.images(*landscape_spec.tasks[laterality_spec.task].split("/", 1))
task = load_task(laterality_spec.task, images, network, laterality_spec.image_size,
                 landscape_spec.max_images)
counts = pd.Series([run.condition.name for run in finetuned_models]).value_counts(sort=False)
print(counts.to_dict(),
      f"networks; {len(task.test_idx)} held-out images of {len(task.classes)} classes")

# %% [markdown]
# ## 2 · Three attribution methods
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
# $g_c(x, y)$ in place of $\bar g_c$. And **hemifield occlusion** needs no gradient: the left, or
# the right, half of the image is set to grey, and we measure the change of the classes' scores.
#
# Of each map, or each pair of changes, we take one number: (right - left) / (right + left).
#
# ## 3 · Mirror images
#
# Images may have more to show on one side. So each image is shown twice, as it is and mirrored.
# Half the sum of the two indices is the network's **bias**: the side it prefers whatever is there.
# Half the difference is the images' **content**.

# %%
table = laterality_table(study, finetuned_models, task, landscape_spec.layer,
                         laterality_spec.layers)
measures = list(dict.fromkeys(table["measure"]))
published_measure, fine_measure = (f"{METHODS[0]} {laterality_spec.layers[0]}",
                                   f"{METHODS[1]} {laterality_spec.layers[-1]}")
table.groupby(["condition", "measure", "hemisphere"], sort=False)[
    ["original", "mirrored", "bias", "content"]].mean().round(3)

# %% [markdown]
# Positive: right. If networks prefer the half of their region's receptive fields, left hemispheres
# (lh) are positive and right ones (rh) negative. **Laterality** is therefore half the bias of the
# left hemisphere's networks minus half that of the right one's, within participants: above 0 is
# contralateral. What all networks have in common, the pretrained one included, drops out.

# %%
def summary(values):
    low, high = confidence_interval(values.to_numpy()) if len(values) else (np.nan, np.nan)
    mean = values.to_numpy().mean() if len(values) else np.nan
    return {"mean": mean, "low": low, "high": high, "n": len(values)}

rois_by_condition = {"contrastive": laterality_spec.rois, "shuffled": laterality_spec.shuffled_rois}
effects = pd.DataFrame([{"condition": condition, "measure": measure,
                         **summary(contralateral_bias(table, condition, measure, rois))}
                        for condition, rois in rois_by_condition.items() for measure in measures])
effects.set_index(["condition", "measure"]).round(3)

# %% [markdown]
# Region by region, by every measure:

# %%
regions = pd.DataFrame([{"roi": roi, "measure": measure, **summary(contralateral_bias(
    table, "contrastive", measure,
    [roi]))} for roi in laterality_spec.rois for measure in measures])
regions.set_index(["measure", "roi"]).sort_index(level="measure", sort_remaining=False).round(3)

# %% [markdown]
# ## 4 · The published panel
#
# Two images that the pretrained network is sure of, the first ones among the held-out images, of
# different classes; pretrained, left and right network; original and mirrored; by the published
# measure, and below by the finer one. Over each stands the probability of the true class *of that
# network for that view*. (In the published figure two of these numbers are exchanged.)

# %%
def find_model(condition, hemisphere=None):
    if condition == "pretrained":
        return next(run for run in finetuned_models if run.condition.name == condition)
    return next(run for run in finetuned_models if run.condition.name == condition
                and run.donor == laterality_spec.subject
                and run.metadata["roi"] == laterality_spec.roi
                and hemisphere in (None, run.metadata["hemisphere"]))

tuned_to = [("left ", "lh"),
            ("right ", "rh")] if laterality_spec.hemispheres == "apart" else [("", None)]
panel = [("pretrained", find_model("pretrained")),
         *((f"{name}{laterality_spec.roi}",
            find_model("contrastive", side)) for name, side in tuned_to)]

# %%
log_probs = fit_probe(panel[0][1], task, landscape_spec.layer)["log_probs"]
true_class_probability = np.exp(log_probs[np.arange(len(log_probs)), task.test_labels])
# the sure ones first, in their order
order = np.argsort(true_class_probability < min_probability, kind="stable")
_, first = np.unique(task.test_labels[order], return_index=True)
panel_image_idx = order[np.sort(first)][:n_images]
names, panel_models = zip(*panel)
examples = {(int(image), measure): saliency_examples(panel_models, names, task,
                                                     landscape_spec.layer, where, int(image),
                                                     method=method)
            for image in panel_image_idx for measure, method, where in (
                (published_measure, METHODS[0], laterality_spec.layers[0]),
                (fine_measure, METHODS[1], laterality_spec.layers[-1]))}

# %% [markdown]
# ## 5 · The figure

# %%
figure = style.new_figure(4.4 + 1.3 * len(examples))
lines = figure.add_gridspec(2, 1, hspace=0.18, left=0.08, right=0.985, top=0.96, bottom=0.085,
                            height_ratios=[1.3 * len(examples), 4.2])
above = lines[0].subgridspec(len(examples), 2 * len(panel), wspace=0.06, hspace=0.32).subplots()
for line, ((_, measure), line_examples) in zip(above, examples.items()):
    for axes, example in zip(line, line_examples):
        plots.saliency_panel(axes, example)
    line[0].text(-0.08, 0.5, measure, transform=line[0].transAxes, rotation=90, fontsize=6,
                 ha="right", va="center")
style.panel_letter(above[0, 0], "A", x=-0.25)

# %%
below = lines[1].subgridspec(2, 3, wspace=0.35, hspace=0.75, width_ratios=[1, 1, 1.05])
dots = {"B": published_measure, "C": fine_measure, "D": OCCLUSION}
for place, (letter, measure) in zip(((0, 0), (0, 1), (1, 0)), dots.items()):
    axes = figure.add_subplot(below[place])
    plots.laterality_dots(axes, table[(table["condition"] == "contrastive")
                                      & (table["measure"] == measure)],
                          laterality_spec.rois)
    axes.set(title=measure, ylabel="left  -  bias  -  right")
    style.panel_letter(axes, letter, x=-0.2)
axes = figure.add_subplot(below[1, 1])
plots.laterality_dots(axes, table[(table["condition"] == "shuffled")
                                  & (table["measure"] == OCCLUSION)],
                      laterality_spec.shuffled_rois)
axes.set(title=f"{OCCLUSION}, shuffled pairs", ylabel="left  -  bias  -  right")
style.panel_letter(axes, "E", x=-0.2)

# %%
axes = figure.add_subplot(below[:, 2])
colour = {"contrastive": "royalblue", "shuffled": "tan"}
rows = effects.assign(label=effects["measure"].str.replace(" ", "\n", n=1),
                      colour=effects["condition"].map(colour))
plots.effect_intervals(axes, rows)
axes.set(xlabel="laterality (above 0: contralateral)", title="contrastive (blue), shuffled (tan)")
style.panel_letter(axes, "F", x=-0.35)
style.top_legend(figure, [style.plt.Line2D([], [], color=tone, marker=".", linestyle="none",
                                           label=name) for name, tone in (
    ("left hemisphere", "royalblue"), ("right hemisphere", "crimson"))], loc="lower left")

# %%
style.save_figure(figure, laboratory.provenance, {
    "A": pd.DataFrame([{"image": image, "network": example.network, "view": example.view,
                        "class": example.true_class, "probability": example.probability}
                       for (image, _), line_examples in examples.items()
                       for example in line_examples]),
    "BCDE": table, "F": effects, "regions": regions})
figure

# %% [markdown]
# **Figure 09.** **A** Saliency over images as networks saw them, by the published measure and by
# the finer one: pretrained, fine-tuned to the left and to the right hemisphere, each for the image
# and its mirror image; dotted: the middle; above: probability of the true class. **B-D** Bias of
# every network, by three measures; a dot a participant's region, thin line: its 95 % interval over
# images; black: mean. **E** The same for networks fine-tuned to shuffled pairs. **F** Laterality:
# mean and 95 % interval over participants, by every measure. The stamp says whether the data are
# REAL or SYNTHETIC.

# %% [markdown]
# ## 6 · Claims
#
# Rules were fixed before the whole run. A trial with fifteen networks had been seen, and the three
# measures below were chosen after it. So only the claims by the published measure count as such;
# those by the two others are *exploratory*, and the table shows all measures and which claims
# there are by each. One thing was changed later: *hemifield occlusion* first measured how far the
# probabilities move (total variation), as in the trial it had not; they saturate when half an
# image is gone, and gave a laterality of +.019 [-.006, .044]. Each claim is judged by its own
# interval, not corrected for the number of claims; the last line of the list says which verdicts
# Holm's rule over all of them would change.

# %%
sources = {published_measure: ("Grad-CAM figure", "opposite halves, two images"),
           fine_measure: ("beyond the paper", "–"),
           OCCLUSION: ("beyond the paper", "–")}
kinds = dict.fromkeys(sources, EXPLORATORY) | {published_measure: CLAIM}
for measure, (source, paper) in sources.items():
    claims.interval(f"Networks look at the contralateral half ({measure})",
                    contralateral_bias(table, "contrastive", measure, laterality_spec.rois),
                    "above 0", of="laterality", source=source, paper=paper, kind=kinds[measure])
effects.assign(**{"claims by it": effects["measure"].map(kinds).fillna("none")}).set_index(
    ["condition", "measure"]).round(3)

# %%
for measure in (fine_measure, OCCLUSION):
    claims.interval(f"In the mirrored images' own coordinates the sign flips ({measure})",
                    -contralateral_bias(table, "contrastive", measure, laterality_spec.rois,
                                        "mirrored"),
                    "below 0", of="laterality on mirrored images, turned back",
                    source="beyond the paper", paper="two images", kind=EXPLORATORY)
    shuffled, true = (contralateral_bias(table, condition, measure, laterality_spec.shuffled_rois)
                      for condition in ("shuffled", "contrastive"))
    claims.interval(f"A network fine-tuned to shuffled pairs prefers no side ({measure})", shuffled,
                    "around 0", within=0.05, source="beyond the paper", paper="–",
                    of="laterality (a twentieth of the largest possible)", kind=EXPLORATORY)
    claims.interval(f"Only true pairs make a network lateralised ({measure})", true - shuffled,
                    "above 0", of="laterality, contrastive minus shuffled, same regions",
                    source="beyond the paper", paper="–", kind=EXPLORATORY)

# %%
for measure in sources:
    part = regions[regions["measure"] == measure].set_index("roi")
    claims.intervals(f"Every early region, by itself, is contralateral ({measure})",
                     {roi: (row["mean"], row["low"], row["high"]) for roi, row in part.iterrows()},
                     "above 0", of="laterality of each region over participants",
                     df=int(part["n"].min()) - 1, source="abstract",
                     paper="left and right V2v shown", kind=kinds[measure])
for condition in rois_by_condition:
    values = effects[effects["condition"] == condition].set_index("measure")["mean"]
    claims.number(f"laterality, {condition}", round_numbers(values.to_dict(), 3))

# %%
path = claims.save()
print(claims.text())

# %%
# NBVAL_CHECK_OUTPUT
print(claims.verdicts())

# %% [markdown]
# ## 7 · What we see, what the paper says, why they differ
#
# Where the gradient keeps its place (C), networks of the left hemisphere lean right and those of
# the right hemisphere left, on the mean of regions and participants, and the sign flips with the
# image. Taking half of the image away says the same, without any gradient. How sure that is,
# the claims tell: each network was trained once, there are four participants, and training on a
# machine that rounds differently moves an interval by as much as it lies away from zero. Grad-CAM,
# at its published layer or at a finer one, is scattered around zero whatever the machine. This is
# no accident of the demo: averaging a gradient over positions and then multiplying with maps that
# know no left or right cannot show a preference that lives in the weights behind them. Two images
# on which it seems to show one are easily found in any network.
#
# So the published conclusion may well be right, but its figure is weak evidence for it. What one
# would need: a measure that keeps positions, many images, their mirror images, and a network that
# was fine-tuned to shuffled pairs. The measure should also be taken early enough: deep in the
# network a position has seen nearly the whole image, and its place means little.
#
# Our demo differs from the paper in size (96 px, five by five positions at most where AlexNet has
# thirteen), in the number of voxels (some thirty a region, not hundreds) and in what is forgotten:
# the demo's networks lose many of their classes (notebook 08), so "the true class" is often not
# what they would say. Under `mini` the files do not separate the hemispheres: the panel is drawn,
# and the claims say that these data cannot tell.

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
# **Read.** Which region's networks are the most lateralised by the measure of panel C?

# %%
your_region = None    # one of the early regions

if your_region is None:
    print("Hint: `regions` has a row for each region and measure.")
else:
    part = regions[regions["measure"] == fine_measure].set_index("roi")["mean"]
    print("Right." if your_region == part.idxmax() else "Did you take the right measure?")

# %% tags=["solution"]
regions[regions["measure"] == fine_measure].set_index("roi")["mean"].round(3)

# %% [markdown]
# **Change.** Set `min_probability = 0.3` in the parameters, and look at other images in panel A.
# How many pairs do you need until one seems to show what you expect?
#
# **Extend.** Are mirror images worth the trouble? How well does the index of the original images
# alone agree with the bias of both? Give the correlation over the contrastively fine-tuned networks
# for the measure of panel C.

# %%
your_correlation = None    # a number

part = table[(table["condition"] == "contrastive") & (table["measure"] == fine_measure)]
if your_correlation is None:
    print("Hint: `table` has the columns original and bias.")
else:
    expected = np.corrcoef(part["original"], part["bias"])[0, 1]
    print("Right." if abs(your_correlation - expected) < 0.01 else "Which rows did you take?")

# %% tags=["solution"]
round(float(np.corrcoef(part["original"], part["bias"])[0, 1]), 3)

# %% [markdown]
# **Discuss.** (1) If Grad-CAM cannot show a preference for a side, what did the published panel
# show? (2) A network that reads one half only: what should *hemifield occlusion* give, and what
# Grad-CAM? (3) Is the network's left the brain's left? What if the images were flipped on the way
# in?
#
# **References.** Mulrooney & Brockmeier (2024), arXiv 2410.06067 · Selvaraju et al. (2017), ICCV
# (Grad-CAM) · Draelos & Carin (2020), arXiv 2011.08891 (HiResCAM) · Kokhlikyan et al. (2020),
# arXiv 2009.07896 (Captum).
#
# Previous: [08 · Map the model landscape](08_map_the_model_landscape.ipynb) · Next:
# [10 · Decode brains to CLIP](10_decode_brains_to_clip.ipynb): which image was it?
