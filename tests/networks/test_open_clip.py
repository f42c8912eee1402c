"""OpenAI's CLIP: its published kind of file, its two encoders, its activation, its tokens."""

from __future__ import annotations

import warnings
from dataclasses import replace

import numpy as np
import open_clip
import pytest
import torch
from PIL import Image
from support.tiny_clip import RESNET, TEXT, TINY, VIT, publish, whole_model
from torch import nn
from torch.nn import functional

from helpers.core.errors import LabError
from helpers.networks.activations import count_units, extract_activations
from helpers.networks.architectures import build, layer_names
from helpers.networks.network import load_network
from helpers.networks.open_clip_encoders import build_text_encoder, tokenize
from helpers.networks.registry import get_entry, parse_entry, registry
from helpers.networks.weights import read_state_dict, save_tensors, state_digest

PUBLISHED = {"clip-vit-b32-openai": (87_849_216, 151_277_313, 512),
             "clip-rn50-openai": (38_316_896, 102_007_137, 1024)}
"""Entry → parameters of the image encoder, of the whole model, and width of the embedding."""


@pytest.fixture(scope="module", params=[VIT, RESNET], ids=["ViT", "ResNet"])
def published(request, tmp_path_factory):
    """Return an architecture and a file of it as OpenAI publishes."""
    path = tmp_path_factory.mktemp("clip") / "tiny.pt"
    publish(request.param, path)
    return request.param, path


def tiny_entry(architecture):
    """Return an entry of a tiny CLIP."""
    view = {"resize": 64, "crop": 64, "mean": [0.5] * 3, "std": [0.25] * 3}
    table = {"architecture": architecture, "objective": "clip", "diet": "noise",
             "keys": "open_clip", "options": TINY[architecture], "preprocessing": view}
    return parse_entry("tiny", table)


def random_images(n=3):
    """Return random images (n, 3, 64, 64)."""
    return torch.randn(n, 3, 64, 64, generator=torch.Generator().manual_seed(0))


def captions():
    """Return random tokens (3, 12) with the end of text, the greatest token, in other places."""
    tokens = torch.randint(1, 62, (3, 12), generator=torch.Generator().manual_seed(0))
    for row, end in enumerate((11, 4, 7)):
        tokens[row, end:] = 0
        tokens[row, end] = 63
    return tokens


def text_encoder(architecture, path):
    """Return the text encoder of a file."""
    return build_text_encoder(architecture, TINY[architecture],
                                        read_state_dict(path, keys="open_clip_text"))


def test_the_archive_is_as_openai_publishes(published):
    """The premise of the tests below: what torch.load refuses, half precision, three scalars."""
    _, path = published
    with pytest.raises(RuntimeError, match="TorchScript"), pytest.warns(UserWarning):
        torch.load(path, weights_only=True)
    state = read_state_dict(path)
    assert state["visual.conv1.weight"].dtype == state["text_projection"].dtype == torch.float16
    assert state["ln_final.weight"].dtype == torch.float32
    assert {"input_resolution", "context_length", "vocab_size", "logit_scale"} <= set(state)


def test_reading_an_archive_says_nothing_of_deprecation(published):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read_state_dict(published[1])


def test_the_encoders_share_all_tensors_of_a_file(published):
    _, path = published
    image, text = (read_state_dict(path, keys=keys) for keys in ("open_clip", "open_clip_text"))
    rest = {"logit_scale", "input_resolution", "context_length", "vocab_size"}
    assert {f"visual.{name}" for name in image} | set(text) | rest == set(read_state_dict(path))
    assert not rest & set(text)


@torch.no_grad()
def test_both_encoders_are_those_of_the_whole_model(published):
    architecture, path = published
    whole = whole_model(architecture)
    network = load_network(tiny_entry(architecture), path)
    ours, theirs = network.model(random_images()), whole.encode_image(random_images())
    assert ours.shape == (3, 16)
    assert torch.allclose(ours, theirs, atol=1e-5)
    assert theirs.std(0).min() > 1e-3, "different images should differ"
    assert not torch.allclose(ours.norm(dim=1), torch.ones(3), atol=0.01)
    ours = text_encoder(architecture, path)(captions())
    theirs = whole.encode_text(captions())
    assert ours.shape == (3, 16)
    assert torch.allclose(ours, theirs, atol=1e-5)
    assert theirs.std(0).min() > 1e-3, "different captions should differ"


def test_the_loaded_encoders_are_float32_and_evaluated(published):
    architecture, path = published
    torch.manual_seed(5)
    before = torch.get_rng_state()
    for model in (load_network(tiny_entry(architecture), path).model,
                  text_encoder(architecture, path)):
        assert {p.dtype for p in model.parameters()} == {torch.float32}
        assert not any(module.training for module in model.modules())
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("prefix", ["", "text."])
def test_state_dicts_of_open_clip_itself_are_split_too(tmp_path, prefix):
    """As safetensors and as a training checkpoint, with either of open_clip's names of text."""
    whole = whole_model(VIT)
    state = {name if name.startswith(("visual.", "logit")) else prefix + name: tensor
             for name, tensor in whole.state_dict().items()}
    state["logit_bias"] = torch.tensor(-10.0)
    save_tensors(tmp_path / "clip.safetensors", state)
    torch.save({"state_dict": {f"module.{name}": tensor for name, tensor in state.items()},
                "epoch": 1}, tmp_path / "clip.pt")
    for name, found in (("clip.safetensors", {}),
                        ("clip.pt", {"key": "state_dict", "prefix": "module."})):
        image, text = (read_state_dict(tmp_path / name, keys=keys, **found)
                       for keys in ("open_clip", "open_clip_text"))
        assert state_digest(image) == state_digest(whole.visual.state_dict())
        encoder = build_text_encoder(VIT, TINY[VIT], text)
        with torch.no_grad():
            assert torch.allclose(encoder(captions()), whole.encode_text(captions()), atol=1e-5)


@torch.no_grad()
def test_quickgelu_where_the_name_says_so(published):
    architecture, path = published
    x = torch.linspace(-4, 4, 101)
    quick = x * torch.sigmoid(1.702 * x)
    assert (quick - functional.gelu(x)).abs().max() > 0.01
    encoders = [text_encoder(architecture, path)]
    if architecture == VIT:
        encoders.append(build(VIT, TINY[VIT], seed=0))
    for encoder in encoders:
        for block in encoder.transformer.resblocks:
            assert torch.allclose(block.mlp.gelu(x), quick, atol=1e-6)
    plain = build("open_clip:ViT-B-32", TINY[VIT], seed=0)
    assert torch.allclose(plain.transformer.resblocks[0].mlp.gelu(x), functional.gelu(x))


@torch.no_grad()
def test_the_wrong_activation_would_be_seen(tmp_path):
    publish(VIT, tmp_path / "tiny.pt")
    right = load_network(tiny_entry(VIT), tmp_path / "tiny.pt").model(random_images())
    plain = replace(tiny_entry(VIT), architecture="open_clip:ViT-B-32")
    wrong = load_network(plain, tmp_path / "tiny.pt").model(random_images())
    assert not torch.allclose(right, wrong, atol=1e-3)


def test_layers_are_named_by_their_paths_and_can_be_read(published):
    architecture, path = published
    network = load_network(tiny_entry(architecture), path)
    assert all(name == path for name, path in network.layers.items())
    counts = count_units(network.model, network.layers, random_images())
    wanted = {VIT: ("conv1", 32 * 4), RESNET: ("conv1", 4 * 32 * 32)}[architecture]
    assert counts[wanted[0]] == wanted[1]
    last = {VIT: "ln_post", RESNET: "layer4.0.act3"}[architecture]
    assert extract_activations(network.model, {last: last},
                               [random_images()])[last].std(0).max() > 1e-3
    assert not any(getattr(module, "inplace", False) for module in network.model.modules())


def test_untrained_encoders_are_seeded():
    digests = [state_digest(build(VIT, TINY[VIT], seed=seed).state_dict()) for seed in (0, 0, 1)]
    assert digests[0] == digests[1] != digests[2]


@pytest.mark.parametrize("share", [0.01, 0.6, 0.99])
def test_truncated_archives_are_named(published, tmp_path, share):
    whole = published[1].read_bytes()
    (tmp_path / "cut.pt").write_bytes(whole[:int(len(whole) * share)])
    with pytest.raises(LabError, match=r"cut\.pt cannot be read"):
        read_state_dict(tmp_path / "cut.pt", keys="open_clip")


class Trap(nn.Module):
    """Would run a program of its own when the archive is read."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("weight", torch.ones(2))

    @torch.jit.export
    def __getstate__(self):
        return (self.weight, self.training)

    @torch.jit.export
    def __setstate__(self, state: tuple[torch.Tensor, bool]) -> None:
        print("sprung")
        self.weight = state[0]
        self.training = state[1]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return what came."""
        return x


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_code_in_an_archive_is_not_run(tmp_path, capfd):
    torch.jit.save(torch.jit.script(Trap()), tmp_path / "trap.pt")
    with pytest.raises(LabError, match="no state dict"):
        read_state_dict(tmp_path / "trap.pt")
    assert "sprung" not in capfd.readouterr().out
    torch.jit.load(tmp_path / "trap.pt")
    assert "sprung" in capfd.readouterr().out, "PyTorch alone would have run it"


def test_files_that_do_not_fit_are_refused(published, tmp_path):
    architecture, path = published
    other = RESNET if architecture == VIT else VIT
    with pytest.raises(LabError, match="does not fit"):
        load_network(tiny_entry(other), path)
    with pytest.raises(LabError, match="missing: positional_embedding"):
        build_text_encoder(architecture, TINY[architecture], {})
    deeper = TINY[architecture] | {"text_cfg": TEXT | {"layers": 3}}
    with pytest.raises(LabError, match=r"missing: transformer\.resblocks\.2"):
        build_text_encoder(architecture, deeper,
                                     read_state_dict(path, keys="open_clip_text"))
    torch.save({"fc.weight": torch.ones(2, 2)}, tmp_path / "other.pt")
    with pytest.raises(LabError, match="missing"):
        load_network(tiny_entry(architecture), tmp_path / "other.pt")


@pytest.mark.parametrize("options, seen", [
    ({"vision": {}}, "vision is none of"), ({"vision_cfg": {"widht": 3}}, "widht"),
    ({"vision_cfg": {"width": 30, "head_width": 16, "layers": 1, "heads": 1}}, "heads"),
    ({"vision_cfg": {"width": 40, "head_width": 12, "layers": 1}}, "divisible"),
    ({"vision_cfg": 3}, "mapping")])
def test_impossible_options_are_refused(options, seen):
    with pytest.raises(LabError, match=f"cannot be built with .*{seen}"):
        build(VIT, options, seed=0)


def test_unknown_models_are_refused():
    with pytest.raises(LabError) as caught:
        build("open_clip:ViT-B-32-quikgelu", {}, seed=0)
    assert VIT in caught.value.expected
    for read in (lambda name: tokenize(name, ["a face"]),
                 lambda name: build_text_encoder(name, {}, {})):
        with pytest.raises(LabError, match="'open_clip:ViT' is unknown"):
            read("open_clip:ViT")
        with pytest.raises(LabError, match="files of another project"):
            read("open_clip:roberta-ViT-B-32")
    for name in ("open_clip:ViT", "torchvision:RN50", "RN50"):
        with pytest.raises(LabError, match=f"'{name}' is unknown"):
            build(name, {}, seed=0)


def test_tokens_are_clips():
    tokens = tokenize(VIT, ["a face", "A photo of a FACE. ", "face " * 100])
    assert tokens.shape == (3, 77)
    assert tokens.dtype == torch.int64
    assert tokens[0, :5].tolist() == [49406, 320, 1710, 49407, 0]
    assert tokens[1, :8].tolist() == [49406, 320, 1125, 539, 320, 1710, 269, 49407]
    assert tokens[2, [0, 1, -2, -1]].tolist() == [49406, 1710, 1710, 49407]
    assert torch.equal(tokens, open_clip.tokenize(["a face", "a photo of a face.", "face " * 100]))


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_registered_networks_are_openais(name):
    """Sizes of the published models, open_clip's own address of the file, its preprocessing."""
    known = registry()[name]
    model = known.architecture.partition(":")[2]
    theirs = open_clip.get_pretrained_cfg(model.removesuffix("-quickgelu"), "openai")
    assert known.url == theirs["url"]
    assert known.url.split("/")[-2:] == [known.digest.removeprefix("sha256:"), known.file]
    assert theirs["quick_gelu"] and open_clip.get_model_config(model)["quick_gelu"]
    rng = np.random.default_rng(0)
    view = open_clip.image_transform(224, is_train=False)
    for shape in ((300, 400, 3), (250, 230, 3)):
        image = Image.fromarray(rng.integers(256, size=shape, dtype=np.uint8))
        assert torch.allclose(known.preprocessing(image), view(image), atol=1e-5)
    with torch.device("meta"):
        encoder = build(known.architecture, known.options, seed=0)
        whole = open_clip.CLIP(**open_clip.get_model_config(model))
        embedding = encoder(torch.zeros(2, 3, 224, 224))
    sizes = [sum(p.numel() for p in part.parameters()) for part in (encoder, whole)]
    assert (*sizes, embedding.shape[1]) == PUBLISHED[name]
    assert {f"visual.{name}" for name in encoder.state_dict()} == {
        name for name in whole.state_dict() if name.startswith("visual.")}
    assert "conv1" in layer_names(encoder)
    assert get_entry(f"{name}-untrained").architecture == known.architecture
