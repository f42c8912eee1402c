"""Claims of notebooks 05 to 09: pointed as the paper points them, and of the right kind.

The cells that enter claims are run on small tables in which the paper's result holds.
"""

from __future__ import annotations

import ast
import itertools
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from helpers.core.intervals import mean_interval
from helpers.core.provenance import Provenance
from helpers.figures.claims import ClaimsTable
from helpers.figures.verdicts import CHECK, CLAIM, EXPLORATORY, SUPPORTED
from helpers.finetuning import statistics
from helpers.runner.notebooks import list_sources, read_source
from helpers.saliency.laterality import contralateral_bias
from helpers.saliency.study import METHODS, OCCLUSION

pytestmark = pytest.mark.usefixtures("private")  # some cells save their claims
RNG_SEED = 3
SUBJECTS, SEEDS = ("a", "b", "c", "d"), (0, 1)


def run_cell(notebook: str, words: str, world: dict) -> object:
    """Run the first code cell of a notebook that has some words; return its last expression."""
    path, = (path for path in list_sources() if path.stem.startswith(notebook))
    cell = next(cell.source for cell in read_source(path).cells
                if cell.cell_type == "code" and words in cell.source)
    *body, last = ast.parse(cell).body
    exec(compile(ast.Module(body, []), notebook, "exec"), world)
    if isinstance(last, ast.Expr):
        return eval(compile(ast.Expression(last.value), notebook, "eval"), world)
    return exec(compile(ast.Module([last], []), notebook, "exec"), world)


def new_claims() -> ClaimsTable:
    return ClaimsTable(Provenance("99_test_this", "demo", "SYNTHETIC", 0, "cpu", "abc", {}))


def test_transfer_between_brains_is_pointed_as_the_papers_matrices_and_scatter():
    """Mulrooney & Brockmeier: others' networks .677 (early), .348 (higher); line: above, below."""
    rng = np.random.default_rng(RNG_SEED)
    published = {("early", True): 0.755, ("early", False): 0.677, ("higher", True): 0.49,
                 ("higher", False): 0.348}
    rows = [(donor, subject, roi, "both", group, seed,
             published[group, donor == subject] + 0.01 * rng.normal())
            for (roi, group), donor, subject, seed in itertools.product(
                (("V1v", "early"), ("V2v", "early"), ("PPA", "higher"), ("EBA", "higher")),
                SUBJECTS, SUBJECTS, SEEDS)]
    improved = pd.DataFrame(rows, columns=["donor", *statistics.REGION_COLUMNS, "seed", "improved"])
    pooled = statistics.within_and_cross_participant(improved)
    pooled["pooled, avg"] = pooled["cross_participant"] + np.where(
        pooled["group"] == "early", 0.1, -0.1) + 0.01 * rng.normal(size=len(pooled))
    world = {"claims": new_claims(), "statistics": statistics, "improved_fraction": improved,
             "pooled_comparison": pooled, "groups": ["early", "higher"],
             "order": ["early", "higher"]}
    run_cell("06", "def by_receiver", world)
    run_cell("06", "cs_vs_pooled_avg_scatterplot", world)
    found = {claim.statement: claim.verdict for claim in world["claims"].claims}
    assert found == dict.fromkeys([
        "Networks fine-tuned to others help, too (early regions)",
        "Networks fine-tuned to others do not help (higher regions)",
        "The pooled network beats cross-participant ones (early regions)",
        "The pooled network improves fewer voxels than cross-participant ones (higher regions)"], SUPPORTED)


def test_a_shared_running_mean_is_exploratory_and_every_variant_is_shown():
    rng, conditions = np.random.default_rng(RNG_SEED), ["contrastive", "shuffled", "pooled, avg"]
    rows = [(condition, subject, roi, "both", seed, 100, *(0.1 + 0.01 * rng.normal(size=4)))
            for condition, subject, roi, seed in itertools.product(
                conditions, SUBJECTS, ("V1v", "PPA"), SEEDS)]
    columns = ["uncalibrated", "calibrated", "cross_validated"]
    bounds = pd.DataFrame(rows, columns=["condition", "subject", "roi", "hemisphere", "seed", "n",
                                         *columns, "shared_batchnorm"])
    world = {"claims": new_claims(), "np": np, "pd": pd, "bounds": bounds, "K": 100,
             "conditions": conditions, "CHECK": CHECK, "EXPLORATORY": EXPLORATORY,
             "mean_interval": mean_interval,
             "pivot_subject_by_seed": statistics.pivot_subject_by_seed,
             "pivot_shared_models": statistics.pivot_shared_models}
    run_cell("07", "No bound exceeds log K", world)
    run_cell("07", "Normalising both sides", world)
    variants = run_cell("07", "variants = pd.DataFrame", world)
    assert [claim.kind for claim in world["claims"].claims] == [CHECK, CLAIM, EXPLORATORY]
    assert list(variants.index) == list(itertools.product(conditions, columns))
    exploratory = world["claims"].claims[-1]
    assert variants.loc[("contrastive", "calibrated")].tolist() == pytest.approx(
        [exploratory.mean, exploratory.low, exploratory.high], abs=1e-3)


def test_measures_that_were_chosen_after_a_trial_are_exploratory_and_all_are_shown():
    rng, rois = np.random.default_rng(RNG_SEED), ("V1v", "V2v")
    measures = [f"{method} {layer}" for layer in ("maxpool1", "maxpool5") for method in METHODS]
    measures.append(OCCLUSION)
    rows = [(donor, 0, roi, side, condition, measure,
             *(0.1 * (1 if side == "lh" else -1) + 0.01 * rng.normal(size=2)))
            for donor, roi, side, condition, measure in itertools.product(
                SUBJECTS, rois, ("lh", "rh"), ("contrastive", "shuffled"), measures)]
    table = pd.DataFrame(rows, columns=["donor", "seed", "roi", "hemisphere", "condition",
                                        "measure", "bias", "mirrored"])
    estimate = {"mean": 0.1, "low": 0.05, "high": 0.15, "n": 4}
    effects = pd.DataFrame([{"condition": condition, "measure": measure, **estimate}
                            for condition in ("contrastive", "shuffled") for measure in measures])
    regions = pd.DataFrame([{"roi": roi, "measure": measure, **estimate}
                            for roi in rois for measure in measures])
    world = {"claims": new_claims(), "table": table, "effects": effects, "regions": regions,
             "published_measure": "Grad-CAM maxpool5", "fine_measure": "HiResCAM maxpool1",
             "OCCLUSION": OCCLUSION, "contralateral_bias": contralateral_bias, "CLAIM": CLAIM,
             "EXPLORATORY": EXPLORATORY, "rois_by_condition": {},
             "laterality_spec": SimpleNamespace(rois=rois, shuffled_rois=rois[:1])}
    shown = run_cell("09", "sources = {", world)
    assert list(shown.loc["contrastive"].index) == measures, "all that were measured"
    assert shown.loc["contrastive", "claims by it"].to_dict() == dict.fromkeys(measures, "none") | {
        "Grad-CAM maxpool5": CLAIM, "HiResCAM maxpool1": EXPLORATORY, OCCLUSION: EXPLORATORY}
    for words in ("the sign flips", "Every early region"):
        run_cell("09", words, world)
    claims = world["claims"].claims
    assert len(claims) == 10 and all(claim.p is not None for claim in claims)
    assert [claim.kind == CLAIM for claim in claims] == [
        "Grad-CAM maxpool5" in claim.statement for claim in claims]


@pytest.mark.parametrize(("notebook", "statement"), [
    ("05", "Choosing on the reported folds (P2) flatters"), ("07", "No bound exceeds log K")])
def test_what_only_broken_code_could_break_is_a_sanity_check(notebook, statement):
    path, = (path for path in list_sources() if path.stem.startswith(notebook))
    call, = (node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
             if isinstance(node, ast.Call) and node.args
             and getattr(node.args[0], "value", "") == statement)
    assert {keyword.arg: ast.unparse(keyword.value) for keyword in call.keywords}["kind"] == "CHECK"
