# %% [markdown]
# # 11 · Which concepts do brains share?
#
# Efird, Murphy, Zylberberg & Fyshe (2025), shared decodable concepts
# ([arXiv 2405.17663](https://arxiv.org/abs/2405.17663)).
# On two cores: two minutes after notebook 10 under `demo`; not measured under `paper`, which
# needs what notebook 10 needs, and COCO's annotations; minutes under `mini`.

# %% [markdown]
# **Goal.** A decoder's weights give every voxel a direction in CLIP's space: where a prediction
# moves when this voxel responds more. Directions that several participants have in common are a
# **shared decodable concept**. The paper finds them by a DBSCAN in which a point is core if enough
# *other participants* have a neighbour of it, and shows each as a card: where it lies, in whom,
# which images and words are nearest to it, and which are farthest. We add what its reviewers
# asked for: a radius chosen by a rule, and labels in which CLIP has no part.
#
# **You will learn**
# - what a decoder's weight of a voxel means, and how such weights are clustered across people;
# - how to read the card of a concept;
# - how to name a concept by what its voxels respond to, not by what a network says.

# %% tags=["parameters"]
profile = "demo"    # demo, mini, paper, or the path of your own TOML file
n_cards = 8         # concepts in the figure; all are in the table

# %%
import numpy as np
import pandas as pd
from IPython.display import Markdown

from helpers import lab
from helpers.brains.rois import FAMILIES
from helpers.brains.surfaces import read_surface
from helpers.concepts import plots
from helpers.concepts.clustering import count_shared
from helpers.concepts.interpretation import associated_vectors, cross_validated_names
from helpers.concepts.statistics import largest_proportion
from helpers.concepts.study import ConceptStudy
from helpers.decoding.study import DecodingStudy
from helpers.decoding.vectors import effective_dimension, unit
from helpers.figures import style
from helpers.figures.claims import ClaimsTable, round_numbers
from helpers.figures.deviations import deviation_table

laboratory = lab.open(profile, notebook="11_find_shared_concepts")
claims = ClaimsTable(laboratory.provenance)
style.use_style()
print(laboratory.provenance.line)

# %% [markdown]
# ## 1 · One direction a voxel
#
# The prediction is $\hat y = b + \sum_v x_v w_v$: column $w_v$ of the weights is the direction that
# voxel $v$ adds when it responds above its session mean. It is averaged over runs and scaled to
# length 1. Where voxels lie plays no part. Whether anything *can* be shared depends on how many
# directions there are: in few dimensions everything is near everything.

# %%
spec = laboratory.profile.table("concepts")
study = ConceptStudy(DecodingStudy.open(laboratory), spec)
people, space = list(study.subjects), study.decoding.space
pd.DataFrame({subject: {"voxels": len(values), "effective dimension":
                        round(effective_dimension(unit(values)), 1)}
              for subject, values in study.weights.items()}).T

# %% [markdown]
# ## 2 · Clusters, at every radius at once
#
# A voxel is **core** at radius eps if at least m = 3 *other* participants have a voxel within eps
# of it (cosine distance). Neighbouring core voxels form a concept; other neighbours are its
# border; the rest is noise. The paper's figures use some eps between .45 and .70 of CLIP's 512
# dimensions. Ours is chosen by rule, **in decoders of one half of the training images: where most
# concepts are found beyond those that their rotated weights give**. (Each participant's weights
# are rotated within the shape of all weights together, so that all distances within a person stay,
# and agreement between people is chance.) The table is that of all images. A number of concepts
# falls again when they merge; voxels in concepts that at least half of the participants share do
# not. Notebook 12 tests these at all radii at once, and looks at this null more closely.

# %%
place, beyond = study.selected_radius
counts, chance = count_shared(study.clusters_by_radius), study.rotation_null
table = pd.DataFrame({
    "eps": spec.eps, "beyond chance, half the images": beyond.round(2),
    "concepts": counts["concepts"], "by chance": chance["concepts"].mean(0).round(2),
    "voxels in shared ones": counts["voxels"],
    "voxels, by chance": chance["voxels"].mean(0).round(),
    "core voxels": [f"{np.concatenate(one.core).mean():.0%}" for one in study.clusters_by_radius],
    "in a concept": [f"{(np.concatenate(one.labels) >= 0).mean():.0%}"
                     for one in study.clusters_by_radius]})
print(f"chosen: eps = {spec.eps[place]:.2f}")
table

# %% [markdown]
# ## 3 · What is in a concept
#
# The **centroid** is the mean direction of all members. Nearest to it, and farthest, among all
# images and among words that people's captions say; and, independent of CLIP, the objects that
# held-out images show: how well does the mean response of the concept's voxels tell images
# with the object from those without (area under the ROC curve, mean over participants)?

# %%
found, centroids = study.concepts, study.centroids
order = np.argsort(-found.counts().sum(1), kind="stable")
most, least = associated_vectors(centroids, space.vectors[study.known_conditions], spec.n_images)
most, least = study.known_conditions[most], study.known_conditions[least]
words = np.array(study.words, dtype=object)
near, far = (associated_vectors(centroids, space.read(list(words)), spec.n_words) if len(words)
             else (np.empty((len(centroids), 0), int),) * 2)
labels = study.object_labels()
mean = labels.groupby(["concept", "object"])[["auc", "auc_clip"]].mean()

# %%
def best(concept, column="auc", n=3):
    if concept not in mean.index.get_level_values(0):
        return []
    top = mean.loc[concept][column].sort_values(ascending=False).head(n)
    return [f"{name} {value:.2f}" for name, value in top.items()]

roi_overlap = study.roi_overlap()
cards = pd.DataFrame([{
    "concept": int(concept), "voxels": int(found.counts()[concept].sum()),
    "participants": int((found.counts()[concept] > 0).sum()),
    "regions": ", ".join(f"{name} {share:.0%}" for name, share in roi_overlap[concept].items()),
    "objects, by response": ", ".join(best(concept)),
    "nearest words": ", ".join(words[near[concept]][:5]),
    "farthest words": ", ".join(words[far[concept]][:3])} for concept in order])
cards.set_index("concept")

# %% [markdown]
# ## 4 · Cards
#
# Rows are the largest concepts. The map shows the expanded masks, as the authors draw them: of
# every participant who has members, also the voxels near these.

# %%
sheets = {(subject, side): sheet for subject in people for side in ("lh", "rh")
          if (sheet := read_surface(study.decoding.cohort, subject, side)) is not None}
cohort = study.decoding.cohort
first = dict(zip(*np.unique(cohort.condition_of, return_index=True)))

def strip(axes, conditions, colour):
    plots.image_strip(axes, [cohort.stimuli.open(int(first[one]))
                             for one in conditions[:8]], 4, colour)

# %%
drawn = order[:n_cards]
figure = style.new_figure(0.5 + 1.08 * max(1, len(drawn)))
grid = figure.add_gridspec(max(1, len(drawn)), 5, width_ratios=[0.8, 0.5, 1.25, 1.25, 1.2],
                           hspace=0.3, wspace=0.09, left=0.03, right=0.99, top=0.95, bottom=0.03)
expanded = found.expanded_counts()
for row, concept in enumerate(drawn):
    axes = figure.add_subplot(grid[row, 0], **plots.map_axes(sheets))
    plots.concept_map(axes, sheets, study.vertices(concept), people)
    axes.set_title(f"{concept}: {', '.join(roi_overlap[concept]) or 'elsewhere'}", fontsize=5.5,
                   pad=2)
    bars = figure.add_subplot(grid[row, 1])
    plots.count_bars(bars, expanded[concept], people)

# %%
for row, concept in enumerate(drawn):
    for column, (which, colour) in enumerate(((most, "tab:green"), (least, "tab:red")), 2):
        strip(figure.add_subplot(grid[row, column]), which[concept], colour)
    axes = figure.add_subplot(grid[row, 4])
    plots.word_list(axes, words[near[concept]], words[far[concept]],
                    best(concept, n=4))
for column, title in enumerate(("where", "voxels", "nearest images", "farthest images",
                                "objects by response (AUC); words")):
    box = grid[0, column].get_position(figure)
    figure.text((box.x0 + box.x1) / 2, 0.985, title, ha="center", va="top", fontsize=6.5)

# %%
style.save_figure(figure, laboratory.provenance, {"cards": cards, "radii": table,
                                                  "objects": labels})
figure

# %% [markdown]
# **Figure 11.** One card a row, of the concepts with most voxels. *Where*: expanded masks of all
# participants, a colour each, on their flat sheets over one another (left hemisphere left, anterior
# up); on folded cortex, the participant and hemisphere with most voxels. Title: regions that hold
# most of the members. *Voxels*: of the expanded mask, by participant. *Images*: those whose
# embedding is nearest to the centroid (green) and farthest (red), of all images. *Objects*: mean
# over participants of the area under the ROC curve with which the mean held-out response of the
# concept's voxels tells images with the object. *Words*: nearest (green), farthest (red). n:
# participants in step 1. The stamp says whether the data are REAL or SYNTHETIC.

# %% [markdown]
# ## 5 · Claims
#
# Rules were fixed before this run; earlier trials with another network had been seen.

# %%
families = {"faces": "floc-faces", "bodies": "floc-bodies", "scenes": "floc-places",
            "characters": "floc-words"}
sizes, rests_on = found.counts().sum(
    1), f"one mean over {study.decoding.spec.training.n_seeds} runs"
for domain, family in families.items():
    share = study.fraction_in_regions(FAMILIES[family])
    largest = largest_proportion(*(np.round(values[np.isfinite(share)]).astype(int)
                                   for values in (share * sizes, sizes)))
    claims.judge(f"A shared concept lies in the regions of {style.display_name(domain)}",
                 *(value - 0.5 for value in largest), "above 0",
                 of="largest fraction of a concept's members in regions of that domain, minus half, "
                 "largest exact limits of all concepts, corrected for their number",
                 n=f"{len(sizes)} concepts",
                 source="SDC figures: faces, bodies, places, words", paper="shown on maps",
                 rests_on=rests_on)

# %%
top = mean.groupby("concept")["auc"].idxmax() if len(mean) else []
rank = mean.groupby("concept")["auc_clip"].rank(ascending=False) if len(mean) else mean
agree = [float(rank[one]) <= 3 for one in top]
claims.count("What a concept's voxels respond to is what CLIP says that it is", sum(agree),
             len(agree), "above", 0.5,
             of="concepts whose object that the voxels' held-out responses "
             "tell best is among the three that CLIP tells best", paper="not tested",
             source="reviewers' question: brain or CLIP?", rests_on=rests_on)
named = cross_validated_names(labels)
claims.interval("The object that names a concept in the others names it in each participant, too",
                named.groupby("concept")["auc"].mean() - 0.5, "above 0", sample="concepts",
                of="area under the ROC curve in the participant who had no part in the naming, "
                "minus .5", source="beyond the paper", paper="–",
                rests_on=rests_on)

# %%
claims.number("eps", spec.eps[place])
claims.number("concepts", found.n_clusters)
claims.number("by chance", round_numbers({name: values[:, place].mean()
                                          for name, values in chance.items()}, 2))
path = claims.save()
print(claims.text())

# %%
# NBVAL_CHECK_OUTPUT
print(claims.verdicts())

# %% [markdown]
# ## 6 · What we see, what the paper says, why they differ
#
# The cards of large concepts can be read, and what their voxels respond to in held-out images
# mostly agrees with what CLIP says. Small ones should be read with care: at this radius rotated
# weights have some concepts, too, nearly all of a few voxels (the table in step 2 says how many).
# That is a price of the rule: decoders of half of the images are noisier, so that they agree at a
# larger radius than those of all. *Faces, bodies, places and words*, the paper's showpieces, are
# there with a few voxels at best: in the demo some dozen regions overlap in what drives them, and
# a decoder splits the weight among voxels that say the same, so that a single voxel's direction is
# mostly noise. Patches with a drive of their own, and early cortex, keep theirs. NSD has some five
# times the trials; whether its face regions are found for that reason, or because they are so
# strongly driven, only NSD can tell.
#
# The rule has a flaw. *Cars* were planted in one participant alone. Her voxels need one neighbour
# in three other people, anywhere in the brain, and among a thousand voxels each there can be one by
# chance: then the concept passes as shared, with most of its voxels in her (notebook 12 tests
# whether it does in this run). The maps of the paper should be read with their voxel counts, which
# the bars show.

# %% [markdown]
# ## Known deviations from the paper
#
# Where a step differs from the published code or text, under every profile; of all notebooks:
# [REPRODUCING.md](../REPRODUCING.md).

# %%
Markdown(deviation_table(laboratory.provenance.notebook))

# %% [markdown]
# ## 7 · Exercises
#
# **Read.** Which concept (number) has voxels in most participants, and of those the most voxels?

# %%
your_concept = None    # its number

if your_concept is None:
    print("Hint: `found.counts()` has a row a concept and a column a participant.")
else:
    size = found.counts()
    expected = max(range(len(size)), key=lambda c: ((size[c] > 0).sum(), size[c].sum()))
    print("Right." if your_concept == expected else "Not yet: first participants, then voxels.")

# %% tags=["solution"]
size = found.counts()
print(max(range(len(size)), key=lambda c: ((size[c] > 0).sum(), size[c].sum()), default=None))

# %% [markdown]
# **Change.** Copy the profile, set `min_participants = 5` in its table `[concepts]`, and run again.
# Which cards go, and what do they have in common?
#
# **Extend.** A concept that one person has and three others touch by chance passes the published
# rule. Count as *evenly shared* those of which half of the participants have three voxels or more.

# %%
your_count = None    # how many are evenly shared?

if your_count is None:
    print("Hint: `(found.counts() >= 3).sum(1)` counts participants.")
else:
    expected = int(((found.counts() >= 3).sum(1) >= len(people) / 2).sum())
    print("Right." if your_count == expected else "Not yet: half of the participants, or more.")

# %% tags=["solution"]
print(int(((found.counts() >= 3).sum(1) >= len(people) / 2).sum()), "of", found.n_clusters)

# %% [markdown]
# **Discuss.** (1) A card is chosen images and words: what could make any direction look like a
# concept? (2) Voxels are clustered in CLIP's space. Which concepts can never be found there?
# (3) Labels by response need lists of objects. What is not an object?
#
# **References.** Efird et al. (2025), arXiv 2405.17663 · Ester et al. (1996), KDD (DBSCAN) · Lin et
# al. (2014), arXiv 1405.0312 (COCO) · Allen et al. (2022), *Nat Neurosci* 25(1) (NSD).
#
# Previous: [10 · Decode brains to CLIP](10_decode_brains_to_clip.ipynb) · Next:
# [12 · Test shared concepts](12_test_shared_concepts.ipynb): are they more than chance?
