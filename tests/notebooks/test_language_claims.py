"""In which direction notebooks 13 and 14 judge the control with shuffled captions; planted tables."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from helpers.config.vision_language import LanguageSpec
from helpers.core.intervals import mean_interval
from helpers.core.provenance import Provenance
from helpers.figures.claims import Claim, ClaimsTable
from helpers.figures.verdicts import CHECK, CONTRADICTED, SUPPORTED
from helpers.matched_models import statistics
from helpers.runner.notebooks import read_source, select_notebooks
from helpers.selectivity import unit_distribution

SPEC = LanguageSpec({name: name for name in ("labels", "captions", "shuffled captions",
                                             "untrained")},
                    ("stem", "end"), vision="labels", untrained="untrained", language="captions",
                    shuffled="shuffled captions")
PAIRS = statistics.condition_pairs(SPEC)
CONTROL = "captions minus shuffled captions"
SEEDS = np.array([-0.01, 0, 0.01])


def judged(notebook: str, needs: tuple[str, ...], **names) -> list[Claim]:
    """Run the cells of a notebook that enter claims and contain one of some words."""
    table = ClaimsTable(Provenance(notebook, "demo", "SYNTHETIC", 0, "cpu", "", {}))
    names |= {"claims": table, "spec": SPEC, "pairs": PAIRS, "statistics": statistics, "np": np,
              "mean_interval": mean_interval,
              "layers": list(SPEC.layers), "CHECK": CHECK, "over_seeds": {"sample": "seeds"},
              "pair_names": statistics.name_differences(SPEC)}
    for cell in read_source(select_notebooks([notebook])[0]).cells:
        tags = cell.metadata.get("tags", [])
        enters = any(call in cell.source for call in ("claims.", "judge_all("))
        if cell.cell_type == "code" and "prose" not in tags and enters and any(
                word in cell.source for word in needs):
            exec(cell.source, names)
    return table.claims


def claims_of_13(gain: float) -> list[Claim]:
    """Judge networks in which captions add a gain to what shuffled captions leave: 0.3."""
    proportions = pd.DataFrame(
        [(condition, seed, layer, 0.3 * depth + gain * depth * (condition in ("labels", "captions"))
          + jitter * depth * (condition == "captions"))
         for condition in SPEC.conditions for seed, jitter in enumerate(SEEDS)
         for depth, layer in enumerate(SPEC.layers)],
        columns=["condition", "seed", "layer", "proportion"])
    values = ["proportion", *(measure + subset for measure in statistics.TUNING_MEASURES
                              for subset in ("", ", equal n"))]
    return judged("13", ("with depth", "More units", "The controls", "strongly tuned:"),
                  at_fdr_alpha=proportions,
                  values={"proportion": statistics.mean_per_network(proportions, "proportion")},
                  differences={name: dict.fromkeys(values, gain + SEEDS) for name in PAIRS})


@pytest.mark.parametrize(("gain", "verdict"), [(0.2, SUPPORTED), (-0.2, CONTRADICTED)])
def test_captions_that_say_something_are_expected_above_shuffled_ones(gain, verdict):
    found = [one for one in claims_of_13(gain) if "shuffled" in one.statement + one.run]
    assert len(found) == 2, "by number and growth, and by the four measures of tuning"
    for one in found:
        assert one.verdict == verdict, one
        assert CONTROL in one.statement + one.run, "a control by itself shows nothing of captions"
        assert one.source == "beyond the paper: control" and one.paper == "not tested"


def test_a_control_that_grows_with_depth_as_captions_do_decides_nothing():
    """Shuffled captions grow here by 0.3; what counts is that captions grow no more."""
    controls, = (one for one in claims_of_13(0.0) if one.statement.startswith("The controls"))
    assert "last block minus first +0.000" in controls.run and controls.verdict == "inconclusive"


def claims_of_14(**columns) -> list[Claim]:
    measurable = pd.DataFrame([{"condition": "labels", "measure": measure, "observed": 1.0,
                                "null_high": 0.5, **columns}
                               for measure in unit_distribution.MEASURES for _ in range(20)])
    differences = dict.fromkeys([*unit_distribution.MEASURES, "consistency"], 0.2 + SEEDS)
    return judged("14", ("more than chance", "expected.items()"), measurable=measurable,
                  differences=dict.fromkeys(PAIRS, differences))


def test_nobody_claims_how_evenly_units_lie_compared_with_shuffled_captions():
    assert not [one.statement for one in claims_of_14() if "shuffled" in one.statement]


def test_that_units_are_clustered_is_a_sanity_check():
    checks = [one for one in claims_of_14() if one.kind == CHECK]
    assert ["more than chance" in one.statement for one in checks] == [True, True]
    assert {one.verdict for one in checks} == {SUPPORTED}
    assert {one.verdict for one in claims_of_14(observed=0.4) if one.kind == CHECK} == {
        CONTRADICTED}


@pytest.mark.parametrize("seed", range(3))
def test_convolution_alone_clusters_the_units_that_an_image_drives_most(seed):
    """Random weights, any smooth image: hence clusters say nothing about training or language."""
    torch.manual_seed(seed)
    network = nn.Sequential(nn.Conv2d(3, 64, 7, 2), nn.ReLU(), nn.Conv2d(64, 64, 5, 2))
    image = nn.functional.interpolate(torch.randn(1, 3, 8, 8), size=64, mode="bilinear")
    response = network(image)[0].detach()
    mask = (response >= response.flatten().topk(300).values[-1]).numpy()
    found = unit_distribution.measure_distribution(mask, seed=0)
    for measure in ("Gini over maps", "Moran's I"):
        assert found[measure].observed > found[measure].null_high
