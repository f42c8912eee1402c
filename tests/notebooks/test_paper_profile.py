"""The paper profile is no promise on paper: its notebooks run on tiny files in the real layouts.

Archives and weight files with the real names, folders and key names, random in content, come
from a local server through the real downloader, digests included; then each notebook runs from
top to bottom. Only widths, counts and the networks' input are reduced: the AlexNet-GN files would
be 285 MB each, images of 224 px give fourteen times the units of 64 px, and NSD's table would need
4,000 images of everyone's own.
"""

from __future__ import annotations

import hashlib
import io
import re
import shutil
import tarfile
import zipfile
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import matplotlib
import numpy as np
import pytest
import torch
from support.brain_files import (
    write_tiny_algonauts,
    write_tiny_annotations,
    write_tiny_nod,
    write_tiny_nsd,
)
from PIL import Image
from support.tiny_clip import RESNET, TEXT, TINY, VIT, publish
from support.training_states import readout_training_state

from helpers.config.profile import load_profile
from helpers.core.paths import ROOT
from helpers.datasets import prepare, sources
from helpers.networks import registry
from helpers.networks.architectures import build
from helpers.selectivity.generalisation import same_preference_intervals
from helpers.stimuli.image_sets import CLASSIC, FLOC, MC8

PER_CATEGORY = 6
SMALL = {"channels": [32, 32, 32, 32, 32], "projector": [64, 64, 32]}
OBJECTS = ("001.ak47", "056.dog", "257.clutter")
PLACES = ("airfield", "bar", "corridor")
WNIDS = ("n01440764", "n01443537", "n02085620", "n02085782", "n03028079", "n02980441")
N_CLASSES = 1000
FEWER = {"n_pool = 4000": "n_pool = 48", "n_shared = 515": "n_shared = 12",
         "n_shared = 413": "n_shared = 12", " = 37": " = 1", " = 29": " = 1", " = 27": " = 1",
         # Fine-tuned networks are kept on disk: not with 61 million weights, and not a hundred of
         # them.
         '"alexnet-supervised" ': '"alexnet-barlow-twins" ',
         '"alexnet-supervised-untrained"': '"alexnet-barlow-twins-untrained"',
         "image_size = 224": "image_size = 64", "epochs = 30": "epochs = 1",
         "regression_epochs = 75": "regression_epochs = 1", "batch_size = 1024": "batch_size = 60",
         "n_test = 1000": "n_test = 12", "n_validation = 1000": "n_validation = 8",
         "n_pool = 300 ": "n_pool = 8 ", "min_count = 100": "min_count = 2",
         "[concepts] ": "[decoding.training]\niterations = 40\nbatch_size = 32\n"
         "learning_rate = 1e-2\nn_seeds = 2\n\n[concepts]\nn_nulls = 3\n",
         "[language] ": "[language]\nn_nulls = 10\nn_boot = 10\nn_units = 4\n",
         'shuffled_rois = ["V1v", "V2v"]': 'shuffled_rois = ["V1v"]', 'roi = "V2v"': 'roi = "V1v"'}
FEW_ROIS = '["V1v", "PPA"]'
FEW_PEOPLE = '["sub-01", "sub-02"]'
FLOC_ZIP = "fLoc-de6a26cc269a2c7075461a4c839bfd628f225c95"


def image(rng: np.random.Generator, domain: str = "") -> bytes:
    """Draw noise; of a domain, on coarse squares that all its images have in common."""
    content, pixels = io.BytesIO(), rng.integers(0, 255, (24, 24))
    if domain:
        squares = np.random.default_rng(list(domain.encode())).integers(0, 255, (6, 6))
        pixels = (pixels + 2 * np.kron(squares, np.ones((4, 4), int))) // 3
    Image.fromarray(pixels.astype(np.uint8)).save(content, "JPEG")
    return content.getvalue()


def archive(prefix: str, categories: dict[str, str]) -> bytes:
    """Pack images of some categories (category -> domain)."""
    rng, content = np.random.default_rng(0), io.BytesIO()
    with zipfile.ZipFile(content, "w") as packed:
        for category, domain in categories.items():
            for number in range(1, PER_CATEGORY + 1):
                packed.writestr(f"{prefix}/{category}/{category}-{number}.jpg", image(rng, domain))
    return content.getvalue()


def put(folder, categories) -> None:
    """Put images there by hand, as a profile asks for data that cannot be fetched."""
    rng = np.random.default_rng(1)
    for category in categories:
        (folder / category).mkdir(parents=True)
        for number in range(1, PER_CATEGORY + 1):
            (folder / category / f"{category}_{number}.JPEG").write_bytes(image(rng))


def put_places(folder) -> None:
    """Put images there as Places365 has them: one folder, and lists of labels."""
    (folder / "val_256").mkdir(parents=True)
    rng, lines = np.random.default_rng(2), []
    for number in range(PER_CATEGORY * len(PLACES)):
        name = f"Places365_val_{number + 1:08d}.jpg"
        (folder / "val_256" / name).write_bytes(image(rng))
        lines.append(f"{name} {number % len(PLACES)}")
    (folder / "places365_val.txt").write_text("\n".join(lines) + "\n")
    (folder / "categories_places365.txt").write_text("".join(
        f"/{name[0]}/{name} {index}\n" for index, name in enumerate(PLACES)))


def published_names(entry, state: dict) -> dict:
    """Give tensors the names that the file of this network has, prefix and all."""
    if entry.keys == "open_ipcl":
        rules = [(r"backbone\.(\d)", lambda m: f"conv_block_{int(m[1]) + 1}"),
                 (r"projector\.(\d)", lambda m: {"0": "fc6.0", "1": "fc6.1", "3": "fc7.0",
                                                 "4": "fc7.1", "6": "fc8.0"}[m[1]])]
        for pattern, new in rules:
            state = {re.sub(pattern, new, name): tensor for name, tensor in state.items()}
    return {entry.prefix + name: tensor for name, tensor in state.items()}


def put_archives(folder) -> None:
    """Pack the archives that are downloaded."""
    (folder / "floc.zip").write_bytes(archive(f"{FLOC_ZIP}/stimuli", FLOC))
    nested = io.BytesIO()
    with zipfile.ZipFile(nested, "w") as packed:
        packed.writestr("classic-categ.zip", archive("classic-categ", CLASSIC))
    (folder / "classic.zip").write_bytes(nested.getvalue())
    with tarfile.open(folder / "caltech.tar", "w") as packed:
        put(folder / "packed", OBJECTS)
        packed.add(folder / "packed", "256_ObjectCategories")


def put_data(folder) -> None:
    """Write what a user brings along."""
    put(folder / "mc8-shined", MC8)
    put(folder / "imagenet" / "val", WNIDS)
    put_places(folder / "places365")
    write_tiny_nsd(folder / "nsd", n_shared=12, n_own=48, size=24)
    write_tiny_nsd(folder / "nsd", n_shared=12, n_own=48, size=24, shape=(7, 4, 5))
    write_tiny_annotations(folder / "nsd")
    write_tiny_algonauts(folder / "algonauts2023", n_images=180, vertices=(390, 390), size=24)
    write_tiny_nod(folder / "nod")


def put_profile(path) -> None:
    """Write the paper profile with fewer of everything that takes time."""
    text = (ROOT / "helpers" / "profiles" / "paper.toml").read_text()
    for real_size, small in FEWER.items():
        assert real_size in text
        text = text.replace(real_size, small)
    head, tuning = text.split("[transfer_cohort]")
    tuning = re.sub(r"(?s)(subjects = )\[.*?\]", rf"\1{FEW_PEOPLE}", tuning)
    tuning = re.sub(r"(?s)(rois = )\[.*?\]", rf"\1{FEW_ROIS}", tuning)
    path.write_text(f"{head}[transfer_cohort]{tuning}")


def reduced(entry):
    """Return an entry of the registry with fewer channels and units."""
    if entry.architecture == "alexnet_gn":
        return replace(entry, options={**entry.options, **SMALL})
    return entry


def put_weights(folder, profile) -> None:
    """Save weights, and readouts as the deposit has them: the whole network, the readout last."""
    listed, chosen = registry.registry(), profile.networks
    for seed, name in enumerate((chosen.main, *chosen.compare, profile.encoding.face_network)):
        entry = reduced(listed[name])
        state = build(entry.architecture, entry.options, seed=seed).state_dict()
        content = published_names(entry, state)
        torch.save({**readout_training_state(torch.ones(2)), entry.state_dict_key: content}
                   if entry.state_dict_key else content, folder / entry.file)
        if entry.readout is not None and entry.readout.url:
            weight = torch.randn(N_CLASSES, SMALL["projector"][1])
            trunk = {name: tensor for name, tensor in state.items()
                     if not name.startswith(("projector.6.", "bn."))}
            torch.save({**readout_training_state(weight), "model": {
                **trunk, "readout.weight": weight}}, folder / entry.readout.file)
    spec = profile.language
    torch.save(build("torchvision:resnet18", {}, seed=7).state_dict(),
               folder / listed[spec.conditions[spec.vision]].file)
    with clip_vocabulary():
        publish(VIT, folder / listed[profile.decoding.network].file)
        publish(RESNET, folder / listed[spec.conditions[spec.language]].file)


@contextmanager
def clip_vocabulary():
    """Let the tiny CLIPs read CLIP's own words."""
    with pytest.MonkeyPatch.context() as patch:
        for architecture in (VIT, RESNET):
            patch.setitem(TINY[architecture], "text_cfg",
                          {**TEXT, "vocab_size": 49408, "context_length": 77})
        yield


def named_by_digest(path, kind: str) -> str:
    return f"{kind}:{hashlib.new(kind, path.read_bytes()).hexdigest()}"


def served_entries(profile, folder, address: str) -> dict:
    """Return the registry with the served files' addresses, digests and sizes."""
    def at(entry, **changes):
        path = folder / entry.file
        return replace(entry, url=f"{address}/{entry.file}", bytes=0,
                       digest=named_by_digest(path, "sha256")[:17] if entry.digest else "",
                       **changes)

    listed, chosen, spec = dict(registry.registry()), profile.networks, profile.language
    small = {"resize": 64, "crop": 64}
    for name in (chosen.main, *chosen.compare, profile.encoding.face_network):
        entry = reduced(listed[name])
        if entry.readout is not None and entry.readout.url:
            path = folder / entry.readout.file
            entry = replace(entry, readout=replace(entry.readout, url=f"{address}/{path.name}",
                                                   digest=named_by_digest(path, "md5")))
        listed[name] = at(entry, preprocessing=replace(entry.preprocessing, **small))
    vision = spec.conditions[spec.vision]
    listed[vision] = at(listed[vision], architecture="torchvision:resnet18",
                        preprocessing=replace(listed[vision].preprocessing, **small))
    for name, tiny in ((profile.decoding.network, VIT), (spec.conditions[spec.language], RESNET)):
        listed[name] = at(listed[name], options=TINY[tiny],
                          preprocessing=replace(listed[name].preprocessing, **small))
    return listed


@pytest.fixture(scope="session")
def made(once) -> Path:
    """Make the files that are served and the data that a user brings: once for all processes."""
    def make(folder):
        for part in ("served", "data"):
            (folder / part).mkdir(parents=True)
        put_archives(folder / "served")
        put_data(folder / "data")
        put_profile(folder / "paper.toml")
        put_weights(folder / "served", load_profile("paper"))

    return once("paper", make)


@pytest.fixture
def world(made, private, serve, monkeypatch):
    """Give a test a copy of the data, and point the lists of sources at the server."""
    shutil.copytree(made / "data", private / "data")
    shutil.copy(made / "paper.toml", private)
    address, real = serve(made / "served"), sources.load_source
    changed = {"vpnl-floc": {"url": f"{address}/floc.zip", "files": 11 * PER_CATEGORY,
                             "manifest": None, "bytes": 0},
               "caltech256": {"url": f"{address}/caltech.tar", "bytes": 0, "digest": None,
                              "files": len(OBJECTS) * PER_CATEGORY},
               "classic-categ": {"url": f"{address}/classic.zip", "files": 7 * PER_CATEGORY}}
    monkeypatch.setattr(prepare, "load_source",
                        lambda name: replace(real(name), **changed.get(name, {})))
    with clip_vocabulary():
        listed = served_entries(load_profile("paper"), made / "served", address)
        monkeypatch.setattr(registry, "registry", lambda: listed)
        yield private


@pytest.mark.slow
@pytest.mark.parametrize("source", sorted((ROOT / "notebooks").glob("[0-9][0-9]_*.py")),
                         ids=lambda path: path.stem)
def test_the_notebook_runs_under_paper(source, world, monkeypatch, capsys):
    matplotlib.use("agg")
    monkeypatch.setitem(same_preference_intervals.__kwdefaults__, "n_resamples", 49)
    text = source.read_text()
    assert 'profile = "demo"' in text
    path = str(world / "paper.toml")
    code = compile(text.replace('profile = "demo"', f"profile = {path!r}"), source.stem, "exec")
    exec(code, {"__name__": "__main__"})
    said = capsys.readouterr().out
    assert "REAL data" in said and "VERDICT" in said.upper()
    assert (world / "figures" / f"{source.stem}.png").stat().st_size > 10_000
    fetched = {path.name for path in (world / "data").glob("networks/*")}
    profile = load_profile("paper")
    shows_main = ".main" in text or "laboratory.network(" in text
    opened = {profile.networks.main} if shows_main else set()
    if "MatchedModelsStudy.from_profile(" in text:
        opened |= {name for name in profile.language.conditions.values()
                   if registry.get_entry(name).trained}
    if "laboratory.networks()" in text:
        opened |= {profile.networks.main, *profile.networks.compare}
    if "open_cohort(laboratory)" in text and 'table("encoding")' in text:
        opened.add(profile.encoding.face_network)
    if "open_classifier(laboratory" in text:
        opened |= set(profile.lesions.compare)
        assert registry.registry()[profile.networks.main].readout.file in fetched
    assert {registry.registry()[name].file for name in opened} <= fetched
    shutil.rmtree(world / "cache")
