# %% [markdown]
# # 00 · Which images and networks do the notebooks use?
#
# No figure of a paper: the images and networks of all of them. Read it before any other notebook.
# On two cores: half a minute and 1.3 GB under `demo` (two minutes the first time, while the
# synthetic images are drawn), two minutes under `mini`; under `paper` not measured.

# %% [markdown]
# **Goal.** Every figure compares responses of networks (and later of brains) to images. This
# notebook introduces both. Under `demo` the images are *synthetic*, with a known ground truth, so
# that a method can be checked before it is trusted. Under `mini` and `paper` they are photographs.
# The code is the same for all.
#
# **You will learn**
# - what a localizer, an independent probe set and a diet are, and how they differ;
# - how to test whether low-level statistics of the images reveal their category;
# - how much category information a network has before training, and how much training adds.

# %% tags=["parameters"]
profile = "demo"    # demo, mini, paper, or the path of your own TOML file
n_examples = 7      # images of each category in the figure
k = 20              # neighbours of the k-nearest-neighbour probe

# %%
import numpy as np
import pandas as pd

from helpers import lab
from helpers.core.intervals import difference_interval
from helpers.figures import style
from helpers.figures.claims import ClaimsTable, round_numbers
from helpers.figures.panels import image_grid
from helpers.figures.verdicts import CHECK
from helpers.selectivity import plots
from helpers.selectivity.linear_probes import (
    extract_features,
    luminance_and_contrast,
    pixel_features,
    probe_accuracies,
)
from helpers.stimuli.image_sets import DOMAINS

laboratory = lab.open(profile, notebook="00_meet_the_universe")
claims = ClaimsTable(laboratory.provenance)
style.use_style()
print(laboratory.provenance.line)

# %% [markdown]
# ## 1 · The images
#
# **Localizer**: images of a few *domains* (faces, bodies, …), to find units that prefer one of
# them. **Probe set**: other exemplars in another style, to test these units on independent images.
# **Diet**: the images on which networks are trained. A profile may lack the last two. The domain
# `characters` (words and numbers) is called *words* in figures, as in the paper.

# %%
sets = {name: laboratory.images(name) for name in laboratory.available("localizer", "probe")}
for name, images in sets.items():
    print(f"{name}: {len(images)} images, {len(set(images.categories))} categories, "
          f"{len(images.domain_names)} domains")

# %% [markdown]
# ## 2 · Is there a shortcut?
#
# If faces were brighter than houses, a unit that measures brightness would look face-selective.
# So compare luminance (the mean over an image) and contrast (its standard deviation) between the
# localizer's domains, on values from 0 to 1.

# %%
localizer = sets["localizer"]
levels = luminance_and_contrast(localizer)
level_summary = levels.groupby("domain")[["luminance", "contrast"]].agg(["mean", "std"]).round(3)
level_summary.loc[list(localizer.domain_names)]

# %% [markdown]
# Luminance is one shortcut of many. A harder question: can a *linear probe* classify the five
# domains from the raw pixels (16 × 16)? It is trained on half of the images and tested on the other
# half. The same probe is then applied to the networks' features. The step from pixels to the
# untrained network is due to the architecture; the step from there to a trained one is due to
# training.

# %%
intact = localizer.select([i for i, d in enumerate(localizer.domains) if d in DOMAINS])
networks = laboratory.networks()
layer = laboratory.profile.networks.heat_map_layer
representations = {"raw pixels": pixel_features(intact)}
representations |= {name: extract_features(network, intact,
                                           layer) for name, network in networks.items()}
labels = np.array([DOMAINS.index(domain) for domain in intact.domains])
half = intact.halves
domain_accuracy = probe_accuracies(representations, labels, half == 0, half == 1, k=k)
print(
    f"five domains, chance {domain_accuracy['chance'].iloc[0]:.0%}; trained on {np.sum(half == 0)} images")
domain_accuracy.round(2)

# %% [markdown]
# ## 3 · How well do the networks separate the classes of their diet?
#
# The diet has many fine classes. A network trained without labels has no information on them; if
# its features separate them nevertheless, its *objective* (the loss that training minimises) is
# sufficient for that. The *k*-nearest-neighbour probe uses cosine similarity; the linear probe is a
# multinomial logistic regression. Both are trained on one half of the diet's validation images and
# tested on the other; no network was trained on any of them. A profile without a diet skips this:
# the loop below is then empty.

# %%
class_accuracy = {}
for name in laboratory.available("diet"):
    validation_images = laboratory.images(name, "val")  # no network was trained on these
    train_images, test_images = (validation_images.select(
        np.flatnonzero(validation_images.halves == part)) for part in (0, 1))
    class_features = {"raw pixels": np.concatenate([pixel_features(train_images),
                                                    pixel_features(test_images)])}
    class_features |= {n: np.concatenate([extract_features(network, part, layer)
                                          for part in (train_images, test_images)])
                       for n, network in networks.items()}
    names = sorted(set(train_images.categories))
    classes = np.array([names.index(c) for c in train_images.categories + test_images.categories])
    is_train = np.arange(len(classes)) < len(train_images)
    class_accuracy[name] = probe_accuracies(class_features, classes, is_train, ~is_train, k=k)
    print(
        f"{name}: {len(names)} classes, {len(train_images)} training images, {len(test_images)} test images")
pd.concat(class_accuracy).round(2) if class_accuracy else "this profile has no diet"

# %% [markdown]
# ## 4 · The figure

# %%
shown_categories = [c for d in (*DOMAINS, "scrambled") for c in sorted(set(localizer.categories))
                    if localizer.domains[localizer.categories.index(c)] == d]
figure = style.new_figure(6.6)
grid = figure.add_gridspec(1, 2, width_ratios=[1.15, 1], wspace=0.55, left=0.08, right=0.97,
                           top=0.95, bottom=0.1)
localizer_axes = figure.add_subplot(grid[0])
image_grid(localizer_axes, localizer, shown_categories, n_examples)
localizer_axes.set_title("localizer")
localizer_axes.set_anchor("N")
style.panel_letter(localizer_axes, "A", x=-0.14)

# %%
panels = [("five domains, localizer", domain_accuracy)] + [(f"{n}: fine classes",
                                                            t) for n, t in class_accuracy.items()]
accuracy_grid = grid[1].subgridspec(len(panels) + 1, 1, hspace=0.55)
for row, (title, table) in enumerate(panels):
    axes = figure.add_subplot(accuracy_grid[row])
    plots.accuracy_bars(axes, table)
    axes.set_title(title)
    style.panel_letter(axes, "BCDE"[row], x=-0.12)

# %%
axes = figure.add_subplot(accuracy_grid[len(panels)])
plots.domain_strips(axes, levels, "contrast", localizer.domain_names)
axes.set(title="contrast of the localizer's images", ylabel="SD of luminance")
style.panel_letter(axes, "BCDE"[len(panels)], x=-0.12)
tables = {"levels": levels, "domains": domain_accuracy.reset_index(names="representation")}
tables |= {n: t.reset_index(names="representation") for n, t in class_accuracy.items()}
style.save_figure(figure, laboratory.provenance, tables)
figure

# %% [markdown]
# **Figure 00.** **A** Images of every category of the localizer. **B** Fraction of held-out
# images whose domain is classified correctly by a *k*-nearest-neighbour probe (dark) and by a
# linear probe (light), from raw pixels and from one layer of each network; dotted: chance; n:
# printed in step 2. Where the profile has a diet, **C** shows the same for its fine classes (n:
# step 3). **Last panel** Contrast of every localizer image (dots; bar: mean); a shortcut would
# shift one domain against the others. No error bars: one split of the images, one network of each
# type. The stamp says whether the data are REAL or SYNTHETIC.

# %% [markdown]
# ## 5 · Claims
#
# Each claim has a rule that decides its verdict: *supported*, *contradicted*, *inconclusive* or
# *not testable here*. Where there is a 95 % interval, it decides: it supports where it lies on the
# claimed side, contradicts where it lies on the other, and is inconclusive otherwise. To claim that
# something is *absent* requires an equivalence bound that was fixed beforehand. *Sanity checks*
# have a list of their own: they fail only if data or code are broken, and say nothing about a
# paper.

# %%
main, untrained = (laboratory.profile.networks.main, laboratory.profile.networks.untrained)
by_domain = levels[levels["domain"].isin(DOMAINS)].groupby("domain")[["luminance",
                                                                      "contrast"]].mean()
largest_difference = by_domain.max() - by_domain.min()
claims.claim("Luminance and contrast are matched between the localizer's domains",
             source="Stigliani et al. 2015; our universe", paper="matched",
             run=f"largest difference between domains: luminance {largest_difference['luminance']:.3f}, "
             f"contrast {largest_difference['contrast']:.3f}",
             rule="largest difference below 0.02 on values from 0 to 1, 5 of 255 grey levels",
             holds=bool((largest_difference < 0.02).all()), kind=CHECK)
pixel_accuracy, n_test = domain_accuracy.loc["raw pixels"], int((half == 1).sum())
claims.count("Raw pixels do not give the five domains away",
             round(pixel_accuracy[["linear", "knn"]].max() * n_test), n_test, "below", 0.4,
             of="images whose domain the better of the two readers finds; twice the chance",
             source="beyond the papers", paper="not reported")

# %%
one = "one training of each network"
gain, *span = difference_interval(*(count for name in (main, untrained) for count in (
    round(domain_accuracy.loc[name, "knn"] * n_test), n_test)))
claims.judge("Training, not architecture, makes the domains readable", gain - 0.1,
             *(end - 0.1 for end in span), "above 0", n=f"{n_test} images", rests_on=one,
             of="neighbours, trained minus untrained, minus 10 points", source="beyond the papers",
             paper="not reported")

# %%
diet = class_accuracy.get("diet")
trained_without_labels = [n for n, net in networks.items() if net.entry.trained_without_labels]
testable, n_test_images = diet is not None and bool(trained_without_labels), 0
if testable:
    n_test_images, worst = len(test_images), diet.loc[trained_without_labels, "knn"].min()
gain = difference_interval(*((round(worst * n_test_images), n_test_images, round(
    diet.loc[untrained, "knn"] * n_test_images), n_test_images) if testable else (0, 0, 0, 0)),
                           scale=2)
claims.judge("Networks trained without labels beat the untrained one on fine classes", *gain,
             "above 0", n=f"{n_test_images} images", rests_on=one, source="beyond the papers",
             of=f"neighbours, the worst of {len(trained_without_labels)} minus twice the untrained network's",
             paper="not reported")
for name, table in {"five domains": domain_accuracy, **class_accuracy}.items():
    for measure in ("knn", "linear"):
        claims.number(f"{name}, {measure}", round_numbers(table[measure].to_dict(), 3))

# %%
path = claims.save()
print(claims.text())

# %%
# NBVAL_CHECK_OUTPUT
print(claims.verdicts())

# %% [markdown]
# ## 6 · What we see, and why it matters
#
# A suitable image set for this question gives low accuracy from pixels, slightly more from an
# untrained network, and much more from a trained one. Where pixels or an untrained network already
# do well, low-level statistics may explain "selective" units, and notebook 01 has to show more than
# their number. Compare `mini` with `demo`: in photographs, even raw pixels give higher accuracy. In
# the demo, the network trained on faces alone separates the five domains about as well as one
# trained on all of them: that a domain is decodable does not mean that it was learned.
#
# The limits of these numbers: the synthetic images have fewer categories than photographs, and
# their networks are small. Accuracy here shows whether the *method* has something to detect.

# %% [markdown]
# ## 7 · Exercises
#
# **Read.** In panel B, for which representations is the *k*-nearest-neighbour probe better than the
# linear one? Compare the number of training images with the number of features:
# `representations[name].shape`.
#
# **Change.** Use *one* neighbour: call `probe_accuracies(…, k=1)` on the five domains, and leave
# the parameter `k` as it is, to compare with `domain_accuracy`. Which network loses most, and why?

# %%
your_answer = None    # the name of a network

if your_answer is None:
    print(
        "Hint: subtract its column 'knn' from domain_accuracy['knn']; one neighbour is a noisy vote.")
else:
    one = probe_accuracies(representations, labels, half == 0, half == 1, k=1)["knn"]
    worst = (domain_accuracy["knn"] - one).drop("raw pixels").idxmax()
    print("Right." if your_answer == worst else "Look again at the difference.")

# %% tags=["solution"]
one = probe_accuracies(representations, labels, half == 0, half == 1, k=1)["knn"]
print((domain_accuracy["knn"] - one).drop("raw pixels").idxmax(), "loses most")

# %% [markdown]
# **Extend.** Use your own images as a localizer: copy `helpers/profiles/mini.toml` to
# `profiles/mine.toml`, set `name = "mine"`, let `path` point at eleven folders with the localizer's
# names (panel A), and run with `PROFILE=mine`.
#
# **Discuss.** (1) Matching luminance and contrast leaves higher statistics free: name one. (2) Is
# a network with a high accuracy a better model of a brain? (3) What should be true of a synthetic
# data set before a result on it says anything about real data?
#
# **References.** Stigliani, Weiner & Grill-Spector (2015), *J Neurosci* 35(36) · Zbontar et al.
# (2021), *ICML* (Barlow Twins) · Chen et al. (2020), *ICML* (SimCLR).
#
# Next: [01 · Localize selective units](01_localize_selective_units.ipynb), one unit at a time.
