"""A user's own network through a profile: opened, seeded, keyed, and refused in time, by name."""

from __future__ import annotations

import re
import sys
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from helpers import lab, prepare
from helpers.config.own_network import OwnNetworkSpec, PreprocessingSpec
from helpers.config.profile import load_profile
from helpers.core.errors import LabError
from helpers.core.paths import ROOT
from helpers.networks import own_networks, timm_models
from helpers.networks.named_layers import MAX_LISTED, answering_layers, layers_before_readout
from helpers.networks.network import load_network
from helpers.networks.own_function import find_function
from helpers.networks.registry import get_entry
from helpers.networks.weight_files import weights_file
from helpers.networks.weights import save_state_dict
from helpers.runner import freshness

PAGE = ROOT / "docs" / "own_network.md"
PROFILE = """
name = "mine"
title = "A test"
data_kind = "SYNTHETIC"
seed = 3
device = "cpu"
data = "data/demo"
batch_size = 8
[image_sets]
[networks]
main = "mine"
untrained = "mine-untrained"
{networks}
[network.mine]
{network}
"""
MODULE = """
from torch import nn
from layers import block

def build(width=4):
    return nn.Sequential(block(3, width), nn.AdaptiveAvgPool2d(2), nn.Flatten(),
                         nn.Linear(4 * width, 5))

def raises():
    raise RuntimeError("no table of 7 columns")

def text():
    return "a network"

def constant():
    network = nn.Linear(2, 2)
    nn.init.zeros_(network.weight), nn.init.zeros_(network.bias)
    return network

class Lazy(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.LazyLinear(3)
"""
LAYERS = """
from torch import nn

def block(n_in, n_out):
    return nn.Sequential(nn.Conv2d(n_in, n_out, 3, 2), nn.ReLU(inplace=True))
"""
SMALL = "preprocessing = { crop = 24 }"
CALLABLE = f'architecture = "my_networks:build"\n{SMALL}'


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """Return a folder with a user's modules; the cache and the data are the test's own."""
    monkeypatch.setenv("LAB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("LAB_DATA", str(tmp_path / "data"))
    (tmp_path / "my_networks.py").write_text(MODULE)
    (tmp_path / "layers.py").write_text(LAYERS)
    return tmp_path


def write(folder: Path, network: str = CALLABLE, networks: str = "") -> Path:
    """Write a profile with an own network, and return its path."""
    path = folder / "mine.toml"
    path.write_text(PROFILE.format(network=network, networks=networks))
    return path


def opened(folder: Path, network: str = CALLABLE, networks: str = "", notebook: str = "01"):
    return lab.open(str(write(folder, network, networks)), notebook=notebook)


def copy_of_demo(folder: Path, old: str, new: str) -> Path:
    """Copy the demo's profile under another name, with one change, and return its path."""
    text = (ROOT / "helpers" / "profiles" / "demo.toml").read_text(encoding="utf-8")
    assert old in text
    path = folder / "mine.toml"
    path.write_text(text.replace('name = "demo"', 'name = "mine"', 1).replace(old, new, 1))
    return path


def saved(folder: Path, architecture: str = "my_networks:build", *, seed: int = 5, **options):
    """Save initial weights of another seed, and return the network."""
    spec = OwnNetworkSpec(architecture, options=options, preprocessing=PreprocessingSpec(crop=24))
    entry = own_networks.own_entry("other", spec, str(folder))
    network = load_network(entry, seed=seed)
    save_state_dict(folder / "weights" / "mine.safetensors", network.model)
    return network


# ---- what works ---------------------------------------------------------------------------------

def test_a_function_and_a_file_beside_the_profile_are_a_network(folder, monkeypatch):
    wanted = saved(folder, width=6)
    monkeypatch.chdir(ROOT)
    laboratory = opened(folder, CALLABLE + '\nfile = "weights/mine.safetensors"\n'
                        'options = { width = 6 }\nobjective = "supervised"\ndiet = "my images"')
    network, control = laboratory.network("mine"), laboratory.network("mine-untrained")
    images = torch.rand(2, 3, 24, 24)
    assert torch.equal(network.model(images), wanted.model(images))
    assert not torch.equal(control.model(images), network.model(images))
    assert (network.entry.objective, network.entry.diet) == ("supervised", "my images")
    assert control.entry.objective == "none" and list(control.layers) == list(network.layers)
    assert laboratory.provenance.inputs == {"mine": network.digest[:12],
                                            "mine-untrained": control.digest[:12]}
    assert not any(module.inplace for module in network.model.modules()
                   if isinstance(module, nn.ReLU))


def test_the_control_depends_on_the_seed_alone(folder):
    entry = opened(folder).entry("mine-untrained")
    files = [weights_file(entry, folder, seed=seed) for seed in (0, 0, 1)]
    digests = [load_network(entry, path).digest for path in files]
    assert digests[0] == digests[1] != digests[2]


@pytest.mark.slow
@pytest.mark.parametrize("architecture", ["timm:resnet10t", "torchvision:shufflenet_v2_x0_5",
                                          "small_resnet"])
def test_architectures_of_others_are_randomly_initialised_without_a_file(folder, architecture):
    pytest.importorskip("timm" if architecture.startswith("timm") else "torch",
                        reason="timm is not installed: pip install timm")
    network = opened(folder, f'architecture = "{architecture}"\n'
                     "preprocessing = { crop = 64 }").network("mine")
    assert not network.entry.trained and network.input_shape == (3, 64, 64)
    assert network.preprocessing.resize == 64


def test_timm_says_how_its_networks_see_images(folder):
    timm = pytest.importorskip("timm", reason="timm is not installed: pip install timm")
    entry = opened(folder, 'architecture = "timm:resnet10t"').entry("mine")
    published = timm.data.create_transform(**timm.data.resolve_data_config(
        timm.get_pretrained_cfg("resnet10t").to_dict()))
    assert entry.preprocessing.resize == published.transforms[0].size
    assert entry.preprocessing.crop == published.transforms[1].size[0] == 176
    assert entry.preprocessing.interpolation == "bicubic"
    assert entry.preprocessing.mean == pytest.approx(published.transforms[-1].mean)


def test_layers_of_the_figures_are_chosen_where_none_is_named(folder):
    shown = opened(folder).profile.networks
    assert shown.pies == ("0.0",) and shown.heat_map_layer == "2"
    named = opened(folder, networks='pies = ["3"]\nheat_map_layer = "0.1"').profile.networks
    assert named.pies == ("3",) and named.heat_map_layer == "0.1"


def test_a_changed_function_or_file_is_another_network(folder):
    saved(folder)
    path = write(folder, CALLABLE + '\nfile = "weights/mine.safetensors"')
    source = ROOT / "notebooks" / "01_localize_selective_units.py"

    def keys() -> tuple[str, str, str]:
        profile = load_profile(path)
        network = lab.open(str(path), notebook="01").network("mine")
        return (network.digest, freshness.code_key(source, profile, {}),
                freshness.inputs_key(profile, ["mine"]))

    first = keys()
    (folder / "layers.py").write_text("# a comment\n" + LAYERS)
    assert keys() == first
    (folder / "layers.py").write_text(LAYERS.replace("3, 2)", "3, 2, 1)"))
    second = keys()
    assert second[0] != first[0] and second[1] != first[1] and second[2] == first[2]
    saved(folder, seed=6)
    third = keys()
    assert third[0] != second[0] and third[1] == second[1] and third[2] != second[2]


def test_two_profiles_may_have_modules_of_one_name(folder):
    other = folder / "other"
    other.mkdir()
    (other / "my_networks.py").write_text(MODULE.replace("width=4", "width=7"))
    (other / "layers.py").write_text(LAYERS)
    widths = [opened(one).network("mine").model[0][0].out_channels for one in (folder, other)]
    assert widths == [4, 7]


def test_a_profile_may_be_moved(folder):
    path = write(folder)
    moved = folder / "moved"
    moved.mkdir()
    (moved / path.name).write_text(path.read_text())
    assert load_profile(path).digest == load_profile(moved / path.name).digest
    assert load_profile(path).digest != load_profile(
        write(folder, CALLABLE + '\ndiet = "other"')).digest


# ---- what is refused, before any work -----------------------------------------------------------

REFUSED = {
    'architecture = "resnet10t"': ["'resnet10t'", "torchvision:<model>", "timm:<model>"],
    'architecture = "torchvision:resnet19"': ["'torchvision:resnet19'", "torchvision:resnet18"],
    'architecture = "no_such_module:build"': ["no module 'no_such_module'", "my_networks:build"],
    'architecture = "my_networks:bild"': ["no function 'bild'", "build"],
    'architecture = "my_networks:raises"': ["no table of 7 columns", "my_networks.py, line 10"],
    'architecture = "my_networks:text"': ["returns 'str'", "torch.nn.Module"],
    'architecture = "my_networks:Lazy"': ["has no size yet"],
    'architecture = "my_networks:constant"': ["whatever the seed is"],
    'architecture = "my_networks:build"\noptions = { depth = 3 }': ["depth", "keyword arguments"],
    'architecture = "torchvision:alexnet"\noptions = { weights = "DEFAULT" }': ["'weights'"],
    'architecture = "torchvision:alexnet"\nobjective = "supervised"': ["no file of weights"],
    'architecture = "torchvision:vgg11"\npreprocessing = { crop = 8 }': ["8 x 8"],
    f'{CALLABLE}\nfile = "absent.pth"': ["absent.pth", "folder of the profile"],
    f'{CALLABLE}\nfile = "damaged.pth"': ["damaged.pth", "cannot be read"],
    f'{CALLABLE}\nfile = "weights/mine.safetensors"\noptions = {{ width = 5 }}':
        ["0.0.weight (4, 3, 3, 3) for (5, 3, 3, 3)", "[network.mine] of the profile"],
    f'{CALLABLE}\nfile = "weights/mine.safetensors"\nstate_dict_key = "model"': [],
    f'{CALLABLE}\nfil = "mine.pth"': ["'fil'", "did you mean 'file'"],
    'architecture = "my_networks:build"\npreprocessing = { mean = [0.5] }': ["mean = [0.5]"],
    'architecture = "my_networks:build"\npreprocessing = { resize = 20, crop = 24 }': ["20 px"],
}


@pytest.mark.slow
@pytest.mark.parametrize("table", REFUSED)
def test_a_network_that_cannot_be_used_is_named_before_any_work(folder, table):
    saved(folder)
    (folder / "damaged.pth").write_bytes(b"PK\x03\x04 cut off")
    if not REFUSED[table]:  # a safetensors file is one state dict: the key is not needed
        assert opened(folder, table).network("mine").entry.trained
        return
    with pytest.raises(LabError) as caught:
        opened(folder, table)
    for part in REFUSED[table]:
        assert part in str(caught.value)


@pytest.mark.parametrize("name", ["alexnet-supervised", "a b", "mine-untrained", "a/b"])
def test_a_name_is_refused_that_is_taken_or_no_name_of_a_file(folder, name):
    with pytest.raises(LabError, match=re.escape(name)):
        own_networks.own_entry(name, OwnNetworkSpec("small_resnet"), str(folder))


def test_without_timm_the_message_says_how_to_have_it(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(LabError, match="pip install timm"):
        opened(folder, 'architecture = "timm:resnet10t"')


def test_a_module_that_is_wrong_is_quoted(folder):
    (folder / "my_networks.py").write_text("import no_such_package\n")
    with pytest.raises(LabError, match=r"'no_such_package' \(my_networks.py, line 1"):
        opened(folder)
    (folder / "my_networks.py").write_text("def build(:\n")
    with pytest.raises(LabError, match=r"my_networks.py is not valid Python \(line 1"):
        opened(folder)
    (folder / "deep").mkdir()
    (folder / "deep" / "inner.py").write_text(MODULE)
    with pytest.raises(LabError, match="__init__.py"):
        find_function("deep.inner:build", folder)


def test_layers_that_do_not_exist_or_never_answer_are_named_with_the_nearest(folder):
    (folder / "my_networks.py").write_text(MODULE.replace("nn.Linear(4 * width, 5))", """
                         nn.Linear(4 * width, 5), Unused())

class Unused(nn.Module):
    def __init__(self):
        super().__init__()
        self.never = nn.Linear(2, 2)

    def forward(self, x):
        return x
"""))
    with pytest.raises(LabError) as caught:
        opened(folder, networks='pies = ["0.0", "4.never", "relu6"]\nheat_map_layer = "0.7"')
    message = str(caught.value)
    for part in ("[networks] pies: mine has no 4.never, relu6", "[networks] heat_map_layer",
                 "of mine: 0.0, 0.1, 1, 2, 3", "0.7: did you mean"):
        assert part in message
    opened(folder, networks='pies = ["relu6"]', notebook="13")    # a notebook without pies


def test_the_layers_of_registered_networks_are_checked_as_well(folder):
    path = copy_of_demo(folder, 'activation_layer = "relu6"', 'activation_layer = "relu_6"')
    with pytest.raises(LabError, match=r"relu_6(.|\n)*did you mean relu6"):
        lab.open(str(path), notebook="02")
    lab.open(str(path), notebook="01")


def test_layers_of_every_profile_exist():
    for name in ("demo", "mini"):
        laboratory = lab.open(name, notebook="none")
        assert lab.check_networks(laboratory) == laboratory.profile


@pytest.mark.slow
def test_of_many_layers_a_message_lists_those_that_are_nested_least(folder):
    with pytest.raises(LabError) as error:
        opened(folder, CALLABLE.replace("my_networks:build", "torchvision:resnet34").replace(
            "crop = 24", "crop = 64"), 'heat_map_layer = "fc6"')
    listed, _, rest = error.value.expected.removeprefix("of mine: ").partition(" and ")
    layers = listed.split(", ")
    assert len(layers) == MAX_LISTED and re.match(r"\d+ more(.|\n)*helpers.prepare --layers", rest)
    assert {"conv1", "maxpool", "avgpool"} < set(layers)
    assert layers.index("conv1") < layers.index("layer1.0.conv1") < layers.index("avgpool")


def test_a_layer_that_is_called_twice_has_two_names():
    network = load_network(get_entry("torchvision:resnet18-untrained"))
    layers = answering_layers(replace(network, input_shape=(3, 64, 64)))
    assert {"layer1.0.relu", "layer1.0.relu#2"} <= set(layers)
    assert "layer1" in answering_layers(replace(network, input_shape=(3, 64, 64)), modules=True)
    assert layers_before_readout(network)[-1] == "avgpool"


def test_a_readout_of_another_size_and_an_absent_part_are_refused_before_any_work(folder):
    path = copy_of_demo(folder, 'main = "demo-barlow-twins"', 'main = "mine"')
    (folder / "my_networks.py").write_text(MODULE.replace("nn.AdaptiveAvgPool2d(2), ", "").replace(
        "4 * width", "121 * width"))
    text = path.read_text().replace('"relu6"', '"0.1"') + f"[network.mine]\n{CALLABLE}\n"
    path.write_text(text)
    with pytest.raises(LabError, match=r"size = 96, and mine(.|\n)*set `size = 24`"):
        lab.open(str(path), notebook="02")
    path.write_text(text.replace("size = 96", "size = 24"))
    lab.open(str(path), notebook="02")
    (folder / "data" / "diet" / "train").mkdir(parents=True)
    with pytest.raises(LabError, match=r"no part 'val' of(.|\n)*diet(.|\n)*one of train"):
        lab.open(str(path), notebook="02")


def test_layers_are_listed_with_their_shapes(folder, capsys):
    assert prepare.main(["--layers", "--profile", str(write(folder))]) == 0
    assert re.search(r"mine \(my_networks:build\), images of 24 px:\n  0\.0 +4 x 11 x 11"
                     r"(.|\n)* modules that hold layers:\n  0 +4 x 11 x 11\n",
                     capsys.readouterr().out)


# ---- the page -----------------------------------------------------------------------------------

def page_blocks() -> dict[str, str]:
    """Return the blocks of the page that name a file, by its name."""
    text = PAGE.read_text(encoding="utf-8")
    return dict(re.findall(r"`profiles/([\w.]+)`:\n\n```\w+\n(.*?)```", text, re.DOTALL))


def page_profile(folder: Path) -> Path:
    """Copy the demo's profile, and put the ten lines of the page in place of its [networks]."""
    lines = page_blocks()["mine.toml"]
    assert len([line for line in lines.splitlines() if line.strip()]) <= 10
    demo = (ROOT / "helpers" / "profiles" / "demo.toml").read_text(encoding="utf-8")
    old = demo[demo.index("[networks]"):demo.index("[lesions]")]
    return copy_of_demo(folder, old, lines + "\n")


@pytest.mark.slow
def test_the_ten_lines_of_the_page_work_as_written(folder):
    pytest.importorskip("timm", reason="timm is not installed: pip install timm")
    laboratory = lab.open(str(page_profile(folder)), notebook="01")
    networks = laboratory.networks()
    assert list(networks) == ["mine", "mine-untrained"]
    assert networks["mine"].model(torch.rand(1, 3, 64, 64)).shape == (1, 10)
    shown = laboratory.profile.networks
    assert {*shown.pies, shown.heat_map_layer} <= set(networks["mine"].layers)
    with pytest.raises(LabError, match="activation_layer(.|\n)*remove the tables"):
        lab.open(str(page_profile(folder)), notebook="02")


def test_the_function_of_the_page_works_as_written(folder):
    (folder / "my_networks.py").write_text(page_blocks()["my_networks.py"])
    network = opened(folder, CALLABLE + "\noptions = { width = 32 }").network("mine")
    assert network.model(torch.rand(1, 3, 24, 24)).shape == (1, 10)


def test_the_table_of_the_page_compares_a_network_with_its_control(folder):
    pytest.importorskip("timm", reason="timm is not installed: pip install timm")
    table = re.search(r"```toml\n(\[language\]\n.*?)```", PAGE.read_text(), re.DOTALL)[1]
    path = page_profile(folder)
    text = path.read_text()
    a, b = text.index("[language]"), text.index("[synthetic]")
    path.write_text(text[:a] + table + text[b:])
    laboratory = lab.open(str(path), notebook="13")
    assert laboratory.profile.language.conditions == {"mine": "mine",
                                                      "untrained": "mine-untrained"}


def test_the_extra_is_the_version_that_is_tested():
    extra = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    locked = (ROOT / "requirements.lock").read_text().splitlines()
    assert set(extra["own"]) <= set(locked)
    assert timm_models.import_timm().__name__ == "timm"
