# %% [markdown]
# # 09 · Which half of an image does a network look at?
#
# Mulrooney & Brockmeier (2024), Grad-CAM of left- and right-hemisphere models
# ([arXiv 2410.06067](https://arxiv.org/abs/2410.06067)).
# On two cores: three minutes after notebook 08 and 2 GB under `demo`, as much and 4 GB under
# `mini`; not measured under `paper`, which needs the Algonauts 2023 data, Caltech-256 and a GPU.

# %% [markdown]
# **Goal.** Early visual cortex of the left hemisphere sees the right half of the visual field, and
# the right hemisphere the left half. Does a network fine-tuned to one hemisphere come to look at
# that half of an image? The paper shows it on two photographs. We measure it on a whole set of
# images and their mirror images, with a control that cannot have learned it. The demo's receptive
# fields are contralateral by construction: we can ask which *measure* finds what we built in.
#
# **You will learn**
# - how Grad-CAM makes a saliency map, and what its averaging throws away;
# - how mirror images separate a network's bias from the images' content;
# - why a striking pair of images is not yet a measurement.

# %% tags=["parameters"]
profile = "demo"    # demo, mini, paper, or the path of your own TOML file
n_jobs = 2          # processes that fine-tune and measure; one where there is a GPU
n_images = 1        # in panel A

# %%
import numpy as np
import pandas as pd
import torch
from IPython.display import Markdown

from helpers import lab
from helpers.brains.layouts import open_cohort
from helpers.core.statistics import confidence_interval
from helpers.exercises import check
from helpers.figures import schematic, style
from helpers.figures.claims import ClaimsTable, round_numbers
from helpers.figures.deviations import deviation_table
from helpers.figures.verdicts import CLAIM, EXPLORATORY
from helpers.finetuning.study import FineTuningStudy

# %% [markdown]
# The notebook's own analysis: probes of notebook 08, and the package `helpers.saliency`.

# %%
from helpers.landscape.study import fit_probe, load_task
from helpers.networks.activations import select_layer_paths
from helpers.saliency import plots
from helpers.saliency.attribution import saliency
from helpers.saliency.laterality import contralateral_bias, hemifield_mass, laterality_index
from helpers.saliency.study import (
    METHODS, OCCLUSION, attach_probe, laterality_table, saliency_examples)

laboratory = lab.open(profile, notebook="09_see_lateralisation")
claims = ClaimsTable(laboratory.provenance)
style.use_style()
print(laboratory.provenance.line)

# %% [markdown]
# ## 1 · What this notebook does
#
# The images of a classification task (those of notebook 08) go through networks that were
# fine-tuned to one hemisphere. A map of each image shows where the network's decision comes from;
# the two halves of the map give one number. Here are the images, and the steps as a drawing.

# %%
laterality_spec, landscape_spec = map(laboratory.profile.table, ("laterality", "landscape"))
images = laboratory.images(*landscape_spec.tasks[laterality_spec.task].split("/", 1))
pair = [images.open(0), images.open(len(images) // 2)]
examples = [view for one in pair for view in (one, one.transpose(0))]    # 0: left to right
Step, region = schematic.Step, [(0.14, 0.5, style.HEMISPHERES["left"])]
schematic.draw_schematic([
    Step("images, mirrored", schematic.images(examples), "all held-out images"),
    Step("network of a hemisphere", schematic.brain(region), "fine-tuned to early\nregions"),
    Step("saliency map", schematic.matrix([[0, 1, 3, 2], [1, 2, 5, 4], [0, 1, 4, 3]]),
         "of the true class (A)"),
    Step("index of halves", schematic.formula(r"$\dfrac{right - left}{right + left}$"),
         "bias: B to E; laterality: F")],
    laboratory.provenance, alt="Four steps: images and their mirror images go into a network "
    "fine-tuned to one hemisphere; its saliency map is cut into halves; an index compares them.")

# %% [markdown]
# ## 2 · Networks for each hemisphere
#
# One network for each early region of each hemisphere of each participant, fine-tuned
# contrastively: images and responses that belong together are pulled together (notebook 05). For
# some regions there is a second network, fine-tuned to the same responses in **shuffled** order: no
# image was paired with its own response, so the training has no information on a half of the image.

# %%
spec, seed = laboratory.profile.table("finetuning"), laboratory.profile.seed
network, untrained = laboratory.network(spec.network), laboratory.network(spec.untrained)
cohort = open_cohort(laboratory, "finetuning_cohort")
common = {"seed": seed, "n_jobs": n_jobs}
finetuning_study = FineTuningStudy.from_cohort(cohort, spec, network, untrained, **common)
learning_rate = finetuning_study.learning_rate("contrastive")
study = FineTuningStudy.from_cohort(cohort, laterality_spec.finetuning_spec(spec, learning_rate),
                                    network, untrained, **common)
finetuned_models = [run for run in study.networks(["pretrained", "contrastive", "shuffled"])
                    if run.condition.name != "shuffled"
                    or run.metadata["roi"] in laterality_spec.shuffled_rois]
counts = pd.Series([run.condition.name for run in finetuned_models]).value_counts(sort=False)
print(f"networks: {counts.to_dict()}")

# %% [markdown]
# Each network classifies the images through a [linear probe](GLOSSARY.md#linear-probe), fitted to
# one of its layers on the other half of the images (notebook 08).

# %%
task = load_task(laterality_spec.task, images, network, laterality_spec.image_size,
                 landscape_spec.max_images)
print(f"{len(task.test_idx)} held-out images of {len(task.classes)} classes, "
      f"{task.pixels.shape[-1]} x {task.pixels.shape[-1]} pixels")

# %% [markdown]
# Three networks are looked at in detail: the pretrained one, and two of one participant and region,
# as published. How often do they recognise the held-out images?

# %%
def find_model(condition, hemisphere=None):
    """Return the network of the published panel: of one condition and hemisphere."""
    chosen = (laterality_spec.subject, laterality_spec.roi)
    return next(run for run in finetuned_models if run.condition.name == condition
                and (condition == "pretrained" or (run.donor, run.metadata["roi"]) == chosen)
                and hemisphere in (None, run.metadata["hemisphere"]))

sides = {"left ": "lh", "right ": "rh"} if laterality_spec.hemispheres == "apart" else {"": None}
panel_models = {"pretrained": find_model("pretrained")} | {
    f"{name}{laterality_spec.roi}": find_model("contrastive", side) for name, side in sides.items()}
log_probs = np.stack([fit_probe(run, task, landscape_spec.layer)["log_probs"]
                      for run in panel_models.values()])
accuracy = (log_probs.argmax(2) == task.test_labels).mean(1)
print("correct:", {name: f"{a:.0%}" for name, a in zip(panel_models, accuracy)},
      f"chance {1 / len(task.classes):.0%}")

# %% [markdown]
# A map of a class that a network does not see explains nothing. So panel A shows the image whose
# true class has the highest probability in the *least* sure of these networks. The maps play no
# part in the choice. (Where more images are asked for: of different classes.)

# %%
true_class = np.exp(log_probs[:, np.arange(len(task.test_idx)), task.test_labels])
order = np.argsort(-true_class.min(0), kind="stable")
_, first_of_class = np.unique(task.test_labels[order], return_index=True)
panel_image_idx = order[np.sort(first_of_class)][:n_images]
for image_idx in panel_image_idx:
    print(f"image {image_idx}, {task.classes[task.test_labels[image_idx]]}, p of this class:",
          {name: f"{p:.2f}" for name, p in zip(panel_models, true_class[:, image_idx])})

# %% [markdown]
# ## 3 · One class-activation map, by hand
#
# **Grad-CAM** (published) makes a [saliency map](GLOSSARY.md#attribution-map) in three steps. How much
# does the score $s$ of the true class grow with each feature map $A_c$, *averaged over all
# positions*? Add the maps up with these weights. Keep what is positive:
#
# $$\mathrm{ReLU}\Big(\sum_c \bar g_c\, A_c(x, y)\Big), \qquad
#   \bar g_c = \frac{1}{XY}\sum_{x, y} \frac{\partial s}{\partial A_c(x, y)}$$
#
# A map is empty where nothing is positive. So we take the first image, in the order of panel A,
# whose map is not.

# %%
shown_model = list(panel_models.values())[1]
model = attach_probe(shown_model, task, landscape_spec.layer)
paths = select_layer_paths(network.layers, laterality_spec.layers)
layer = model.trunk.get_submodule(paths[laterality_spec.layers[0]])
device = next(model.parameters()).device
some = order[:40]
image = shown_model.normalise(task.pixels[task.test_idx[some]], device)
label = torch.as_tensor(task.test_labels[some]).to(device)
is_filled = saliency(model, layer, image, label).amax((1, 2)) > 0
chosen = int(is_filled.int().argmax())
image, label = image[[chosen]], label[[chosen]]
print(f"{int(is_filled.sum())} of {len(some)} maps are not empty; we take the map of image",
      some[chosen])

# %% [markdown]
# One forward pass keeps the feature maps of the published layer; automatic differentiation gives
# the gradient of the score in them.

# %%
kept = []
hook = layer.register_forward_hook(lambda module, inputs, output: kept.append(output))
score = model(image.clone().requires_grad_())[0, label.item()]
hook.remove()
A, = kept
gradient, = torch.autograd.grad(score, A)
print(f"score {score.item():.2f}; feature maps and gradient: {tuple(A.shape)}, "
      "images x channels x height x width")

# %% [markdown]
# Now the equation. The same code with the gradient mirrored left to right gives the same map: the
# average over positions has forgotten where the gradient was.

# %%
def class_activation_map(A, gradient):
    weights = gradient.mean((2, 3), keepdim=True)    # one number per channel
    return torch.relu((weights * A).sum(1))[0].detach().cpu()

cam = class_activation_map(A, gradient)
half = cam.shape[1] // 2
left, right = cam[:, :half].sum(), cam[:, cam.shape[1] - half:].sum()
index = (right - left) / (right + left)
print(cam.numpy().round(2), f"\nleft {left:.2f}, right {right:.2f}, index {index:+.3f}")
torch.testing.assert_close(class_activation_map(A, gradient.flip(3)), cam)

# %% [markdown]
# The number is the [laterality index](GLOSSARY.md#laterality): −1 all left, +1 all right. The
# package computes maps of many images and layers in one backward pass; it must give the same.

# %%
fast = saliency(model, layer, image, label).cpu()
np.testing.assert_allclose(fast[0], cam, rtol=1e-4, atol=1e-5)
np.testing.assert_allclose(laterality_index(*hemifield_mass(fast[0].numpy())), index, rtol=1e-4)
print(f"the package's map and index agree with ours: {tuple(fast[0].shape)} positions")

# %% [markdown]
# ## 4 · Two measures that keep the place
#
# A convolution treats left and right alike. A network can only prefer a side *after* its
# convolutions, where every position has weights of its own. The gradient at a position knows this;
# its average does not. **HiResCAM** is Grad-CAM without the average: $g_c(x, y)$ in place of
# $\bar g_c$. And [hemifield occlusion](GLOSSARY.md#hemifield-occlusion) needs no gradient: the
# left, or the right, half of the image is set to grey, and we measure the change of the classes'
# scores. HiResCAM of the same image and network:

# %%
def hires_map(A, gradient):
    return torch.relu((gradient * A).sum(1))[0].detach().cpu()

for name, one in (("as it is", gradient), ("mirrored", gradient.flip(3))):
    its = hires_map(A, one)
    print(f"HiResCAM, gradient {name}: index "
          f"{float(laterality_index(*hemifield_mass(its.numpy()))):+.3f}")

# %% [markdown]
# ## 5 · Mirror images
#
# Images may have more to show on one side. So each image is shown twice, as it is and mirrored.
# Half the sum of the two indices is the network's **bias**: the side it prefers whatever is there.
# Half the difference is the images' **content**. Positive means right. The means over the networks
# of each hemisphere (lh left, rh right):

# %%
table = laterality_table(study, finetuned_models, task, landscape_spec.layer,
                         laterality_spec.layers)
measures = list(dict.fromkeys(table["measure"]))
published_measure, fine_measure = (f"{METHODS[0]} {laterality_spec.layers[0]}",
                                   f"{METHODS[1]} {laterality_spec.layers[-1]}")
table.groupby(["condition", "measure", "hemisphere"], sort=False)[
    ["original", "mirrored", "bias", "content"]].mean().round(3)

# %% [markdown]
# A map can be empty: nothing was positive, and the index is undefined. How many of the held-out
# images have an index, as they are and mirrored?

# %%
n_defined = table.groupby("measure", sort=False)["n"].mean()
print(f"images with an index, of {len(task.test_idx)}, mean over networks:",
      n_defined.round(1).to_dict())

# %% [markdown]
# If networks prefer the half of their region's
# [receptive fields](GLOSSARY.md#receptive-field), left hemispheres are positive and right ones
# negative. **Laterality** is therefore half the bias of the left hemisphere's networks minus half
# that of the right one's, within participants: above 0 is contralateral. What all networks have in
# common, the pretrained one included, drops out. By every measure, with its 95 % interval over
# participants:

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
regions = pd.DataFrame([
    {"roi": roi, "measure": measure,
     **summary(contralateral_bias(table, "contrastive", measure, [roi]))}
    for roi in laterality_spec.rois for measure in measures])
regions.set_index(["measure", "roi"]).sort_index(level="measure", sort_remaining=False).round(3)

# %% [markdown]
# ## 6 · The figure
#
# **A** repeats the published panel on one image, by the published measure and by the finer one. In
# the published figure two of the probabilities are exchanged; here each belongs to its network and
# view.

# %%
where = {published_measure: (METHODS[0], laterality_spec.layers[0]),
         fine_measure: (METHODS[1], laterality_spec.layers[-1])}
examples = {int(place): {measure: saliency_examples(
    list(panel_models.values()), list(panel_models), task, landscape_spec.layer, name, int(place),
    method=method) for measure, (method, name) in where.items()} for place in panel_image_idx}
print(f"{len(examples)} image, {len(where)} measures, {len(panel_models)} networks, 2 views")

# %% [markdown]
# The maps go on top of the figure, one block of rows for each image.

# %%
figure = style.new_figure(4.8 + 2 * len(examples), alt="""A: an image and its mirror image with
    coarse Grad-CAM maps and finer HiResCAM maps of the pretrained network and of networks of the
    left and the right hemisphere. B to E: dots with intervals, the bias of every network by three
    measures and of the control. F: intervals of laterality by five measures, for true and for
    shuffled pairs, around a line at 0.""")
grid = figure.add_gridspec(len(examples) + 2, 1, hspace=0.6, left=0.1, right=0.94, top=0.93,
                           bottom=0.085, height_ratios=[2] * len(examples) + [1.5, 1.3])
for row, its in enumerate(examples.values()):
    corner = plots.saliency_maps_panel(figure, grid[row], its)
    if row == 0:
        style.panel_letter(corner, "A", x=-0.35)

# %% [markdown]
# **B-D** ask whether networks of the two hemispheres lean to opposite sides, by three measures on
# one scale; **E** asks it of the control.

# %%
middle = grid[-2].subgridspec(1, 4, wspace=0.14, width_ratios=[3, 3, 3, 1.5]).subplots(sharey=True)
n_participants = table.loc[table["condition"] == "contrastive", "donor"].nunique()
panels = [("B", published_measure, "contrastive", laterality_spec.rois),
          ("C", fine_measure, "contrastive", laterality_spec.rois),
          ("D", OCCLUSION, "contrastive", laterality_spec.rois),
          ("E", OCCLUSION, "shuffled", laterality_spec.shuffled_rois)]
for axes, (letter, measure, condition, rois) in zip(middle, panels):
    its = table[(table["condition"] == condition) & (table["measure"] == measure)]
    plots.laterality_dots(axes, its, rois)
    axes.set_title(measure if condition == "contrastive" else "shuffled pairs")
    style.panel_letter(axes, letter, x=-0.02)
middle[0].set(ylabel="bias (− left, + right)")
middle[1].set(xlabel=f"early region; dots: {n_participants} participants, 95 % over images")
plots.hemisphere_legend(middle[0])

# %% [markdown]
# **F** puts the answer of all measures side by side. Then all is saved, and shown.

# %%
axes = figure.add_subplot(grid[-1].subgridspec(1, 2, width_ratios=[0.08, 0.92])[1])
plots.laterality_intervals(axes, effects)
axes.set(xlabel=f"laterality (above 0: contralateral); mean, 95 % interval, n = {n_participants}")
style.panel_letter(axes, "F", x=-0.2)
png = style.save_figure(figure, laboratory.provenance, {
    "A": pd.DataFrame([{"image": place, "measure": measure, "network": example.network,
                        "view": example.view, "class": example.true_class,
                        "probability": example.probability}
                       for place, by_measure in examples.items()
                       for measure, its in by_measure.items() for example in its]),
    "BCDE": table, "F": effects, "regions": regions})

# %% [markdown]
# **Figure 09.** **A** An image and its mirror image, and saliency maps of three networks
# (pretrained; fine-tuned to the left and to the right hemisphere of one participant's region), by
# the published measure and by the finer one; a square is a position of the feature maps; dotted:
# the middle; *p*: the probability of the true class of that network for that view. **B-D** Bias of
# every contrastively fine-tuned network by three measures: a marker is one region of one
# participant, its thin line the 95 % interval over images, black the mean. **E** The same for
# networks fine-tuned to shuffled pairs. **F** Laterality by every measure: mean and 95 % interval
# over participants (Student's *t*). The stamp says whether the data are REAL or SYNTHETIC.

# %% [markdown]
# ## 7 · Claims
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

# %% [markdown]
# Is it the frame's side, whatever the image? In the coordinates of the image, a preference of the
# network changes its sign when the image is mirrored. And is it the pairs of images and responses
# that make a network lateralised?

# %%
shuffled_rois, beyond = laterality_spec.shuffled_rois, {
    "source": "beyond the paper", "kind": EXPLORATORY}
for measure in (fine_measure, OCCLUSION):
    claims.interval(f"In the mirrored images' own coordinates the sign flips ({measure})",
                    -contralateral_bias(table, "contrastive", measure, laterality_spec.rois,
                                        "mirrored"), "below 0", paper="two images",
                    of="laterality on mirrored images, turned back", **beyond)
    shuffled, true = (contralateral_bias(table, condition, measure, shuffled_rois)
                      for condition in ("shuffled", "contrastive"))
    claims.interval(f"A network fine-tuned to shuffled pairs prefers no side ({measure})", shuffled,
                    "around 0", within=0.05, paper="–",
                    of="laterality (a twentieth of the largest possible)", **beyond)
    claims.interval(f"Only true pairs make a network lateralised ({measure})", true - shuffled,
                    "above 0", of="laterality, contrastive minus shuffled, same regions", paper="–",
                    **beyond)

# %% [markdown]
# The paper speaks of early regions, and shows one. By its measure, is every region contralateral?
# By the other measures this is not judged: the table of regions and panels C and D show it.

# %%
its = regions[regions["measure"] == published_measure].set_index("roi")
claims.intervals(f"Every early region, by itself, is contralateral ({published_measure})",
                 {roi: (row["mean"], row["low"], row["high"]) for roi, row in its.iterrows()},
                 "above 0", of="laterality of each region over participants",
                 df=int(its["n"].min()) - 1, source="abstract", paper="left and right V2v shown")
for condition in rois_by_condition:
    values = effects[effects["condition"] == condition].set_index("measure")["mean"]
    claims.number(f"laterality, {condition}", round_numbers(values.to_dict(), 3))
path = claims.save()
print(claims.text())

# %% [markdown]
# The verdicts alone are the same on every machine:

# %%
# NBVAL_CHECK_OUTPUT
print(claims.verdicts())

# %% [markdown]
# ## 8 · What we see, what the paper says, why they differ
#
# Averaging a gradient over positions, and multiplying it with maps that know no left or right,
# cannot show a preference that lies in the weights behind the maps. Section 3 shows this on one
# image: the mirrored gradient gives the same map. What Grad-CAM says of sides comes from the
# feature maps themselves, that is, from the images and from the edges of the frame. The measures
# that keep the place can answer the question:

# %% tags=["prose"]
def shown_effect(measure, condition="contrastive"):
    row = effects.set_index(["condition", "measure"]).loc[(condition, measure)]
    return (f"{row['mean']:+.3f} [{row['low']:.3f}, {row['high']:.3f}]"
            if np.isfinite(row["mean"]) else "–")

look = "Networks look at the contralateral half"
lines = [f"| {measure} | {shown_effect(measure)} | {shown_effect(measure, 'shuffled')} | "
         f"{claims.verdict(f'{look} ({measure})')} |" for measure in sources]
Markdown("\n".join(["| measure | laterality, true pairs | shuffled pairs | contralateral? |",
                    "|---|---|---|---|", *lines]))

# %% [markdown]
# A verdict can be *inconclusive* although the interval lies beside 0. Each network was trained
# once, there are few participants, and training on a machine that rounds differently moves an
# interval by as much as it lies away from 0. Where this was seen, the rule of the claim says so.
# The control and the mirror images decide whether a side comes from the pairs:

# %% tags=["prose"]
true_only, flips, none = ({measure: claims.verdict(f"{words} ({measure})")
                           for measure in (fine_measure, OCCLUSION)} for words in (
    "Only true pairs make a network lateralised",
    "In the mirrored images' own coordinates the sign flips",
    "A network fine-tuned to shuffled pairs prefers no side"))
Markdown("\n".join(f"- {measure}: the sign flips with the image, *{flips[measure]}*; only true "
                   f"pairs make a network lateralised, *{true_only[measure]}*; shuffled pairs "
                   f"leave it without a side, *{none[measure]}*." for measure in true_only))

# %% [markdown]
# The published conclusion may well be right, but its figure is weak evidence for it: two images on
# which Grad-CAM seems to show a side are easily found in any network. What one would need is a
# measure that keeps positions, many images, their mirror images, and a network that was fine-tuned
# to shuffled pairs. The measure should also be taken early enough: deep in the network a position
# has seen nearly the whole image, and its place means little.
#
# Our demo differs from the paper in size, in the number of voxels (some thirty a region, not
# hundreds) and in accuracy: "the true class" is often not what the network would say.

# %% tags=["prose"]
size = "{} x {}".format(*cam.shape)
named = ", ".join(f"{name} {a:.0%}" for name, a in zip(panel_models, accuracy))
Markdown(f"""In this run the images have {task.pixels.shape[-1]} pixels a side, and the published
layer {size} positions (AlexNet at 224 pixels: 6 x 6). Held-out images classified correctly: {named}
(chance {1 / len(task.classes):.0%}). The published measure has an index for
{n_defined[published_measure]:.0f} of {len(task.test_idx)} images on average: the others' maps are
empty.""")

# %% [markdown]
# Under `mini` the files do not separate the hemispheres: the panel is drawn, and the claims say
# that these data cannot tell.

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
# **Read.** Take the table of section 5 (bias by hemisphere), condition *contrastive*, and the
# measure of panel C. Return the laterality as one number, computed from the two biases that you
# read. Compare it with the table of laterality below it.

# %% tags=["exercise"]
your_laterality = None    # a number with three decimals

# %% tags=["solution"]
bias = table[(table["condition"] == "contrastive") & (table["measure"] == fine_measure)].groupby(
    "hemisphere")["bias"].mean().reindex(["lh", "rh"]).round(3)
your_laterality = (bias["lh"] - bias["rh"]) / 2

# %% tags=["check"]
# NBVAL_CHECK_OUTPUT
lh, rh = (table[(table["condition"] == "contrastive") & (table["measure"] == fine_measure)
                & (table["hemisphere"] == side)]["bias"].mean() for side in ("lh", "rh"))
laterality = (lh - rh) / 2
# The table shows three decimals: an answer from it may be off by half a thousandth.
_ = check(your_laterality, laterality, tolerance=max(0.02, 0.0006 / abs(laterality)),
          hint="Half the bias of the left hemisphere's networks minus half that of the right's.",
          wrong={"Half of the difference: bias runs from -1 to 1, so should laterality.": lh - rh,
                 "That is what both have in common. Take the difference.": (lh + rh) / 2,
                 "Left minus right: the left hemisphere sees the right half.": (rh - lh) / 2,
                 "Only one hemisphere: what all networks share would stay in.": lh})

# %% [markdown]
# **Change.** Panel A shows one image. Take HiResCAM in the finer layer,
# `laterality_spec.layers[-1]`, and the network of section 3 (`model`, whose images go through
# `shown_model.normalise`), but change the image to the first twenty held-out images, as they are.
# Return the mean of their laterality indices, one number. (`saliency` takes all images at once.)

# %% tags=["exercise"]
mean_index = None    # a number from -1 to 1

# %% tags=["solution"]
twenty = shown_model.normalise(task.pixels[task.test_idx[:20]], device)
finer = saliency(model, model.trunk.get_submodule(paths[laterality_spec.layers[-1]]), twenty,
                 torch.as_tensor(task.test_labels[:20]).to(device), method="HiResCAM")
mean_index = np.nanmean(laterality_index(*hemifield_mass(finer.cpu().numpy())))

# %% tags=["check"]
# NBVAL_CHECK_OUTPUT
def twenty_maps(place=-1, method="HiResCAM", view=1, start=0):
    pixels = np.array(task.pixels[task.test_idx[start:start + 20]][..., ::view])
    classes = torch.as_tensor(task.test_labels[start:start + 20]).to(device)
    module = model.trunk.get_submodule(paths[laterality_spec.layers[place]])
    return saliency(model, module, shown_model.normalise(pixels, device), classes,
                    method=method).cpu().numpy()

mean_of = lambda maps: float(np.nanmean(laterality_index(*hemifield_mass(maps))))
_ = check(mean_index, mean_of(twenty_maps()), tolerance=0.02,
          hint="As in section 3, with twenty images; the mean comes after the index.",
          wrong={"That is the published layer.": mean_of(twenty_maps(0)),
                 "That is Grad-CAM: say method='HiResCAM'.": mean_of(twenty_maps(-1, "Grad-CAM")),
                 "That is the index of the summed maps: first the index, then the mean.":
                     mean_of(twenty_maps().sum(0, keepdims=True)),
                 "These are the mirror images.": mean_of(twenty_maps(view=-1))})

# %% [markdown]
# **Extend.** Write HiResCAM, and its index, from the equations alone. The function takes feature
# maps and their gradients, two arrays of shape (n_channels, height, width), and returns the
# laterality index of the map. A middle column of an odd width belongs to neither half.

# %% tags=["exercise"]
def hires_index(feature_maps, gradients):
    """Return the laterality index of the HiResCAM map of one image."""
    raise NotImplementedError

# %% tags=["solution"]
def hires_index(feature_maps, gradients):
    """Return the laterality index of the HiResCAM map of one image."""
    saliency_map = np.maximum((gradients * feature_maps).sum(0), 0)
    half = saliency_map.shape[1] // 2
    left = saliency_map[:, :half].sum()
    right = saliency_map[:, saliency_map.shape[1] - half:].sum()
    return (right - left) / (right + left)

# %% tags=["check"]
# NBVAL_CHECK_OUTPUT
def index_of(saliency_map):
    return float(laterality_index(*hemifield_mass(saliency_map)))

def with_middle(A, g):
    columns = np.maximum((g * A).sum(0), 0).sum(0)
    return (2 * columns[len(columns) // 2:].sum() - columns.sum()) / columns.sum()

rng = np.random.default_rng(0)
on = [tuple(rng.normal(size=(2, 8, 5, width))) for width in (4, 5, 7)]
right_way = lambda A, g: index_of(np.maximum((g * A).sum(0), 0))

_ = check(hires_index, right_way, on=on, hint="Multiply, sum over channels, ReLU; then the halves.",
          wrong={"That is Grad-CAM: do not average the gradient.": lambda A, g: index_of(
                     np.maximum((g.mean((1, 2), keepdims=True) * A).sum(0), 0)),
                 "First the sum over channels, then the ReLU.":
                     lambda A, g: index_of(np.maximum(g * A, 0).sum(0)),
                 "The middle column belongs to neither half.": with_middle,
                 "Right minus left.": lambda A, g: -right_way(A, g)})

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
