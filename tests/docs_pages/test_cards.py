"""Model cards and data card: their numbers are those of the record, the files and the code."""

from __future__ import annotations

import inspect
import json
import re

import numpy as np
import pytest
from safetensors.numpy import load_file

from data.synthetic.image_files import write_diet, write_faces_diet, write_localizer
from data.synthetic.images import fine_classes
from data.synthetic.participants import ROI_LAYOUT
from docs.pages import cards
from docs.pages.cards import DATA_PAGE, ZOO_PAGE, count_weights, demo_networks, generated_parts
from docs.pages.parts import replace_part, write_part
from helpers.core.errors import LabError
from helpers.core.paths import zoo_dir
from helpers.networks.registry import registry

RECORD = json.loads((zoo_dir() / "zoo.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize(("document", "name"), list(generated_parts()))
def test_the_committed_cards_are_those_of_the_record(document, name):
    text = document.read_text(encoding="utf-8")
    assert replace_part(text, name, generated_parts()[document, name]) == text, (
        "run python -m docs.pages")


def test_every_network_of_the_zoo_has_a_card_and_every_file_a_network():
    named = {name for name in registry() if name.startswith("demo-")}
    assert set(demo_networks()) == named
    assert {re.sub("-seed.$", "", name) for name in RECORD} <= named
    for path in zoo_dir().glob("*.safetensors"):
        assert re.sub("(-seed.(-rdms)?|-readout|-text)$", "", path.stem) in named


def test_accuracies_are_those_of_the_record():
    """By another way: the lines of the table against arrays of the record."""
    lines = ZOO_PAGE.read_text(encoding="utf-8").splitlines()
    for name in ("demo-supervised", "demo-resnet-captions"):
        probes = [entry["probes"]["diet"] for key, entry in RECORD.items() if key.startswith(name)]
        assert len(probes) == (3 if "resnet" in name else 1)
        line, = (line for line in lines if line.startswith(f"| [{name}]"))
        cells = [float(word) for word in re.findall(r"\d\.\d\d", line)]
        found = [np.mean([probe[key][kind] for probe in probes])
                 for key in ("domains", "classes") for kind in ("knn", "linear")]
        np.testing.assert_allclose(cells, found, atol=0.00501)


def test_every_card_says_what_it_should():
    text = ZOO_PAGE.read_text(encoding="utf-8").split("<!-- cards: begin -->")[1]
    for card in text.split("### ")[1:]:
        for head in ("Trained to", "On", "Architecture", "Used for", "Limits", "Licence"):
            assert f"- **{head}:** " in card, card.splitlines()[0]


def test_weights_are_counted_from_the_header():
    path = zoo_dir() / "demo-supervised.safetensors"
    assert count_weights(path) == sum(array.size for array in load_file(path).values())


@pytest.mark.parametrize(("text", "message"), [
    ('[demo-simclr]\ntask = "a"\nuse = "b"\nlimits = "c"\n', "not in both"),
    (None, "the card of demo-barlow-twins holds task")])
def test_cards_that_do_not_fit_are_refused(tmp_path, monkeypatch, text, message):
    if text is None:
        whole = (zoo_dir() / "cards.toml").read_text(encoding="utf-8")
        text = re.sub("\n(use|limits) = [^\n]*", "", whole, count=2)
    (tmp_path / "cards.toml").write_text(text, encoding="utf-8")
    monkeypatch.setattr(cards, "zoo_dir", lambda: tmp_path)
    with pytest.raises(LabError, match=message):
        demo_networks()


def default(function, name: str):
    return inspect.signature(function).parameters[name].default


def test_numbers_of_the_data_card_are_those_of_the_code():
    text = " ".join(DATA_PAGE.read_text(encoding="utf-8").split())
    assert f"{len(fine_classes())} fine classes" in text
    assert f"{default(write_diet, 'n_train'):,} training images" in text
    assert f"{default(write_diet, 'n_val'):,} for validation, {default(write_diet, 'size')} px" in (
        text)
    assert f"{default(write_faces_diet, 'n_identities')} face identities" in text
    assert f"has {default(write_localizer, 'n_per_category')} grey images" in text
    assert f"{len(ROI_LAYOUT)} kinds of regions" in text


def test_files_that_are_no_networks_are_not_counted_as_seeds():
    for name, table in demo_networks().items():
        if "seeds" in table and table["objective"] != "none":
            assert f", {table['seeds']} seeds" in cards._architecture(name, table)


def test_a_part_that_is_as_it_should_be_is_not_written_again(tmp_path):
    path = tmp_path / "README.md"
    path.write_text("<!-- cards: begin -->\nold\n<!-- cards: end -->\n", encoding="utf-8")
    write_part("cards", "new", path)
    written = path.stat().st_ino, path.stat().st_mtime_ns
    write_part("cards", "new", path)
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == written
    assert "new" in path.read_text(encoding="utf-8")
