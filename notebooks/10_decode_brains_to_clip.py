# %% [markdown]
# # 10 · Which image did you see?
#
# Efird, Murphy, Zylberberg & Fyshe (2025), accuracy of the decoders
# ([arXiv 2405.17663](https://arxiv.org/abs/2405.17663)).
# On two cores: a minute and a half under `demo`; not measured under `paper`, which needs NSD, the
# weights of CLIP and a GPU; half a minute under `mini`.

# %% [markdown]
# **Goal.** A linear decoder turns the response of all voxels into a vector in the space of
# [CLIP](GLOSSARY.md#clip), where images and words have a common place. The paper trains it by
# *contrast*: each prediction must be nearer to its own image than to the others of a batch. The
# image that was seen is then searched among many ([retrieval](GLOSSARY.md#retrieval)). In the paper
# contrast beats ridge, for which only two penalties were tried. We give ridge a wide grid, and then
# ask what a contrastive decoder learns that squared error does not.
#
# **You will learn**
# - how a contrastive decoder is trained, and why noise is added to its input;
# - what top-k accuracy means in the two protocols that the field uses;
# - how much of the advantage of contrast is a matter of *which directions count*.

# %% tags=["parameters"]
profile = "demo"    # demo, mini, paper, or the path of your own TOML file
shown_k = 1         # top-k of panels E to G

# %%
import numpy as np
import pandas as pd
import torch
from IPython.display import Markdown

from helpers import lab
from helpers.core.intervals import mean_interval
from helpers.decoding import plots
from helpers.decoding.contrastive_decoder import N_KEPT_RUNS, info_nce_and_gradient
from helpers.decoding.retrieval import probability_among_nearest, retrieval_ranks
from helpers.decoding.study import (
    CONTRAST,
    FIRST,
    METHODS,
    NARROW,
    NOISELESS,
    RIDGE,
    WHITENED,
    DecodingStudy,
)
from helpers.decoding.vectors import effective_dimension
from helpers.exercises import check
from helpers.figures import schematic, style
from helpers.figures.claims import ClaimsTable, round_numbers
from helpers.figures.deviations import deviation_table

laboratory = lab.open(profile, notebook="10_decode_brains_to_clip")
claims = ClaimsTable(laboratory.provenance)
style.use_style()
print(laboratory.provenance.line)

# %% [markdown]
# ## 1 · The space
#
# A network with two encoders was trained to match images and captions. Each image that a
# participant saw has a place in its space. How rich is it? The **effective dimension**,
# $(\sum_i \lambda_i)^2 / \sum_i \lambda_i^2$ of the eigenvalues of the covariance, says how many
# directions are really used. CLIP's vectors all lie in a narrow cone; the length of their mean
# (1: all are the same; 0: no common direction) tells how narrow.

# %%
spec = laboratory.profile.table("decoding")
study = DecodingStudy.open(laboratory)
vectors = study.space.vectors[study.space.known]
mean = vectors.mean(0)
n_effective = effective_dimension(vectors - mean)
print(f"{style.display_name(study.space.name)}: {len(vectors):,} conditions in {vectors.shape[1]} "
      f"dimensions, {n_effective:.1f} of them effective; length of the mean "
      f"{np.linalg.norm(mean):.2f}")

# %% [markdown]
# ## 2 · Trials and voxels
#
# Every trial is one example: repeats are not averaged. Voxels come from the whole brain; those are
# kept whose **[noise ceiling](GLOSSARY.md#noise-ceiling)** in a single trial, from training trials
# alone, is above a bound. Test images are the same for all participants as far as everyone saw the
# same ones.

# %%
people = list(study.cohort.subjects)
rows = []
for subject in people:
    trials = study.trials(subject)
    split = trials.splits[0]
    rows.append({"subject": subject, "voxels": trials.responses.shape[1],
                 "considered": trials.n_considered, "trials": len(trials.condition),
                 "train": len(trials.of(split.train)), "validation": len(split.validation),
                 "test": sum(len(one.test) for one in trials.splits),
                 "median ceiling, %": np.round(np.median(trials.ceiling), 1)})
pd.DataFrame(rows).set_index("subject")

# %% [markdown]
# **The analysis in one line.** A participant sees an image; a linear decoder predicts the image's
# embedding from the response; the candidates are ordered by their cosine with the prediction.

# %%
def image_of(condition):
    """Return an image of a condition."""
    return study.cohort.stimuli.open(np.flatnonzero(study.cohort.condition_of == condition)[0])

split = study.trials(people[0]).splits[0]
print("first test conditions:", *split.test[:4])

# %% [markdown]
# In a drawing:

# %%
dark, light = style.TRAINING["contrastive"], "0.7"
schematic.draw_schematic([
    schematic.Step("Images", schematic.images([image_of(one) for one in split.test[:4]]),
                   f"{len(split.test)} to test"),
    schematic.Step("Response", schematic.brain(((0.3, 0.7, dark), (0.7, 0.35, dark))),
                   "single trials,\nreliable voxels"),
    schematic.Step("Decoder", schematic.formula(r"$\hat{y} = Wx + b$"), "contrast or ridge"),
    schematic.Step("Embedding space", schematic.points(
        [.2, .5, .8, .35, .75], [.3, .7, .4, .8, .8], [light, dark, light, light, light]),
        f"cosine with all\n{len(split.test)} candidates"),
    schematic.Step("Top-k accuracy", schematic.bars([.9, .6, .12], [dark, light, "0.9"], .12),
                   "contrast, ridge")],
    laboratory.provenance, alt="From images to responses of single trials, through a linear "
    "decoder into an embedding space, where candidates are ordered by cosine: top-k accuracy.")

# %% [markdown]
# ## 3 · The contrastive loss of eight pairs
#
# The decoder is linear, $\hat y = Wx + b$. For a batch of $B$ trials, the logits are the cosines of
# all predictions with all embeddings over a [temperature](GLOSSARY.md#temperature) τ. The loss
# ([InfoNCE](GLOSSARY.md#infonce), symmetric, as in CLIP) is the mean of two cross entropies: each
# prediction must find its image (over rows), each image its prediction (over columns):
#
# $$L = -\frac{1}{2B}\sum_i \left[\log\frac{e^{s_{ii}}}{\sum_j e^{s_{ij}}} +
# \log\frac{e^{s_{ii}}}{\sum_j e^{s_{ji}}}\right], \qquad s_{ij} = \cos(\hat y_i, y_j) / \tau$$
#
# Here it is for eight test trials of one participant, whose decoder has not seen these images.

# %%
subject = people[0]
trials, decoder = study.trials(subject), study.decoders(subject)[0]
rows = trials.of(split.test[:8])
rows = rows[np.unique(trials.condition[rows], return_index=True)[1]]  # one trial of each image
predicted = (trials.responses[rows] @ decoder.weight.T + decoder.bias).astype(float)
targets = study.space.vectors[trials.condition[rows]].astype(float)

def unit(vectors):
    """Return rows of length 1."""
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)

cosines = unit(predicted) @ unit(targets).T
print(f"cosines of {len(rows)} predictions (rows) with {len(rows)} embeddings (columns), "
      f"{targets.shape[1]} dimensions")
pd.DataFrame(cosines).round(2)

# %% [markdown]
# The pairs stand on the diagonal. Divided by τ, a difference of a few hundredths becomes a factor
# in the softmax. The function that trains the decoders must give the same loss.

# %%
temperature = spec.training.temperature

def contrastive_loss(cosines, temperature):
    """Return the symmetric InfoNCE of pairs, whose cosines are on the diagonal, in nats."""
    odds = np.exp(cosines / temperature)
    own = np.diag(odds)
    return -np.mean(np.log(own / odds.sum(axis=1)) + np.log(own / odds.sum(axis=0))) / 2

loss = contrastive_loss(cosines, temperature)
fast, _ = info_nce_and_gradient(torch.tensor(predicted)[None], torch.tensor(unit(targets))[None],
                                temperature)
np.testing.assert_allclose(loss, fast.item(), rtol=1e-6)
print(f"loss {loss:.3f} nats, by hand and by helpers/decoding; chance is log({len(rows)}) = "
      f"{np.log(len(rows)):.3f}; with τ = 1 it would be {contrastive_loss(cosines, 1):.3f}")

# %% [markdown]
# ## 4 · Two ways to train
#
# **Contrast.** Batches of trials, Adam, and in every step Gaussian noise added to the responses, as
# large as the signal and the noise that they have anyway: a strong regulariser. Several runs, from
# different initial weights, are trained side by side; their mean is one decoder, too.

# %%
made = {subject: study.decoders(subject) for subject in people}
losses = pd.DataFrame({subject: one[0].losses.mean(0) for subject, one in made.items()})
print(f"{spec.training.n_seeds} runs of {len(losses):,} steps, for each of {len(people)} "
      f"participants; τ = {temperature:g}, noise {spec.training.noise:g} sd")
print(f"loss {losses.iloc[:5].mean().mean():.2f} nats at first, "
      f"{losses.tail(50).mean().mean():.2f} at last; chance is log({spec.training.batch_size}) = "
      f"{np.log(spec.training.batch_size):.2f}")

# %% [markdown]
# **Ridge** minimises squared error. We choose its penalty on validation images from a grid that is
# wide enough to have the best one inside, and show what the published grid (1,000 and 10,000) would
# do. *Whitened* is ridge again, to targets whose directions have been given equal variance.

# %%
ridges = {subject: study.ridge(subject)[0] for subject in people}
grid = pd.DataFrame({subject: one.top1 for subject, one in ridges.items()},
                    index=[f"{alpha:g}" for alpha in spec.alphas]).rename_axis("alpha")
n_inside = sum(one.inside for one in ridges.values())
n_published = sum(1e3 <= one.alpha <= 1e4 for one in ridges.values())
print(f"best penalty inside the wide grid: {n_inside} of {len(people)} participants; from 1,000 to "
      f"10,000: {n_published}")
grid.round(3)

# %% [markdown]
# ## 5 · One retrieval by hand
#
# **Rank**: the place of the seen image when all candidates are ordered by their cosine with the
# prediction; 1 is a hit. **Top-k accuracy**: the fraction of queries whose rank is at most *k*. By
# chance it is *k* over the number of candidates.

# %%
def test_trials(subject):
    """Return test responses, the candidates' embeddings, and each trial's own candidate."""
    trials = study.trials(subject)
    candidates = trials.splits[0].test
    rows = trials.of(candidates)
    return (trials.responses[rows], study.space.vectors[candidates].astype(float),
            np.searchsorted(candidates, trials.condition[rows]))

# %% [markdown]
# The first of these trials:

# %%
responses, candidates, own = test_trials(subject)
decoded = responses @ decoder.weight.T + decoder.bias
similarity = unit(candidates) @ unit(decoded[:1])[0]
order = np.argsort(-similarity)
rank = int((similarity >= similarity[own[0]]).sum())
assert rank == retrieval_ranks(decoded[:1], candidates, own[:1])[0]
print(f"first test trial of {subject}: the seen image is number {own[0]} of {len(candidates)}, "
      f"cosine {similarity[own[0]]:.3f}, rank {rank} (by hand and by helpers/decoding)")
print("nearest:", ", ".join(f"{one} ({similarity[one]:.3f})" for one in order[:5]))

# %% [markdown]
# The image that was seen, and the five candidates nearest to the prediction:

# %%
nearest = order[:5]
style.show_figure(plots.draw_retrieved(
    image_of(split.test[own[0]]), [image_of(split.test[one]) for one in nearest],
    [f"{place}: {similarity[one]:.2f}" + " (own)" * bool(one == own[0])
     for place, one in enumerate(nearest, 1)],
    alt="The image that a participant saw, and the five candidates whose embeddings are nearest to "
    "the decoded one, in order, with their cosines."))

# %% [markdown]
# All trials of this participant: their ranks, and from these top-k accuracy.

# %%
ranks = retrieval_ranks(decoded, candidates, own)
curve = study.retrieval_accuracy(subject, CONTRAST)
print("first ten ranks:", ranks[:10])
for k in (k for k in curve.ks[:3] if k <= len(candidates)):
    print(f"top-{k}: {(ranks <= k).mean():.3f}; chance {k / len(candidates):.3f}")
if len(trials.splits) == 1:
    np.testing.assert_allclose((ranks == 1).mean(), curve.accuracy[0])
    print("top-1 is that of helpers/decoding.")

# %% [markdown]
# ## 6 · Which image was it? All decoders
#
# Two protocols. *Single trials*: every trial of a test image is a query, all test images are
# candidates (the paper's). *Averaged*: the mean of an image's repeats is the query, in a pool of
# candidates drawn from the test images (the reconstruction literature's). Instead of drawing some
# pools, we compute the expected accuracy over all of them exactly.

# %%
SINGLE, AVERAGED = "single trials", "averaged"
found = pd.DataFrame([
    {"subject": subject, "method": method, "protocol": protocol, "k": k, "accuracy": accuracy,
     "low": low, "high": high, "chance": chance}
    for protocol in (SINGLE, AVERAGED) for subject in people for method in METHODS
    for curve in [study.retrieval_accuracy(subject, method, averaged=protocol == AVERAGED)]
    for k, accuracy, low, high, chance in zip(curve.ks, curve.accuracy, curve.low, curve.high,
                                              curve.chance)])
top1 = found[found["k"] == 1]
n_candidates = (1 / top1.groupby("protocol")["chance"].first()).round().astype(int)
print("candidates:", ", ".join(f"{n_candidates[name]} ({name})" for name in (SINGLE, AVERAGED)))
top1.pivot_table(index="method", columns=["protocol", "subject"], values="accuracy").reindex(
    METHODS)[[SINGLE, AVERAGED]].round(3)

# %% [markdown]
# Decoders of one run are compared with others run by run: the table `runs` has a column for each
# run that was kept. Differences within participants are what panels E and F show.

# %%
def top_k(protocol, k):
    """Return accuracy, participants × methods."""
    part = found[(found["protocol"] == protocol) & (found["k"] == k)]
    return part.pivot(index="subject", columns="method", values="accuracy")

def top_k_of_runs(protocol, k):
    """Return accuracy of the contrastive decoders of one run each, participants × runs."""
    return pd.DataFrame({run: {subject: dict(zip(curve.ks, curve.accuracy))[k] for subject in people
                               for curve in [study.retrieval_accuracy(
                                   subject, FIRST, averaged=protocol == AVERAGED, run=run)]}
                         for run in range(min(spec.training.n_seeds, N_KEPT_RUNS))})

single, averaged = (top_k(protocol, 1) for protocol in (SINGLE, AVERAGED))
runs = top_k_of_runs(SINGLE, 1)
runs.round(3)

# %% [markdown]
# The differences, participant by participant, in both protocols.

# %%
COMPARISONS = {"ridge, published grid": NARROW, "ridge, wide grid": RIDGE,
               "ridge, whitened targets": WHITENED, "one run without noise": NOISELESS,
               "mean of runs": CONTRAST}
differences = {}
for protocol in (SINGLE, AVERAGED):
    accuracy, one_run = top_k(protocol, shown_k), top_k_of_runs(protocol, shown_k).mean(axis=1)
    differences[protocol] = pd.DataFrame({f"one run − {name}": one_run - accuracy[method]
                                          for name, method in COMPARISONS.items()})
pd.DataFrame({protocol: table.mean() for protocol, table in differences.items()}).round(3)

# %% [markdown]
# ## 7 · The figure
#
# First the training and the choice of ridge's penalty; then how often the image is among the *k*
# nearest.

# %%
figure = style.new_figure(5.4, alt="""Seven panels. A: training loss of the contrastive decoders
falls below chance. B: ridge's accuracy over penalties. C and D: top-k accuracy of four decoders
over k, in two protocols, and chance. E and F: differences between one contrastive run and other
decoders, participants and mean. G: each participant's accuracy and chance.""")
rows = figure.add_gridspec(2, 1, hspace=0.55, left=0.065, right=0.985, top=0.885, bottom=0.135)
upper = rows[0].subgridspec(1, 4, wspace=0.42).subplots()
plots.loss_curves(upper[0], losses, spec.training.batch_size)
plots.penalty_curves(upper[1], grid, spec.alphas)
shown = [CONTRAST, NOISELESS, RIDGE, WHITENED]
for axes, protocol in zip(upper[2:], (SINGLE, AVERAGED)):
    plots.retrieval_curves(axes, found[found["protocol"] == protocol], shown)
    axes.set(title=f"Top-k: {protocol}", ylabel="top-k accuracy")
for axes, letter in zip(upper, "ABCD"):
    style.panel_letter(axes, letter, x=-0.22)
style.top_legend(figure, plots.method_handles(shown))

# %% [markdown]
# Then the paired differences, and every participant against chance.

# %%
cells = rows[1].subgridspec(1, 5, width_ratios=[0.72, 1, 1, 0.06, 1.1], wspace=0.15)
lower = [figure.add_subplot(cells[place]) for place in (1, 2, 4)]
for axes, protocol in zip(lower, (SINGLE, AVERAGED)):
    plots.paired_differences(axes, differences[protocol])
    axes.set(title=f"Gain: {protocol}", xlabel=f"difference of top-{shown_k}")
lower[1].set_yticklabels([])
plots.above_chance(lower[2], {
    protocol: found[(found["protocol"] == protocol) & (found["k"] == shown_k)
                    & (found["method"] == CONTRAST)] for protocol in (SINGLE, AVERAGED)})
lower[2].set(title="Is everyone above chance?", ylabel=f"top-{shown_k} accuracy")
for axes, letter, x in zip(lower, "EFG", (-0.04, -0.02, -0.14)):
    style.panel_letter(axes, letter, x=x)

# %% [markdown]
# Every panel's numbers are saved with the figure.

# %%
style.save_figure(figure, laboratory.provenance, {
    "A": losses.assign(step=losses.index + 1).melt("step", var_name="subject", value_name="loss"),
    "B": grid.reset_index().melt("alpha", var_name="subject", value_name="accuracy"),
    "CDG": found, "EF": pd.concat(differences, names=["protocol"]).rename_axis(
        ["protocol", "subject"]).reset_index().melt(
            ["protocol", "subject"], var_name="comparison", value_name="difference")})

# %% [markdown]
# **Figure 10.** **A** Loss of the contrastive decoders over steps, a line a participant (mean over
# runs); dotted: chance. **B** Ridge: fraction of validation trials whose image was the nearest,
# over penalties, a line a participant, black: their mean; shaded: the published grid. **C, D**
# Top-k accuracy over k, mean and 95 % interval over participants (Student's *t*), in both
# protocols; dotted: chance. **E, F** Top-1 (or `shown_k`) of the contrastive decoder of one run
# (mean over the runs kept) minus that of another decoder: dots are participants, bars their mean
# and 95 % interval. **G** Accuracy of each participant with 95 %
# [bootstrap](GLOSSARY.md#bootstrap) intervals over images; filled: single trials, open: averaged
# repeats; dotted: chance. n: participants of step 2. The stamp says whether the data are REAL or
# SYNTHETIC.

# %% [markdown]
# ## 8 · Claims
#
# Rules were fixed before this run; trials with one and two participants, and an earlier network,
# had been seen. Decoders of one run are compared run by run: intervals cover participants and
# training seeds. The paper says that contrast is better than ridge (its numbers are unknown to us).

# %%
beyond = lambda method: runs.sub(single[method], axis=0)
of = "difference of top-1, single trials"
claims.interval("A contrastive decoder finds the image more often than ridge does (one run, "
                "penalties as published)", beyond(NARROW), "above 0", of=of,
                source="decoder accuracy; ridge: authors' nsd-decoding.ipynb, In [9], validation",
                paper="contrastive better, not at hand; ridge .086, subj01")
claims.interval("It still does when ridge may choose its penalty from a wide grid",
                beyond(RIDGE), "above 0", of=of, source="beyond the paper", paper="–")
claims.interval("It still does when ridge predicts whitened targets",
                beyond(WHITENED), "above 0", of=of, source="beyond the paper", paper="–")

# %% [markdown]
# What noise, the mean over runs, and repeats contribute.

# %%
mean_of_runs = f"one mean over {spec.training.n_seeds} runs"
claims.interval("Noise on the input helps the contrastive decoder", beyond(NOISELESS), "above 0",
                of=of, source="official code, which adds it", paper="not at hand",
                rests_on="one training without noise")
claims.interval("The mean over runs is better than one run", -beyond(CONTRAST), "above 0", of=of,
                source="beyond the paper", paper="–", rests_on=mean_of_runs)
claims.interval("Averaging repeats helps (contrastive, mean of runs)",
                averaged[CONTRAST] - single[CONTRAST], "above 0", source="beyond the paper",
                paper="–", of="averaged minus single trials, top-1 in pools of "
                f"{spec.n_pool} and {spec.n_test}", rests_on=mean_of_runs)

# %% [markdown]
# Every participant by itself, in both protocols.

# %%
above = found[(found["k"] == 1) & (found["method"] == CONTRAST)]
each = {f"{row.subject}{', averaged' * (row.protocol == AVERAGED)}":
        (row.accuracy - row.chance, row.low - row.chance, row.high - row.chance)
        for row in above.itertuples()}
claims.intervals("Every participant's images are found above chance", each, "above 0",
                 of="top-1 minus chance, bootstrap over images, all participants and protocols",
                 source="decoder accuracy", paper="\"highly accurate\"; numbers not at hand",
                 rests_on=mean_of_runs)

# %% [markdown]
# All claims with their numbers; then the verdicts alone, which must be the same on every machine.

# %%
for name, table in (("single trials", single), ("averaged", averaged)):
    claims.number(f"top-1, {name}", round_numbers(table.mean()[list(METHODS)].to_dict(), 3))
claims.number("effective dimension of the images", round(n_effective, 1))
path = claims.save()
print(claims.text())

# %%
# NBVAL_CHECK_OUTPUT
print(claims.verdicts())

# %% [markdown]
# ## 9 · What we see, what the paper says, why they differ
#
# The paper's result is that contrast beats ridge. Why? Ridge weighs errors by the variance of the
# space, and in an embedding a few directions hold most of it, whereas images are separated by the
# others, too. If that is the reason, ridge should come close once all directions have the same
# variance (*whitened*): a comparison that the paper does not make.

# %% tags=["prose"]
gap = {method: single[method].mean() for method in METHODS}
from_whitening = (gap[WHITENED] - gap[RIDGE]) / (gap[FIRST] - gap[RIDGE])
left = runs.mean(axis=1).sub(single[WHITENED])
Markdown(f"""
**Contrast against ridge.** One run finds the image in {runs.mean().mean():.1%} of single trials,
ridge in {gap[NARROW]:.1%} with the published penalties and in {gap[RIDGE]:.1%} with the wide grid;
chance is {1 / n_candidates[SINGLE]:.2%}. That contrast is better: *{
claims.verdict("A contrastive decoder finds")}* and *{
claims.verdict("It still does when ridge may")}*. Ridge's best penalty lies inside the wide grid for
{n_inside} of {len(people)} participants, and between the two published ones for {n_published}.

**Which directions count.** Ridge to whitened targets reaches {gap[WHITENED]:.1%}: {
from_whitening:.0%} of the advantage of contrast over ridge. What is left is {
mean_interval(left)[0]:+.1%} (95 % interval over participants {mean_interval(left)[1]:+.1%} to {
mean_interval(left)[2]:+.1%}); that contrast is better than this: *{
claims.verdict("It still does when ridge predicts")}*. The images' embeddings use {n_effective:.1f}
effective directions.
""")

# %% [markdown]
# Noise on the input acts as a penalty in a linear decoder. It is in the official code, not in the
# paper's abstract. In the averaged protocol the query is less noisy and the pool may be smaller, so
# that its accuracy is not comparable with the other's unless the pools are equal.

# %% tags=["prose"]
Markdown(f"""
**Noise.** Without it, one run finds {gap[NOISELESS]:.1%} (ridge {gap[RIDGE]:.1%}); that noise
helps: *{claims.verdict("Noise on the input")}*. **Mean over runs.** {gap[CONTRAST]:.1%}; that it is
better than one run: *{claims.verdict("The mean over runs")}*; the mean matters for the weights
(notebook 11). **Averaged repeats.** {averaged[CONTRAST].mean():.1%}, among
{n_candidates[AVERAGED]} candidates where single trials had {n_candidates[SINGLE]}; that averaging
helps: *{claims.verdict("Averaging repeats")}*. That every participant is above chance: *{
claims.verdict("Every participant")}*.
""")

# %% [markdown]
# How far this carries to NSD and CLIP is not testable here: there are fewer test images, in another
# space. Under `mini`, the categories of object2vec whose names have a published embedding are all
# there is, and those that are tested are not among those that were trained: the steps run on real
# data, and no more.

# %% [markdown]
# ## Known deviations from the paper
#
# Where a step differs from the published code or text, under every profile; of all notebooks:
# [REPRODUCING.md](../REPRODUCING.md).

# %%
Markdown(deviation_table(laboratory.provenance.notebook))

# %% [markdown]
# ## 10 · Exercises
#
# **Read.** From the table of section 6: how many times more often than by chance does the mean of
# the contrastive runs find the image, averaged over participants, in *single trials*? Give
# `times_chance`, a whole number or with one digit after the point.

# %% tags=["exercise"]
times_chance = None    # a number; 1: as often as by chance

# %% tags=["solution"]
times_chance = single[CONTRAST].mean() * n_candidates[SINGLE]

# %% tags=["check"]
# NBVAL_CHECK_OUTPUT
top5 = top_k(SINGLE, 5)[CONTRAST].mean() if 5 in set(found["k"]) else np.nan
check(times_chance, single[CONTRAST].mean() * n_candidates[SINGLE], tolerance=0.02,
      hint="Divide the mean of the method's row (single trials) by one over the candidates.",
      wrong={
          "This is the accuracy: divide it by chance.": single[CONTRAST].mean(),
          "This is the protocol with averaged repeats.":
              averaged[CONTRAST].mean() * n_candidates[AVERAGED],
          "This is ridge.": single[RIDGE].mean() * n_candidates[SINGLE],
          "This is top-5 over the chance of top-1.": top5 * n_candidates[SINGLE],
          "Chance in the batch of the training is not chance among the test images.":
              single[CONTRAST].mean() * spec.training.batch_size})

# %% [markdown]
# **Change.** Papers differ in the size of the pool. Write `top1_in_pool(pool)`: the expected top-1
# of the single trials of section 5 (`ranks`) if the own image stood among only `pool` candidates,
# drawn from the test images. A query hits if none of the `rank - 1` nearer images is drawn; the
# function `probability_among_nearest(ranks, n_candidates, pool, k)` knows how likely that is.

# %% tags=["exercise"]
def top1_in_pool(pool):
    """Return the expected top-1 accuracy, 0 to 1, in random pools of so many candidates."""
    raise NotImplementedError

# %% tags=["solution"]
def top1_in_pool(pool):
    """Return the expected top-1 accuracy, 0 to 1, in random pools of so many candidates."""
    return probability_among_nearest(ranks, len(candidates), pool, 1).mean()

# %% tags=["check"]
# NBVAL_CHECK_OUTPUT
from scipy.special import comb

n_all = len(candidates)
pools = [(max(2, n_all // 2),), (max(2, n_all // 6),), (max(2, n_all // 30),)]
check(top1_in_pool, lambda pool: (comb(n_all - ranks, pool - 1) / comb(n_all - 1, pool - 1)).mean(),
      on=pools, hint="Call it with k = 1 for the given pool, and average over queries.", wrong={
          "The pool does not act: this is top-1 among all test images.":
              lambda pool: (ranks == 1).mean(),
          "This is chance in the pool.": lambda pool: 1 / pool,
          "Accuracy does not grow in proportion to 1 / pool.":
              lambda pool: (ranks == 1).mean() * n_all / pool,
          "A rank of n / pool is a hit in some pools and none in others: take the expectation.":
              lambda pool: (ranks <= n_all / pool).mean()})

# %% [markdown]
# **Extend.** Whitening removes the common mean of the embeddings *and* gives all directions the
# same variance. Which of the two does ridge lack? Write `centred_top1(subject)`: top-1 of the ridge
# decoder `ridges[subject]` (`weight`, `bias`) in single trials, with `mean` (section 1) subtracted
# from the predictions and from the candidates before cosines are taken. `test_trials` (section 5)
# gives what you need. Compare with ridge and whitened ridge in the table of section 6.

# %% tags=["exercise"]
def centred_top1(subject):
    """Return ridge's top-1 accuracy in single trials, with the common mean removed."""
    raise NotImplementedError

# %% tags=["solution"]
def centred_top1(subject):
    """Return ridge's top-1 accuracy in single trials, with the common mean removed."""
    responses, candidates, own = test_trials(subject)
    predicted = responses @ ridges[subject].weight.T + ridges[subject].bias - mean
    similarity = unit(predicted) @ unit(candidates - mean).T
    return (similarity.argmax(axis=1) == own).mean()

# %% tags=["check"]
# NBVAL_CHECK_OUTPUT
def top1_about(shift, shift_candidates, subject):
    responses, candidates, own = test_trials(subject)
    predicted = responses @ ridges[subject].weight.T + ridges[subject].bias
    return (retrieval_ranks(predicted - shift, candidates - shift_candidates, own) == 1).mean()

check(centred_top1, lambda subject: top1_about(mean, mean, subject),
      on=[(subject,) for subject in people[:2]],
      hint="Subtract `mean` from both sides, then rank by cosine as in section 5.", wrong={
          "This is ridge as it is: nothing was centred.": lambda subject: top1_about(0, 0, subject),
          "Only the candidates were centred.": lambda subject: top1_about(0, mean, subject),
          "Only the predictions were centred.": lambda subject: top1_about(mean, 0, subject),
          "This is the whitened decoder.": lambda subject: single[WHITENED][subject]})

# %% [markdown]
# **Discuss.** (1) The decoder is scored by finding an image among others. What would it have to do
# to *see*? (2) Repeats of an image in one batch count as different images. Whom does that hurt?
# (3) If whitening the targets does what the contrastive loss does, which of the two would you
# rather explain to a reader?
#
# **References.** Efird et al. (2025), arXiv 2405.17663 · Radford et al. (2021), PMLR 139 (CLIP) ·
# Allen et al. (2022), *Nat Neurosci* 25(1) (NSD) · Scotti et al. (2023), arXiv 2305.18274
# (MindEye).
#
# Previous: [09 · See lateralisation](09_see_lateralisation.ipynb) · Next:
# [11 · Find shared concepts](11_find_shared_concepts.ipynb): what do the weights have in common?
