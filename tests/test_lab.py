"""The laboratory: profiles become data made available, and what cannot be made is reported."""

from __future__ import annotations

import errno
import hashlib
import shutil
from dataclasses import replace

import pytest
import torch

from data.synthetic import writers
from helpers import lab
from helpers.config.profile import load_profile
from helpers.core.errors import LabError
from helpers.core.paths import ROOT, zoo_dir
from helpers.networks import weight_files
from helpers.networks.architectures import build
from helpers.networks.registry import get_entry
from helpers.networks.weights import save_state_dict

TINY = """
name = "tiny"
title = "A tiny world"
data_kind = "SYNTHETIC"
seed = 3
device = "cpu"
data = "data/tiny"
batch_size = 8
[image_sets.localizer]
layout = "floc"
path = "floc/stimuli"
source = "synthetic:localizer"
[image_sets.probe]
layout = "classic"
path = "classic-categ"
source = "synthetic:probe"
[networks]
main = "torchvision:squeezenet1_1-untrained"
untrained = "torchvision:squeezenet1_1-untrained"
compare = []
pies = ["features.0"]
heat_map_layer = "features.0"
[synthetic]
seed = 3
localizer_per_category = 2
probe_per_category = 2
localizer_size = 32
diet_train = 48
diet_val = 48
diet_size = 32
face_identities = 2
face_train_per_identity = 2
face_val_per_identity = 2
"""


def replace_writer(monkeypatch, name, function):
    """Let another function write a part of the synthetic data, as if it stood in the same module.
    """
    function.__module__ = getattr(writers, name).__module__
    monkeypatch.setattr(writers, name, function)


@pytest.fixture
def tiny(private):
    path = private / "tiny.toml"
    path.write_text(TINY)
    return str(path)


def test_what_is_missing_is_rendered_once(tiny, private, monkeypatch):
    laboratory = lab.open(tiny, notebook="none")
    assert len(laboratory.images("localizer")) == 22
    assert len(laboratory.images("probe")) == 14
    assert set(laboratory.provenance.inputs) == {"localizer", "probe"}
    about = laboratory.provenance
    assert (about.profile, about.data_kind, about.seed) == ("tiny", "SYNTHETIC", 3)
    replace_writer(monkeypatch, "write_localizer", lambda *_, **__: pytest.fail("drawn twice"))
    assert len(lab.open(tiny, notebook="none").images("localizer")) == 22


@pytest.mark.parametrize("name, kind", [("demo", "SYNTHETIC"), ("mini", "REAL"), ("paper", "REAL")])
def test_what_is_drawn_and_what_is_photographed_is_reported_apart(private, name, kind):
    assert lab.open(name, notebook="none").provenance.data_kind == kind


def test_another_size_is_another_world(tiny, private):
    lab.open(tiny, notebook="none").images("localizer")
    (private / "tiny.toml").write_text(TINY.replace("localizer_per_category = 2",
                                                    "localizer_per_category = 3"))
    assert len(lab.open(tiny, notebook="none").images("localizer")) == 33


def test_a_users_own_folder_is_never_overwritten(tiny, private):
    mine = private / "data" / "floc" / "stimuli" / "adult"
    mine.mkdir(parents=True)
    (mine / "me.jpg").write_text("precious")
    with pytest.raises(LabError, match="was not written by data/synthetic"):
        lab.open(tiny, notebook="none").images("localizer")
    assert (mine / "me.jpg").read_text() == "precious"


def test_an_interrupted_rendering_starts_again(tiny, private, monkeypatch):
    real = writers.write_localizer

    def interrupted(folder, **sizes):
        real(folder, **sizes)
        raise KeyboardInterrupt

    replace_writer(monkeypatch, "write_localizer", interrupted)
    with pytest.raises(KeyboardInterrupt):
        lab.open(tiny, notebook="none").images("localizer")
    replace_writer(monkeypatch, "write_localizer", real)
    shutil.rmtree(private / "data")
    assert len(lab.open(tiny, notebook="none").images("localizer")) == 22


def test_a_full_disk_is_reported_and_leaves_nothing(tiny, private, monkeypatch):
    def full(folder, **_):
        raise OSError(errno.ENOSPC, "No space left on device")

    replace_writer(monkeypatch, "write_localizer", full)
    with pytest.raises(LabError, match="The disk is full(?s:.)*LAB_DATA"):
        lab.open(tiny, notebook="none").images("localizer")
    assert not (private / "data" / "floc" / "stimuli").exists()


def test_a_read_only_data_folder_is_reported(tiny, private, monkeypatch):
    (private / "wall").write_text("a file where a folder should be")
    monkeypatch.setenv("LAB_DATA", str(private / "wall"))
    with pytest.raises(LabError, match="Nothing can be written(?s:.)*LAB_DATA"):
        lab.open(tiny, notebook="none").images("localizer")


def test_the_independent_pair_is_the_probe_set_or_the_other_half(tiny, private):
    defining, independent = lab.open(tiny, notebook="none").independent_pair()
    assert (len(defining), len(independent)) == (22, 14)
    without = TINY[: TINY.index("[image_sets.probe]")] + TINY[TINY.index("[networks]"):]
    (private / "tiny.toml").write_text(without)
    defining, independent = lab.open(tiny, notebook="none").independent_pair()
    assert (len(defining), len(independent)) == (11, 11)
    assert not set(defining.files) & set(independent.files)


def test_the_untrained_twin_is_drawn_once_and_kept(tiny, private):
    name = "torchvision:squeezenet1_1-untrained"
    torch.manual_seed(0)
    first = lab.open(tiny, notebook="none").network(name).digest
    torch.manual_seed(1)
    assert lab.open(tiny, notebook="none").network(name).digest == first
    assert len(list((private / "cache" / "weights").glob("*.safetensors"))) == 1


def test_a_data_set_that_the_profile_lacks_is_named(tiny):
    laboratory = lab.open(tiny, notebook="none")
    assert laboratory.available("localizer", "diet") == ["localizer"]
    with pytest.raises(LabError, match="has no image set 'diet'(?s:.)*localizer, probe"):
        laboratory.images("diet")


def test_every_network_of_every_profile_is_registered():
    for name in ("demo", "mini", "paper"):
        chosen = load_profile(name).networks
        for network in (chosen.main, chosen.untrained, *chosen.compare):
            assert get_entry(network).name == network


def test_the_demo_needs_no_download():
    chosen = load_profile("demo").networks
    for name in (chosen.main, chosen.untrained, *chosen.compare):
        assert weight_files.weights_file(get_entry(name), ROOT / "nowhere").parent == zoo_dir()


def test_weights_are_fetched_checked_and_opened(tiny, private, served, monkeypatch):
    folder, address = served
    plain = get_entry("torchvision:squeezenet1_1")
    model = build(plain.architecture, plain.options, seed=7)
    save_state_dict(folder / "weights.safetensors", model)
    digest = hashlib.sha256((folder / "weights.safetensors").read_bytes()).hexdigest()[:12]
    listed = replace(plain, url=f"{address}/weights.safetensors", file="weights.safetensors",
                     digest=f"sha256:{digest}")
    monkeypatch.setattr(lab, "get_entry", lambda *_: listed)
    laboratory = lab.open(tiny, notebook="none")
    network = laboratory.network("torchvision:squeezenet1_1")
    for name, tensor in network.model.state_dict().items():
        assert torch.equal(tensor, model.state_dict()[name])

    (private / "data" / "networks" / "weights.safetensors").unlink()
    wrong = replace(listed, digest="sha256:" + "0" * 10)
    monkeypatch.setattr(lab, "get_entry", lambda *_: wrong)
    with pytest.raises(LabError, match="0000000000"):
        laboratory.network("torchvision:squeezenet1_1")
    assert not (private / "data" / "networks" / "weights.safetensors").exists()


def test_without_a_network_the_message_says_what_to_put_where(private, monkeypatch, capsys):
    listed = replace(get_entry("torchvision:alexnet"), url="http://127.0.0.1:9/alexnet.pth")
    monkeypatch.setattr("time.sleep", lambda _seconds: None)
    with pytest.raises(LabError) as caught:
        weight_files.weights_file(listed, private / "data")
    said = str(caught.value) + capsys.readouterr().out
    for part in ("http://127.0.0.1:9/alexnet.pth", "244 MB", "ImageNet terms",
                 str(private / "data" / "networks")):
        assert part in said
