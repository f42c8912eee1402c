"""A tiny world for `test_keys`: every input of a cached artefact, and how to change it alone.

Whoever adds a kind of artefact adds it to `SITES`, with all that it depends on.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field, fields, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from helpers.brains.layouts import read_cohort
from helpers.brains.rsa92 import ImageStack
from helpers.concepts.study import ConceptStudy
from helpers.config.contrastive_coding import EncodingSpec, ReadoutSpec
from helpers.config.contrastive_finetuning import FinetuningSpec
from helpers.config.shared_concepts import ConceptSpec, DecoderTraining, DecodingSpec
from helpers.config.vision_language import LanguageSpec
from helpers.decoding.embedding_space import EmbeddingSpace, image_embedding_space
from helpers.decoding.study import DecodingStudy, TrainingVariant
from helpers.encoding.cohort_features import UnitPools, channel_mean_features, unit_features
from helpers.encoding.cohort_responses import noise_ceiling_table, read_responses
from helpers.encoding.study import EncodingStudy
from helpers.finetuning.conditions import CONDITIONS
from helpers.finetuning.data import CohortData
from helpers.finetuning.evaluate import evaluate, finetune, preselect_layer_and_alpha
from helpers.finetuning.runs import EvaluationSet
from helpers.finetuning.study import FineTuningStudy
from helpers.landscape.study import fit_probe, load_task
from helpers.lesions.study import evaluate_lesions
from helpers.matched_models.block_statistics import (
    BlockStatistics,
    collect_held_out_responses,
    compute_block_statistics,
)
from helpers.matched_models.study import MatchedModelsStudy
from helpers.networks.clip import ClipModel
from helpers.networks.registry import NetworkEntry
from helpers.rsa.study import layer_rdms
from helpers.saliency.study import measure_laterality
from helpers.selectivity.linear_probes import extract_features
from helpers.selectivity.study import localize_network, split_half_agreement
from helpers.stimuli.image_sets import image_folder
from helpers.stimuli.six_category_localizer import make_six_category_localizer
from helpers.training.classifiers import builtin_classifier, cached_readout
from support.brain_files import write_tiny_algonauts
from support.tiny_cohort import network

DOMAIN = {"p": "faces", "q": "bodies", "r": "scenes", "s": "characters"}


@dataclass
class World:
    """Folders with images and brain data, a network, and settings, each to be changed alone."""

    root: Path
    set: dict[str, Any] = field(default_factory=dict)
    lists: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        half = (0.5, 0.5, 0.5)
        plain = network()
        seen = replace(plain.preprocessing, resize=32, crop=32, mean=half, std=half)
        self.net = replace(plain, preprocessing=seen,
                           entry=NetworkEntry("tiny-net", "tiny", seen, "none", "none",
                                              {"width": 1}))

    @property
    def image_dir(self) -> Path:
        return self.root / "set"

    @property
    def brains(self) -> Path:
        return self.root / "algonauts"

    def get(self, name: str, default: Any) -> Any:
        return self.set.get(name, default)

    @property
    def images(self):
        found = image_folder(self.image_dir)
        return replace(found.select(self.get("order", range(len(found)))), **self.lists)

    @property
    def cohort(self):
        return read_cohort("algonauts", self.brains, subjects=self.get("subjects", ()))


def write_world(root: Path) -> World:
    rng = np.random.default_rng(0)
    for name in DOMAIN:
        (root / "set" / name).mkdir(parents=True)
        for number in range(4):
            save(root / "set" / name / f"{number}.png", rng.integers(0, 255, (32, 32, 3), np.uint8))
    write_classes(root / "set", DOMAIN)
    write_tiny_algonauts(root / "algonauts", n_images=24, n_common=4)
    return World(root)


def save(path: Path, pixels: np.ndarray) -> None:
    """Save without compression: other pixels, same size."""
    Image.fromarray(pixels).save(path, compress_level=0)


def write_classes(folder: Path, domain: dict[str, str]) -> None:
    (folder / "classes.csv").write_text("class,domain\n" + "".join(
        f"{name},{said}\n" for name, said in domain.items()))


def flip_byte(path: Path) -> None:
    """Change one byte amid a file, and nothing that a listing shows: not size, not time."""
    state, content = path.stat(), bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))


# ---- changes of single inputs: name -> what is done to a world ----------------------------------

def _setting(name: str, value: Any, world: World) -> None:
    world.set[name] = value


def setting(**values: Any) -> dict:
    return {name: partial(_setting, name, value) for name, value in values.items()}


def _net(world: World, **change: Any) -> None:
    world.net = replace(world.net, **change)


def _seen(world: World, **change: Any) -> None:
    world.net = replace(world.net, preprocessing=replace(world.net.preprocessing, **change))


def _built(world: World, **change: Any) -> None:
    world.net = replace(world.net, entry=replace(world.net.entry, **change))


def _listed(world: World, **change: Any) -> None:
    world.lists |= change


PREPROCESSING = {
    "resize": partial(_seen, resize=40), "crop": partial(_seen, crop=24),
    "interpolation": partial(_seen, interpolation="bicubic"),
    "mean": partial(_seen, mean=(0.4, 0.5, 0.5)), "std": partial(_seen, std=(0.4, 0.5, 0.5))}
NETWORK = PREPROCESSING | {
    "weights": partial(_net, digest="other"),
    "architecture": partial(_built, architecture="another"),
    "options": partial(_built, options={"width": 2}),
    "paths of layers": partial(_net, layers={"conv": "0", "relu": "0", "fc": "3"}),
    "order of layers": partial(_net, layers={"fc": "3", "conv": "0", "relu": "1"})}
IMAGES = {
    "pixels": lambda w: flip_byte(w.image_dir / "p/2.png"),
    "domains": lambda w: write_classes(w.image_dir, DOMAIN | {"p": "scenes", "r": "faces"}),
    "order": partial(_setting, "order", [1, 0, *range(2, 16)]),
    "fewer": partial(_setting, "order", range(15)),
    "labels": partial(_listed, categories=tuple("ppppqqqqrrrrsssp"), domains=("faces",) * 16),
    "classes": partial(_listed, classes=(*DOMAIN, "t"))}
SHOWN_IMAGES = {"images": lambda w: [flip_byte(p) for p in w.brains.rglob("*nsd-*.png")]}
RESPONSES = {
    "betas": lambda w: [np.save(p, -3 * np.load(p)) for p in w.brains.rglob("*_fmri.npy")],
    "labels": lambda w: flip_byte(w.brains / "subj01/roi_masks/lh.floc-bodies_challenge_space.npy"),
    "names": lambda w: flip_byte(w.brains / "subj01/roi_masks/mapping_floc-faces.npy"),
    "order of images": lambda w: _reverse_image_order(w.brains
                                                      / "subj01/training_split/training_images")}


def _reverse_image_order(folder: Path) -> None:
    """Let the last row be of the first image, and so on."""
    paths = sorted(folder.iterdir())
    new = [f"{other.name.split('_')[0]}_{path.name.split('_')[1]}"
           for path, other in zip(paths, paths[::-1])]
    for path, name in zip(paths, new):
        path.rename(path.with_name(f"new-{name}"))
    for path in folder.glob("new-*"):
        path.rename(path.with_name(path.name.removeprefix("new-")))


def spec_changes(name: str, spec: Any, **values: Any) -> dict:
    """Change single fields of a profile's table; all numbers where none are named."""
    chosen = values or {one.name: getattr(spec, one.name) * 2 for one in fields(spec)
                        if isinstance(getattr(spec, one.name), int | float)}
    return {f"{name}.{one}": partial(_setting, name, replace(spec, **{one: value}))
            for one, value in chosen.items()}


# ---- what asks for an artefact ------------------------------------------------------------------

READOUT = ReadoutSpec("x", "", warmup_fraction=0.2, min_crop_fraction=0.3)
LANGUAGE = LanguageSpec({"a": "tiny-net"}, ("0", "3"), "a", "a")
TUNING = FinetuningSpec("tiny-net", "tiny-net", ("EBA", "PPA"), ("conv", "fc"), min_voxels=2,
                        hemispheres="together", epochs=3, batch_size=8, checkpoints=(1,))
TRAINING = DecoderTraining(iterations=3, batch_size=4, n_seeds=1)
DECODING = DecodingSpec("x", n_test=4, n_validation=3, n_pool=2, training=TRAINING)
CONCEPTS = ConceptSpec()
ENCODING = EncodingSpec(("EBA", "PPA"), ("conv", "fc"), curve_rois=("EBA",))


def localizer(w):
    return localize_network(w.net, w.images, alpha=w.get("alpha", 0.05))


def agreement(w):
    return split_half_agreement(w.net, w.images, w.get("layer", "fc"), seed=w.get("seed", 0),
                                alpha=w.get("alpha", 0.05))


def read_layer(w):
    return extract_features(w.net, w.images, w.get("layer", "fc"))


def readout(w):
    return cached_readout(w.net, w.get("layer", "fc"), w.images, w.get("spec", READOUT),
                          seed=w.get("seed", 0))


def stages(w):
    return compute_block_statistics(w.net, make_six_category_localizer(w.images), batch_size=8)


def answers(w):
    selective = np.full((9, 3, 6), 9, np.uint8)
    selective[:, :, w.get("unit", 5)] = 0
    empty = np.zeros(0, np.float32)
    stage = BlockStatistics(make_six_category_localizer(w.images).domain_names, (6, 1, 1),
                            selective, *[empty] * 5)
    return collect_held_out_responses(w.net, make_six_category_localizer(w.images),
                                      {w.get("layer", "fc"): stage},
                                      ["faces", "bodies"], max_units=3, seed=0, batch_size=8)


def matched_model(table, w):
    study = MatchedModelsStudy(w.get("spec", LANGUAGE), make_six_category_localizer(w.images),
                               lambda _: w.net, w.get("seed", 0), 8, {"tiny-net": w.net})
    return getattr(study, table)()


def lesions(w):
    masks = {layer: np.arange(n) % 4 == np.arange(2)[:, None]
             for layer, n in w.get("masks", (("conv", 196), ("relu", 196)))}
    return evaluate_lesions(builtin_classifier(w.net), masks, ("faces", "bodies"),
                            w.get("layers", ["conv"]),
                            w.images, n_random=w.get("n_random", 1), seed=w.get("seed", 0))


def rdms(w):
    return layer_rdms(w.net, ImageStack(w.get("stack", np.zeros((4, 32, 32, 3), np.uint8))),
                      w.get("layers", ["fc"]))


def cohort_data_of(w) -> CohortData:
    return CohortData(w.cohort, w.get("tuning", TUNING), w.get("side", 32))


def cohort_pixels(w):
    return cohort_data_of(w).images(np.arange(w.get("n", 9)))[0][:]


def task_of(w):
    return load_task("task", w.images, w.net, w.get("side", 0), w.get("most", 0))


def finetuning_study_of(w) -> FineTuningStudy:
    return FineTuningStudy(cohort_data_of(w), w.net, w.net, w.get("seed", 0))


def run_of(w, kind="contrastive"):
    study = finetuning_study_of(w)
    region = study.regions[w.get("region", 0)]
    train = study.cohort_data.splits(region.subject)[0].train
    return study.run(CONDITIONS[w.get("kind", kind)], (region,), number=w.get("number", 0),
                     train_ids=[train[w.get("first", 0):]], learning_rate=w.get("rate", 1e-3))


def evaluation_set_of(w, protocol="P2"):
    study = finetuning_study_of(w)
    region, train = study.regions[0], study.cohort_data.splits(study.regions[0].subject)[0].train
    return EvaluationSet(study.cohort_data, (region,), train, (train,),
                         w.get("protocol", protocol), study.seed,
                         unseen_ids=train[1:] if w.get("unseen", False) else None)


def preselected(w):
    return preselect_layer_and_alpha(run_of(w, "pretrained"), evaluation_set_of(w, "nested"))


def probe(w):
    return fit_probe(run_of(w, "pretrained"), task_of(w), w.get("layer", "fc"))


def saliency(w):
    return measure_laterality(run_of(w, "pretrained"), task_of(w), "fc", w.get("layers", ["conv"]))


def decoding_of(w) -> DecodingStudy:
    cohort = w.cohort
    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((len(cohort.condition_of), 5)).astype(np.float32)
    vectors[w.get("row", 0)] += 1
    spec = replace(w.get("decoding", DECODING), training=w.get("training", TRAINING))
    return DecodingStudy(cohort, EmbeddingSpace("drawn", vectors, "0", None), spec,
                         w.get("seed", 0), torch.device("cpu"))


def decoders(w):
    return decoding_of(w).decoders("subj01", w.get("variant", TrainingVariant()))


def ridge(w):
    return decoding_of(w).ridge("subj01", w.get("method", "ridge"))


def random_rotation_null(w):
    spec = w.get("concepts", CONCEPTS)
    return ConceptStudy(decoding_of(w), spec)._count_rotated(
        {}, spec.eps, [w.get("points", "digest of weights")], w.get("number", 0))


def encoding_weights(w):
    return ConceptStudy(decoding_of(w), CONCEPTS)._encoding_weights(
        "subj01", w.get("variant", TrainingVariant()))


def embedded(w):
    return image_embedding_space(ClipModel(w.net, None, None, ""), w.cohort, batch_size=8)


def responses(w):
    return read_responses(w.cohort, "subj01", w.get("rois", ["EBA", "PPA"]))


def ceilings(w):
    return noise_ceiling_table(w.cohort, ["subj01"], w.get("rois", ["EBA", "PPA"]),
                               seed=w.get("seed", 0),
                               min_ncsnr=w.get("min_ncsnr", 0.3))


def whole_layers(w):
    return channel_mean_features(w.net, w.get("layers", ["fc"]), w.cohort, np.arange(w.get("n", 9)),
                                 label="x", batch_size=8)


def units(w):
    kept = {"fc": np.arange(w.get("units", 3))}
    return unit_features(w.net, UnitPools(kept, {"x": kept}), w.cohort, np.arange(w.get("n", 9)),
                         label="x", batch_size=8)


def encoding(w):
    return EncodingStudy(w.cohort, w.get("encoding", ENCODING), 8).ridge_scores(w.net)


LEARNING = NETWORK | SHOWN_IMAGES | RESPONSES
DECODER_TRAINING = spec_changes("training", TRAINING, iterations=4, batch_size=5,
                                learning_rate=1e-3,
                                temperature=0.1,
                                noise=0.5, n_seeds=2)
DECODES = RESPONSES | setting(row=1, seed=1) | spec_changes(
    "decoding", DECODING, n_test=5, n_validation=4, min_noise_ceiling=9.0)
SITES: list[tuple[str, Any, dict]] = [
    ("selectivity.study localizer", localizer, NETWORK | IMAGES | setting(alpha=0.01)),
    ("selectivity.study split_half", agreement,
     NETWORK | IMAGES | setting(alpha=0.01, layer="conv", seed=1)),
    ("selectivity.linear_probes features", read_layer, NETWORK | IMAGES | setting(layer="conv")),
    ("training.classifiers readouts", readout, NETWORK | IMAGES | setting(layer="conv", seed=1)
     | spec_changes("spec", READOUT, epochs=3, batch_size=4, max_learning_rate=.1,
                    initial_learning_rate=.01, warmup_fraction=.4,
                    l1_positive=1e-4, l1_negative=1e-4, size=64, min_crop_fraction=.5)),
    ("matched_models.block_statistics stages", stages, NETWORK | IMAGES),
    ("matched_models.block_statistics answers", answers,
     NETWORK | IMAGES | setting(layer="relu", unit=4)),
    ("matched_models.study spread", partial(matched_model, "unit_distributions"),
     NETWORK | IMAGES | setting(seed=1) | spec_changes("spec", LANGUAGE)),
    ("matched_models.study agreement", partial(matched_model, "layer_consistencies"),
     NETWORK | IMAGES | setting(seed=1) | spec_changes("spec", LANGUAGE)),
    ("lesions.study lesions", lesions, NETWORK | IMAGES | setting(
        masks=(("relu", 196), ("conv", 196)), layers=["relu"], n_random=2, seed=1)),
    ("rsa.study rdms", rdms, NETWORK | setting(
        layers=["conv"], stack=np.ones((4, 32, 32, 3), np.uint8))
     | {"shape": partial(_setting, "stack", np.zeros((4, 64, 16, 3), np.uint8))}),
    ("finetuning.data pixels", cohort_pixels, SHOWN_IMAGES | setting(side=24, n=8)),
    ("landscape.study pixels", task_of, {**IMAGES, **setting(side=24, most=8), **{
        name: PREPROCESSING[name] for name in ("resize", "crop", "interpolation")}}),
    ("landscape.study linear_probes", probe, NETWORK | IMAGES | setting(layer="conv")),
    ("saliency.study saliency", saliency, NETWORK | IMAGES | setting(layers=["relu"])),
    ("finetuning.evaluate finetuned", lambda w: finetune(run_of(w)), LEARNING | setting(
        kind="regression", region=1, first=1, rate=1e-2, number=1, seed=1, side=24) | spec_changes(
        "tuning", TUNING, epochs=4, batch_size=9, temperature=.2, symmetric=True, head_layer="1",
        learned_temperature=True, interleaved=True, precision="tf32", checkpoints=(2,),
        saved_precision="float16",
        standardise=True)),
    ("finetuning.evaluate evaluations",
     lambda w: evaluate(run_of(w, "pretrained"), evaluation_set_of(w)),
     LEARNING | setting(side=24, seed=1, protocol="nested", unseen=True)
     | spec_changes("tuning", TUNING, layers=("conv",), standardise=True)),
    ("finetuning.evaluate evaluations", preselected, LEARNING | setting(side=24, seed=1)
     | spec_changes("tuning", TUNING, layers=("conv",), standardise=True)),
    ("decoding.study decoded", decoders,
     DECODES | DECODER_TRAINING | setting(variant=TrainingVariant(half=1))),
    ("decoding.study decoded", ridge, DECODES | setting(method="ridge, whitened")
     | spec_changes("decoding", DECODING, alphas=(1.0,))),
    ("concepts.study shared", random_rotation_null,
     setting(number=1, points="of other weights", seed=1) | spec_changes(
         "concepts", CONCEPTS, eps=(.3,), min_participants=2, expansion=.1)),
    ("concepts.study encoded", encoding_weights, DECODES | setting(
        variant=TrainingVariant(half=2))),
    ("decoding.embedding_space embedded", embedded, NETWORK | SHOWN_IMAGES),
    ("encoding.cohort_responses responses", responses, RESPONSES | setting(rois=["PPA", "EBA"])),
    ("encoding.cohort_responses ceilings", ceilings, RESPONSES | setting(
        rois=["PPA"], seed=1, min_ncsnr=.2)),
    ("encoding.cohort_features features", whole_layers, NETWORK | SHOWN_IMAGES
     | setting(layers=["conv"], n=8)),
    ("encoding.cohort_features features", units, NETWORK | SHOWN_IMAGES | setting(units=2, n=8)),
    ("encoding.study encoding", encoding, LEARNING | setting(subjects=("subj02", "subj01"))
     | spec_changes("encoding", ENCODING, rois=("EBA",), layers=("fc",), min_ncsnr=.2,
                    ridge_alphas=(1.0,))),
]
"""Module and kind of every call of `cached`; what asks for it; its inputs, each with a change."""
