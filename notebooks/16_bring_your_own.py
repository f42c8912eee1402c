# %% [markdown]
# # 16 · What do your own network, images and brain data say?
#
# No paper: what notebooks 01, 05 and 15 measure, on a network, images and responses that the
# package does not know ([own_brain.md](../docs/own_brain.md)).
# On two cores: half a minute and 1.2 GB under `demo` and `mini`; under `paper` not measured.

# %% [markdown]
# **Goal.** You have a network of your own, images of your own, and an array of responses that were
# measured in one participant. Which units prefer a category, which layer predicts which region, and
# which layer finds the same images similar as a region does? One call, `compare`, answers all
# three, for a network that is written down in this notebook and named nowhere else. To have
# something to compare, the network is measured before and after a short training.
#
# **You will learn**
# - what a network, images and responses must look like, and what is checked before work begins;
# - how one number of the tables is computed, by hand;
# - why the same network before training, and shuffled responses, belong beside every such table.

# %% tags=["parameters"]
profile = "demo"       # demo, mini, paper, or the path of your own TOML file
n_responses = 120      # images with responses (at most)
n_per_domain = 120     # localizer images of each domain (at most), half to train, half to test
n_steps = 150          # training steps
n_seeds = 3            # networks, which differ in their initial weights
learning_rate = 0.003  # of Adam

# %%
from collections import OrderedDict
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
import torch
from IPython.display import Markdown
from scipy import stats
from torch import nn

from helpers import lab
from helpers.brains.layouts import open_cohort, read_cohort
from helpers.compare import compare
from helpers.core.errors import LabError
from helpers.encoding.cohort_responses import read_responses, used_conditions
from helpers.exercises import check
from helpers.figures import schematic, style
from helpers.figures.claims import ClaimsTable, round_numbers
from helpers.figures.deviations import deviation_table
from helpers.figures.verdicts import CHECK
from helpers.networks.activations import extract_activations
from helpers.networks.registry import Preprocessing
from helpers.stimuli.domains import intact_domains
from helpers.stimuli.image_sets import image_folder

laboratory = lab.open(profile, notebook="16_bring_your_own")
claims = ClaimsTable(laboratory.provenance)
style.use_style()
print(laboratory.provenance.line)

# %% [markdown]
# ## 1 · Images, as files in folders
#
# A folder with one sub-folder per category is all that a [localizer](GLOSSARY.md#localizer) needs.
# Yours is there already; here we write one, in a temporary folder, from images of the profile's
# localizer: half of each domain to train, the other half to test. Scrambled images are left out.

# %%
temporary = TemporaryDirectory()    # removed when the kernel ends
mine = Path(temporary.name)
known = laboratory.images("localizer")
domains = intact_domains(known.domains)
style.add_domains(known.domain_names)

for domain in domains:
    rows = np.flatnonzero(np.array(known.domains) == domain)
    spread = rows[np.linspace(0, len(rows) - 1, min(len(rows), n_per_domain)).astype(int)]
    for i, row in enumerate(spread):
        folder = mine / ("train", "test")[i % 2] / domain
        folder.mkdir(parents=True, exist_ok=True)
        known.open(row).save(folder / f"{i}.png")
training_images, localizer = image_folder(mine / "train"), image_folder(mine / "test")
print(f"train {len(training_images)} images, test {len(localizer)}:",
      {style.display_name(name): localizer.domains.count(name) for name in domains})

# %% [markdown]
# ## 2 · A participant, as arrays
#
# Your responses are an array of images × [voxels](GLOSSARY.md#voxel), or images × repeats × voxels,
# and a name of a region for each voxel. Here we take them from the profile's first participant, who
# saw other images than the localizer's. Where a response belongs to a category of images, as in
# `mini`, its first image stands for it.

# %%
cohort = open_cohort(laboratory)
subject = cohort.subjects[0]
rois = [roi for roi in laboratory.profile.encoding.rois if roi in cohort.rois(subject)]
found = read_responses(cohort, subject, rois)
seen = used_conditions(cohort.folds(subject))
chosen = seen[np.linspace(0, len(seen) - 1, min(len(seen), n_responses)).astype(int)]
betas, ncsnr = found.betas[found.rows(chosen)], found.ncsnr
roi_of_voxel = np.full(len(found.vertex), "", dtype="U32")
for roi, inside in found.members.items():    # a voxel of two regions gets the first
    roi_of_voxel[inside & (roi_of_voxel == "")] = roi
print(f"{cohort.name}, {subject}: {betas.shape[0]} images × {betas.shape[1]} repeats × "
      f"{betas.shape[2]} voxels in {', '.join(rois)}")

# %% [markdown]
# Saved as a folder of arrays, they are a cohort for every notebook about participants (layout
# `arrays`, source `local`). On opening, everything is checked; here that what was written is read.

# %%
(mine / "brain/stimuli").mkdir(parents=True)
for i, condition in enumerate(chosen):
    first = int(np.flatnonzero(cohort.condition_of == condition)[0])
    cohort.stimuli.open(first).save(mine / f"brain/stimuli/{i}.png")
(mine / "brain/me").mkdir()
for name, values in {"responses": betas, "rois": roi_of_voxel, "ncsnr": ncsnr}.items():
    np.save(mine / f"brain/me/{name}.npy", values)
own = read_cohort("arrays", mine / "brain")
again = own.responses("me", own.rois("me"))
np.testing.assert_array_equal(again.betas, betas[..., roi_of_voxel != ""])
print(f"{own.subjects[0]}: {', '.join(own.rois('me'))}; {len(own.folds('me'))} folds, of which "
      f"the first tests {len(own.folds('me')[0].test)} images")

# %% [markdown]
# ## 3 · A network, as a callable
#
# Three convolutions, pooled and read out: one output per domain. The package knows nothing of it.
# The [randomly initialised control](GLOSSARY.md#randomly-initialised-control) is the same callable,
# with the same seed, before training.

# %%
LAYERS = ["early", "middle", "late"]
PREPROCESSING = Preprocessing(resize=48, crop=48, mean=(0.5,) * 3, std=(0.25,) * 3)

def build(seed=0):
    """My network: three blocks, each half as large as the one before."""
    torch.manual_seed(seed)
    block = lambda before, after: nn.Sequential(
        nn.Conv2d(before, after, 5, stride=2, padding=2), nn.BatchNorm2d(after), nn.ReLU())
    return nn.Sequential(OrderedDict(
        early=block(3, 16), middle=block(16, 24), late=block(24, 32),
        pool=nn.AdaptiveAvgPool2d(2), flat=nn.Flatten(), readout=nn.Linear(128, len(domains))))

print(f"{sum(p.numel() for p in build().parameters())} parameters")

# %% [markdown]
# Training: the domain of each image, cross-entropy, all training images mirrored at random. A
# handful of images is enough to change the network; it is not meant to be a good classifier.

# %%
def train(seed):
    """Train one network on the labels of the training images; return it."""
    model, generator = build(seed), torch.Generator().manual_seed(seed)
    optimizer = torch.optim.Adam(model.parameters(), lr=learning_rate)
    pixels = torch.stack([PREPROCESSING(training_images.open(i))
                          for i in range(len(training_images))])
    labels = torch.tensor([domains.index(name) for name in training_images.domains])
    for _ in range(n_steps):
        rows = torch.randperm(len(pixels), generator=generator)[:50]
        flipped = torch.rand(len(rows), 1, 1, 1, generator=generator) < 0.5
        batch = torch.where(flipped, pixels[rows].flip(3), pixels[rows])
        loss = nn.functional.cross_entropy(model(batch), labels[rows])
        optimizer.zero_grad(); loss.backward(); optimizer.step()
    return model.eval()

# %%
models = {("trained", seed): train(seed) for seed in range(n_seeds)}
models |= {("untrained", seed): build(seed) for seed in range(n_seeds)}

# %% [markdown]
# Did it learn anything that generalises? The fraction of test images whose domain it names.

# %%
test_pixels = torch.stack([PREPROCESSING(localizer.open(i)) for i in range(len(localizer))])
named = {key: model.eval()(test_pixels).argmax(1).tolist() for key, model in models.items()}
accuracy = {key: np.mean([domains[i] == name for i, name in zip(names, localizer.domains)])
            for key, names in named.items()}
print("correct, chance " + f"{1 / len(domains):.2f}:",
      {" ".join(map(str, key)): round(float(value), 2) for key, value in accuracy.items()})

# %% [markdown]
# The way from what you bring to the tables:

# %%
examples = [localizer.open(localizer.domains.index(domain)) for domain in domains[:4]]
schematic.draw_schematic([
    schematic.Step("your images", schematic.images(examples), "one folder per category"),
    schematic.Step("your network", schematic.network(3, [1, 2]), f"{len(LAYERS)} layers"),
    schematic.Step("your responses", schematic.brain(), "images × voxels"),
    schematic.Step("ridge, RDMs", schematic.formula(r"$\hat{y} = \bar{y} + X w$",
                                                    r"$\rho(\mathrm{RDM}, \mathrm{RDM})$"),
                   "held-out images"),
    schematic.Step("three tables", schematic.bars([.3, .5, .8], ["0.7", "0.5", "0.3"]),
                   "units (A), r (B), ρ (C)")],
    laboratory.provenance, alt="Five steps from left to right: example images, a network with two "
    "marked layers, a brain with one region, the formulas of regression and of rank correlation, "
    "and bars for three tables.")

# %% [markdown]
# ## 4 · One call
#
# The three tables of one trained network. *Selectivity*: [units](GLOSSARY.md#selective-unit) that
# respond more to a domain than to every other one. *Encoding*: ridge regression from all units of a
# layer, *r* with responses to held-out images; divided by the
# [noise ceiling](GLOSSARY.md#noise-ceiling) where it is known. *RSA*: rank correlation of two
# [RDMs](GLOSSARY.md#rdm).

# %%
def tables(model, responses=betas):
    """Selectivity, encoding and RSA of my network."""
    return compare(model, LAYERS, mine / "brain/stimuli", responses, rois=roi_of_voxel,
                   ncsnr=ncsnr, localizer=localizer, preprocessing=PREPROCESSING)

one = tables(models["trained", 0])
one.selectivity.pivot(index="layer", columns="domain", values="n_selective").reindex(
    index=LAYERS, columns=list(domains)).rename(columns=style.display_name)

# %% [markdown]
# The other two, beside each other.

# %%
one.encoding.merge(one.rsa)[["layer", "roi", "n_voxels", "r", "noise_ceiling", "r_corrected",
                             "spearman_r"]].round(3)

# %% [markdown]
# ## 5 · One number by hand
#
# The similarity of a layer and a region. Dissimilarity of two images is 1 − Pearson's *r* of their
# patterns, over the units of the layer or over the voxels of the region; the dissimilarities of all
# pairs are then correlated by ranks:
#
# $$d_{ij} = 1 - r(x_i, x_j), \qquad \rho = r\big(\mathrm{rank}(d^{\mathrm{layer}}),
# \mathrm{rank}(d^{\mathrm{region}})\big)$$

# %%
stimuli = own.stimuli
batches = stimuli.batches(np.array_split(np.arange(len(stimuli)), 4), PREPROCESSING)
units = extract_activations(models["trained", 0], {"late": "late"}, batches)["late"].numpy()
shown_roi = own.rois("me")[0]
voxels = betas.mean(1)[:, roi_of_voxel == shown_roi]
pairs = np.triu_indices(len(units), 1)
dissimilarity = [1 - np.corrcoef(patterns.astype(float))[pairs] for patterns in (units, voxels)]
rho = stats.spearmanr(*dissimilarity).statistic
by_package = one.rsa.query("layer == 'late' and roi == @shown_roi")["spearman_r"].item()
np.testing.assert_allclose(rho, by_package, atol=1e-5)
print(f"late and {shown_roi}, {len(pairs[0])} pairs of images: ρ = {rho:.3f}, as in the table")

# %% [markdown]
# ## 6 · Before and after training, and shuffled responses
#
# The same tables of all networks. A second control is one for the method: with the rows of the
# responses permuted over images, no layer can predict them, so held-out *r* must lie around zero.

# %%
results = {key: tables(model) for key, model in models.items()}
shuffled = betas[np.random.default_rng(laboratory.profile.seed).permutation(len(betas))]
control = tables(models["trained", 0], shuffled).encoding

def joined(name):
    """One table of all networks."""
    return pd.concat([getattr(found, name).assign(network=network, seed=seed)
                      for (network, seed), found in results.items()], ignore_index=True)

selectivity, encoding, rsa = map(joined, ("selectivity", "encoding", "rsa"))
total = selectivity.groupby(["network", "seed", "layer"], sort=False)[
    "proportion"].sum().reset_index()
pd.DataFrame({"selective units": total.groupby(["network", "layer"], sort=False)[
    "proportion"].mean(), "r": encoding.groupby(["network", "layer"], sort=False)["r"].mean(),
    "ρ": rsa.groupby(["network", "layer"], sort=False)["spearman_r"].mean()}).round(3)

# %% [markdown]
# ## 7 · What is refused
#
# Before any image is shown to the network, `compare` checks what it was given. Two examples: a
# misspelt layer, and responses of another length than the images.

# %%
for layers, responses in ((["lat"], betas), (LAYERS, betas[:-1])):
    try:
        compare(build, layers, mine / "brain/stimuli", responses, localizer=localizer,
                preprocessing=PREPROCESSING)
    except LabError as error:
        print(error, "\n")

# %% [markdown]
# ## 8 · The figure
#
# One panel for each table, a line for the trained networks and one for their controls.

# %%
figure = style.new_figure(
    2.9, "Three panels with the layers early, middle and late on the x axis; filled dots and a "
    "solid line: trained networks, open dots and a dashed line: the same networks untrained. A: "
    "proportion of selective units, all domains together. B: held-out correlation of predicted and "
    "measured responses, mean over regions. C: rank correlation of the RDMs of layer and region, "
    "mean over regions.")
panels = figure.subplots(1, 3)
figure.subplots_adjust(left=0.08, right=0.985, top=0.78, bottom=0.19, wspace=0.42)
per_layer = {"A": (total, "proportion"), "B": (encoding, "r"), "C": (rsa, "spearman_r")}

# %% [markdown]
# A dot for each network, a line for their mean.

# %%
for panel, (letter, (table, value)) in zip(panels, per_layer.items()):
    means = table.groupby(["network", "seed", "layer"])[value].mean()
    for network, look, face in (("trained", "-", "0.2"), ("untrained", "--", "white")):
        dots = means[network].unstack().reindex(columns=LAYERS)
        panel.plot(LAYERS, dots.mean(), look, color="0.2", linewidth=1.1)
        for _, values in dots.iterrows():
            panel.plot(LAYERS, values, "o", color="0.2", markerfacecolor=face, markersize=3.5)
    panel.axhline(0, color="0.6", linewidth=0.7, linestyle=":")
    style.panel_letter(panel, letter, x=-0.2)

# %% [markdown]
# Titles, one legend, and a table for each panel beside the file of the figure.

# %%
for panel, title, words in zip(panels, ("How many units?", "Which layer predicts?",
                                        "Which layer is similar?"),
                               ("selective units", "held-out r", "similarity (ρ)")):
    panel.set(title=title, ylabel=words, xlabel="layer")
panels[0].set_ylim(bottom=0)
style.percent_axis(panels[0].yaxis)
handles = [panels[0].plot([], [], look, marker="o", color="0.2", markerfacecolor=face,
                          markersize=3.5, label=f"{network}, n = {n_seeds}")[0]
           for network, look, face in (("trained", "-", "0.2"), ("untrained", "--", "white"))]
style.top_legend(figure, handles)
path = style.save_figure(figure, laboratory.provenance, {"A": selectivity, "B": encoding, "C": rsa})

# %% [markdown]
# **Figure 16.** A network that is written down in this notebook, by layer. **A** Units that respond
# more to one domain than to every other one (Benjamini–Yekutieli, .05 in each contrast), percent of
# the layer's units, sum over domains, on images that did not train the network. **B** Pearson's *r*
# of predicted and measured responses to held-out images, ridge with nested cross-validation, mean
# over voxels, then over regions of one participant. **C** Spearman's ρ of the RDM of the layer and
# that of the region, mean over regions. Dots: networks (n in the legend), lines: their means. The
# stamp says whether the data are REAL or SYNTHETIC.

# %% [markdown]
# ## 9 · Claims
#
# Nobody claims anything about this network, so these are the two questions that one would ask of
# one's own, and a sanity check of the method, with rules fixed beforehand. The sample of the
# questions are networks (seeds), of one participant; so nothing is said about other participants.
# Each [claim](GLOSSARY.md#claim) is judged by its own 95 % interval.

# %%
def change(table, value):
    """Trained minus untrained in the last layer, one value per seed."""
    last = table[table["layer"] == LAYERS[-1]].groupby(["network", "seed"])[value].mean()
    return (last["trained"] - last["untrained"]).to_numpy()

mine_alone = {"source": "question to one's own network", "paper": "–"}
claims.interval("Training makes more units of the last layer selective",
                change(total, "proportion"), "above 0", sample="seeds",
                of="proportion, all domains, trained minus untrained", **mine_alone)
claims.interval("Training makes the last layer predict responses better",
                change(encoding, "r"), "above 0", sample="seeds",
                of="held-out r, mean over regions, trained minus untrained", **mine_alone)

# %% [markdown]
# The sanity check: with shuffled responses, the mean held-out *r* over regions and layers lies
# within 0.1 of zero.

# %%
largest = float(control.groupby("layer")["r"].mean().abs().max())
claims.claim("Responses shuffled over images are not predicted", holds=largest < 0.1,
             run=f"largest mean r of a layer {largest:.3f}", kind=CHECK, paper="–",
             rule="mean r over regions within 0.1 of 0, in every layer", source="sanity check")
claims.number("r of the last layer, mean over regions", round_numbers(
    encoding[encoding["layer"] == LAYERS[-1]].groupby("network")["r"].mean().to_dict()))
path = claims.save()
print(claims.text())

# %% [markdown]
# The verdicts alone are the same on every machine.

# %%
# NBVAL_CHECK_OUTPUT
print(claims.verdicts())

# %% [markdown]
# ## 10 · What we see
#
# Untrained layers are not blind: random filters respond to contrast, orientation and size, which
# differ between categories, and responses of the cortex depend on them as well. Hence a table of a
# trained network alone says little.

# %% tags=["prose"]
mean = {name: table[table["layer"] == LAYERS[-1]].groupby("network")[value].mean()
        for name, (table, value) in zip(("units", "r", "rho"), per_layer.values())}
best = encoding[encoding["network"] == "trained"].groupby(["layer", "roi"])["r"].mean()
Markdown(f"""That training makes more units selective is
**{claims.verdict("Training makes more units")}** in the last layer ({mean["units"]["trained"]:.1%}
against {mean["units"]["untrained"]:.1%}); that it then predicts responses better is
**{claims.verdict("Training makes the last layer")}** (r {mean["r"]["trained"]:.3f} against
{mean["r"]["untrained"]:.3f}; ρ {mean["rho"]["trained"]:.3f} against
{mean["rho"]["untrained"]:.3f}). The best of all layers and regions is {best.idxmax()[0]} for
{best.idxmax()[1]} (r {best.max():.3f}, chosen after looking). With shuffled responses, the largest
mean r of a layer is {largest:.3f}.""")

# %% [markdown]
# What this notebook cannot say: one participant is one sample. Call `compare` for each participant
# and take the interval over participants. And a network of three layers that was trained on a few
# images is an example of the way, not a model of the cortex.

# %% [markdown]
# ## Known deviations from the paper
#
# There is no paper; where the three measures differ from those of the other notebooks:
# [REPRODUCING.md](../REPRODUCING.md).

# %%
Markdown(deviation_table(laboratory.provenance.notebook))

# %% [markdown]
# ## 11 · Exercises
#
# **Read.** Which region does the last layer of the trained networks predict best? Take the mean of
# *r* over seeds from `encoding`.

# %% tags=["exercise"]
best_region = None    # the name of a region

# %% tags=["solution"]
late = encoding.query("network == 'trained' and layer == 'late'")
best_region = late.groupby("roi")["r"].mean().idxmax()

# %% tags=["check"]
# NBVAL_CHECK_OUTPUT
def mean_r(network="trained", layer="late", table=encoding, value="r"):
    """Mean over seeds, by region, the best first."""
    its = table[(table["network"] == network) & (table["layer"] == layer)]
    return its.groupby("roi")[value].mean().sort_values(ascending=False)

ranked = mean_r().index
_ = check(best_region, ranked[0], hint="Group the rows of the last layer by region.", wrong={
    "This is the region that is predicted worst.": ranked[-1],
    "This is the region that is predicted second best.": ranked[min(1, len(ranked) - 1)],
    "This is a layer, not a region.": "late",
    "This is a domain, not a region.": domains[0]})

# %% [markdown]
# **Change.** What is the mean held-out *r* over regions of the last layer of the first trained
# network if responses are not averaged over repeats, but the first repeat is used alone? Give
# `tables` another array of responses.

# %% tags=["exercise"]
r_single = None    # a number

# %% tags=["solution"]
single = tables(models["trained", 0], betas[:, :1]).encoding
r_single = single.query("layer == 'late'")["r"].mean()

# %% tags=["check"]
# NBVAL_CHECK_OUTPUT
def late_r(table, layer="late", value="r"):
    """Mean over the regions of one layer."""
    return float(np.nan_to_num(table[table["layer"] == layer][value].mean()))

right = tables(models["trained", 0], betas[:, :1]).encoding
_ = check(r_single, late_r(right), hint="Call tables with betas[:, :1].", wrong={
    "This is the mean over repeats.": late_r(one.encoding),
    "This is the first layer.": late_r(right, "early"),
    "This is the untrained network.": late_r(tables(models["untrained", 0],
                                                    betas[:, :1]).encoding)})

# %% [markdown]
# **Extend.** Write the [noise ceiling](GLOSSARY.md#noise-ceiling) of a mean over *n* trials as a
# correlation: with the noise-ceiling signal-to-noise ratio $s$ of single trials
# ([ncsnr](GLOSSARY.md#ncsnr)), the signal's fraction of the variance is $s^2 / (s^2 + 1/n)$; the
# largest *r* is its square root. Return the mean *r* of some voxels divided by their mean ceiling,
# leaving out voxels whose ncsnr is NaN or 0.

# %% tags=["exercise"]
def corrected(r, ncsnr, n):
    """Mean r divided by the mean noise ceiling, over voxels of a known ncsnr above 0."""
    raise NotImplementedError

# %% tags=["solution"]
def corrected(r, ncsnr, n):
    """Mean r divided by the mean noise ceiling, over voxels of a known ncsnr above 0."""
    known = np.nan_to_num(ncsnr) > 0
    ceiling = np.sqrt(ncsnr[known]**2 / (ncsnr[known]**2 + 1 / n))
    return float(r[known].mean() / ceiling.mean())

# %% tags=["check"]
# NBVAL_CHECK_OUTPUT
def answer(power=0.5, single=False, keep=False):
    """The answer with another ceiling, of single trials, or with all voxels in the mean of r."""
    def function(r, ncsnr, n):
        known = np.nan_to_num(ncsnr) > 0
        signal = ncsnr[known]**2
        ceiling = (signal / (signal + 1 / (1 if single else n)))**power
        return float((r if keep else r[known]).mean() / ceiling.mean())
    return function

on = [(np.array([0.2, 0.4, 0.1]), np.array([0.5, 1.0, np.nan]), 3),
      (np.array([0.3, 0.1, 0.0]), np.array([2.0, 0.3, 0.0]), 2)]
_ = check(corrected, answer(), on=on, hint="Keep voxels above 0, then mean by mean.", wrong={
    "This is the fraction of variance: take the square root.": answer(power=1),
    "The ceiling is that of a mean over n trials.": answer(single=True),
    "Leave the same voxels out of the mean of r.": answer(keep=True)})
