"""The networks of the four training objectives: as recorded, and as measured at checkpoints."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
import torch

from data.synthetic.image_files import write_diet
from data.zoo import matched_models
from helpers import lab
from helpers.brains.layouts import open_cohort
from helpers.config.profile import load_profile
from helpers.core.errors import LabError
from helpers.core.paths import zoo_dir
from helpers.matched_models.study import MatchedModelsStudy
from helpers.matched_models.training_dynamics import (
    MEASURES,
    RECORDED_COLUMNS,
    half_maximum_step,
    load_regions,
    measure_checkpoint,
    read_training_record,
)
from helpers.networks.network import load_network
from helpers.networks.registry import get_entry, seed_names
from helpers.stimuli.image_sets import CORE
from helpers.stimuli.in_memory import read_images
from helpers.training.captioned_images import read_captioned_images

RECORDS = json.loads((zoo_dir() / "zoo.json").read_text(encoding="utf-8"))
RECORD = zoo_dir() / load_profile("demo").language.record
needs_zoo = pytest.mark.skipif(matched_models.MATCHED_MODELS[0] not in RECORDS
                               or not RECORD.is_file(),
                               reason="no matched models in the zoo yet: make zoo")


def test_all_begin_alike_and_see_the_same_images_in_the_same_order():
    first = {name: matched_models.build(get_entry(name).architecture, get_entry(name).options,
                                        seed=get_entry(name).seed).state_dict()
             for name in matched_models.MATCHED_MODELS if name.endswith("seed1")}
    one = first.pop("demo-resnet-labels-seed1")
    assert len(first) == 5
    assert all(torch.equal(one[key], other[key]) for other in first.values() for key in one)
    schedules = {(recipe.epochs, recipe.batch_size, recipe.learning_rate, recipe.weight_decay)
                 for recipe in matched_models.RECIPES.values()}
    assert len(schedules) == 1
    views = {recipe.augmentation for name, recipe in matched_models.RECIPES.items()
             if recipe.objective != "simclr"}
    assert len(views) == 1


def test_moments_lie_ever_further_apart_from_first_weights_to_last():
    recipe = matched_models.RECIPES["demo-resnet-labels"]
    steps = matched_models.checkpoint_steps(recipe, 14400)
    assert steps[0] == 0 and steps[-1] == recipe.epochs * (14400 // recipe.batch_size)
    assert (np.diff(np.diff(steps[1:])) >= 0).all() and len(
        steps) == matched_models.N_CHECKPOINTS + 1


def test_moments_are_noted_side_by_side(tmp_path):
    def rows(condition, seed, value):
        return pd.DataFrame([{**dict.fromkeys(RECORDED_COLUMNS, value), "condition": condition,
                              "seed": seed, "step": 0, "layer": "layer1", "domain": "faces"}])[
                                  list(RECORDED_COLUMNS)]

    path = tmp_path / "moments.csv"
    for table in (rows("b", 0, 0.1), rows("a", 1, 0.2), rows("b", 0, 0.3)):
        matched_models.update_checkpoint_table(table, path)
    found = read_training_record(path)
    assert found[["condition", "seed", "proportion"]].to_numpy().tolist() == [["a", 1, 0.2],
                                                                              ["b", 0, 0.3]]


def test_records_that_are_none_are_reported(tmp_path):
    with pytest.raises(LabError, match="make zoo"):
        read_training_record(tmp_path / "absent.csv")
    (tmp_path / "other.csv").write_text("a,b\n1,2\n")
    with pytest.raises(LabError, match="has the columns a, b"):
        read_training_record(tmp_path / "other.csv")


def test_half_way_lies_where_half_is_reached():
    steps = [0, 9, 99, 999]
    assert half_maximum_step(steps, [0.0, 0.0, 1.0, 1.0]) == pytest.approx(10**1.5 - 1)
    assert half_maximum_step(steps, [0.2, 0.2, 0.2, 0.4]) == pytest.approx(10**2.5 - 1)
    assert np.isnan(half_maximum_step(steps, [0.5, 0.9, 0.7, 0.5]))


@pytest.fixture(scope="module")
def rehearsal_data(tmp_path_factory):
    sizes, folder = load_profile("demo").synthetic, tmp_path_factory.mktemp("diet") / "diet"
    write_diet(folder, seed=sizes.seed, n_val=48, size=sizes.diet_size,
               n_train=48 * matched_models.n_images_per_class_to_reproduce(
                   matched_models.RECIPES["demo-resnet-labels"], 48))
    return read_captioned_images([folder], exclude_prefix="val/"), read_images(folder / "train")


@pytest.mark.slow
def test_labels_of_objects_tell_nothing_that_is_tested(rehearsal_data):
    _, learn = rehearsal_data
    labels = matched_models.object_labels(learn)
    for one, label in zip(learn.labels.tolist(), labels.tolist()):
        assert (label == 0) == (learn.domains[one] in CORE)
    objects = [i for i, domain in enumerate(learn.domains) if domain not in CORE]
    assert sorted(set(labels.tolist())) == list(range(len(objects) + 1))
    pairs = {(one, label) for one, label in zip(learn.labels.tolist(), labels.tolist()) if label}
    assert len(pairs) == len(objects), "each object has a label of its own"


@pytest.mark.slow
@needs_zoo
@pytest.mark.parametrize("family", matched_models.RECIPES)
def test_training_again_begins_as_recorded(family, rehearsal_data):
    images, learn = rehearsal_data
    assert torch.equal(images.images, learn.images)
    name = seed_names(family)[0]
    losses = matched_models.reproduce_matched_model_losses(name, images, learn,
                                                           seed=load_profile("demo").seed)
    assert losses == pytest.approx(RECORDS[name]["rehearsal_losses"], rel=2e-2)


@needs_zoo
@pytest.mark.parametrize("name", matched_models.MATCHED_MODELS)
def test_committed_weights_are_those_of_the_record(name):
    network = load_network(get_entry(name), zoo_dir() / get_entry(name).file)
    assert network.digest == RECORDS[name]["digest"]


@needs_zoo
def test_every_network_has_its_moments():
    found, spec = read_training_record(RECORD), load_profile("demo").language
    conditions = {condition: len(seed_names(name)) for condition, name in spec.conditions.items()
                  if condition != spec.untrained}
    assert found.groupby("condition")["seed"].nunique().to_dict() == conditions
    steps = found.groupby(["condition", "seed"])["step"].unique().map(tuple)
    assert steps.nunique() == 1 and steps.iloc[0][0] == 0
    assert found[list(RECORDED_COLUMNS)].notna().all().all()
    first = found[found["step"] == 0].groupby(["seed", "layer", "domain"])
    assert (first[["proportion", "d_prime"]].nunique() == 1).all().all()


@needs_zoo
@pytest.mark.slow
@pytest.mark.parametrize("condition", ["labels", "captions"])
def test_the_last_moment_is_the_committed_network(condition):
    """The record was made before weights were rounded to float16 and committed."""
    laboratory = lab.open("demo", notebook="zoo")
    study = MatchedModelsStudy.from_profile(laboratory.profile, laboratory.images,
                                            laboratory.network)
    name = seed_names(study.spec.conditions[condition])[1]
    regions = load_regions(open_cohort(laboratory), study.spec)
    found = measure_checkpoint(
        study.network(name), study.blocks(name), laboratory.images("localizer"), regions,
        n_best=study.spec.n_units, batch_size=study.batch_size).set_index(["layer", "domain"])
    record = study.training_record(laboratory.images("localizer"), regions)
    its = record[(record["condition"] == condition) & (record["seed"] == 1)]
    its = its[its["step"] == its["step"].max()].set_index(["layer", "domain"]).loc[found.index]
    for measure, tolerance in zip(MEASURES, (2e-3, 0.02, 0.03, 5e-3)):
        np.testing.assert_allclose(found[measure], its[measure], atol=tolerance)
