"""Matched models of one small ResNet: the network, its seeds, and what captions teach it."""

from __future__ import annotations

import json
import pickle

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional

from helpers.core.errors import LabError
from helpers.networks.activations import extract_activations
from helpers.networks.architectures import build, layer_names
from helpers.networks.network import load_network
from helpers.networks.registry import get_entry, registry, seed_names
from helpers.networks.text_encoder import FIRST_WORD_TOKEN, PADDING, TextEncoder
from helpers.networks.weight_files import weights_file
from helpers.networks.weights import read_state_dict, save_state_dict
from helpers.training.augmentation import Augmentation
from helpers.training.captioned_images import CaptionedImages
from helpers.training.loop import TrainingRecipe, train
from helpers.training.losses import target_loss
from helpers.training.text_embedding_targets import text_embedding_targets

STAGES = {"layer1": (32, 20, 20), "layer2": (64, 10, 10), "layer3": (96, 5, 5),
          "layer4": (128, 5, 5)}


@pytest.fixture(scope="module")
def resnet() -> nn.Module:
    return build("small_resnet", {}, seed=0)


def noise(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


# ---- the network --------------------------------------------------------------------------------

def test_the_stages_have_the_shapes_of_the_figures(resnet):
    found = extract_activations(resnet, dict(zip(STAGES, STAGES)), [noise(2, 3, 80, 80)])
    assert {name: values.shape[1] for name, values in found.items()} == {
        name: int(np.prod(shape)) for name, shape in STAGES.items()}
    seen = {}
    for name in STAGES:
        getattr(resnet, name).register_forward_hook(
            lambda _m, _i, output, name=name: seen.update({name: tuple(output.shape[1:])}))
    assert resnet(noise(1, 3, 80, 80)).shape == (1, 128) and seen == STAGES


def test_no_module_overwrites_what_it_is_given(resnet):
    relus = [module for module in resnet.modules() if hasattr(module, "inplace")]
    assert len(relus) == 5 and not any(module.inplace for module in relus)
    assert not resnet.training
    assert {"conv1", "layer2.0.downsample.0", "fc"} <= set(layer_names(resnet))


def test_seeds_give_the_same_and_other_weights(resnet):
    state = torch.get_rng_state()
    again, other = (build("small_resnet", {}, seed=seed).state_dict() for seed in (0, 1))
    assert torch.equal(torch.get_rng_state(), state)
    for name, values in resnet.state_dict().items():
        assert torch.equal(values, again[name]), name
        if "conv" in name or name == "fc.weight":
            assert not torch.equal(values, other[name]), name


def convolved(block: nn.Module, x: torch.Tensor, n: int, stride: int = 1) -> torch.Tensor:
    """Convolve 3 x 3 and normalise groups of eight channels, from the tensors alone."""
    state = block.state_dict()
    x = functional.conv2d(x, state[f"conv{n}.weight"], stride=stride, padding=1)
    return grouped(x, state[f"bn{n}.weight"], state[f"bn{n}.bias"])


def grouped(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
    groups = x.view(len(x), -1, 8, *x.shape[2:])
    mean = groups.mean((2, 3, 4), keepdim=True)
    variance = groups.var((2, 3, 4), correction=0, keepdim=True)
    x = ((groups - mean) / (variance + 1e-5).sqrt()).view_as(x)
    return x * weight[:, None, None] + bias[:, None, None]


@torch.no_grad()
def test_a_block_adds_what_it_was_given_by_hand(resnet):
    x = noise(2, 32, 20, 20).relu()
    block = resnet.layer1[0]
    assert block.downsample is None
    expected = (convolved(block, convolved(block, x, 1).relu(), 2) + x).relu()
    torch.testing.assert_close(resnet.layer1(x), expected, atol=1e-4, rtol=1e-4)


@torch.no_grad()
def test_a_block_of_other_size_adds_a_projection_by_hand(resnet):
    x = noise(2, 32, 20, 20).relu()
    block = resnet.layer2[0]
    state = block.state_dict()
    shortcut = grouped(functional.conv2d(x, state["downsample.0.weight"], stride=2),
                       state["downsample.1.weight"], state["downsample.1.bias"])
    expected = (convolved(block, convolved(block, x, 1, 2).relu(), 2) + shortcut).relu()
    torch.testing.assert_close(resnet.layer2(x), expected, atol=1e-4, rtol=1e-4)


@torch.no_grad()
def test_the_whole_network_is_its_stem_its_stages_and_a_mean_by_hand(resnet):
    x, state = noise(2, 3, 80, 80), resnet.state_dict()
    stem = functional.conv2d(x, state["conv1.weight"], stride=2, padding=2)
    stem = grouped(stem, state["bn1.weight"], state["bn1.bias"]).relu()
    windows = functional.pad(stem, (1, 0, 1, 0)).unfold(2, 3, 2).unfold(3, 3, 2)
    last = resnet.layer4(resnet.layer3(resnet.layer2(resnet.layer1(windows.amax((4, 5))))))
    expected = last.mean((2, 3)) @ state["fc.weight"].T + state["fc.bias"]
    torch.testing.assert_close(resnet(x), expected, atol=1e-4, rtol=1e-4)


@torch.no_grad()
def test_an_image_means_the_same_whatever_else_is_in_the_batch(resnet):
    """As with GroupNorm, not with BatchNorm; in training mode as well."""
    x = noise(4, 3, 80, 80)
    together, alone = resnet(x), torch.cat([resnet(one[None]) for one in x])
    torch.testing.assert_close(together, alone, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(resnet.train()(x), together)
    resnet.eval()


@torch.no_grad()
def test_batch_norm_uses_the_running_means_it_was_given_by_hand():
    x, net = noise(2, 3, 80, 80), build("small_resnet", {"norm": "batch"}, seed=0)
    norms = [module for module in net.modules() if isinstance(module, nn.BatchNorm2d)]
    assert len(norms) == 12 and not any(isinstance(m, nn.GroupNorm) for m in net.modules())
    net.bn1.running_mean.copy_(noise(32)), net.bn1.running_var.copy_(noise(32).square() + .5)
    stem = functional.conv2d(x, net.conv1.weight.contiguous(), stride=2, padding=2)
    mean, variance = net.bn1.running_mean, net.bn1.running_var
    expected = (stem - mean[:, None, None]) / (variance[:, None, None] + 1e-5).sqrt()
    torch.testing.assert_close(net.bn1(net.conv1(x)), expected, atol=1e-4, rtol=1e-4)
    alone = torch.cat([net(one[None]) for one in x])
    torch.testing.assert_close(net(x), alone, atol=1e-4, rtol=1e-4)


def test_a_norm_that_is_not_there_is_refused():
    with pytest.raises(LabError, match="no norm 'layer'; there are group, batch"):
        build("small_resnet", {"norm": "layer"}, seed=0)


def test_options_change_its_sizes_and_wrong_ones_are_refused():
    small = build("small_resnet", {"channels": [8, 8, 16, 16], "output": 5}, seed=0)
    assert small(noise(1, 3, 32, 32)).shape == (1, 5)
    assert small.layer2[0].downsample is not None, "a step of two needs a projection"
    with pytest.raises(LabError, match="small_resnet cannot be built with {'chanels'"):
        build("small_resnet", {"chanels": [8] * 4}, seed=0)


@pytest.mark.parametrize("channels", [[8, 12, 16, 16], [4, 8, 8, 8]])
def test_channels_that_are_no_multiples_of_eight_are_refused(channels):
    with pytest.raises(LabError, match="small_resnet cannot be built"):
        build("small_resnet", {"channels": channels}, seed=0)


# ---- networks that differ in their seed ---------------------------------------------------------

def test_members_are_named_by_their_seed():
    n = registry()["demo-resnet-labels"].seeds
    assert n >= 2
    assert seed_names("demo-resnet-labels") == [f"demo-resnet-labels-seed{k}" for k in range(n)]
    assert seed_names("demo-clip") == ["demo-clip"]
    assert seed_names("torchvision:alexnet") == ["torchvision:alexnet"]


def test_a_member_has_its_own_file_and_seed():
    one = get_entry("demo-resnet-labels-seed1")
    assert (one.name, one.file, one.seed, one.seeds) == (
        "demo-resnet-labels-seed1", "demo-resnet-labels-seed1.safetensors", 1, 0)
    assert one.architecture == "small_resnet" and one.objective == "supervised" and one.trained
    untrained = get_entry("demo-resnet-untrained-seed2")
    assert (untrained.file, untrained.seed, untrained.trained) == ("", 2, False)


@pytest.mark.parametrize("name", ["demo-resnet-labels", "demo-resnet-labels-untrained"])
def test_the_name_of_many_is_refused_with_the_names_of_each(name):
    with pytest.raises(LabError, match=r"'demo-resnet-labels' are \d networks") as caught:
        get_entry(name)
    assert all(one in caught.value.expected for one in seed_names("demo-resnet-labels"))


@pytest.mark.parametrize("name", [
    "demo-resnet-labels-seed9", "demo-resnet-labels-seed", "demo-resnet-labels-seed-1",
    f"demo-resnet-labels-seed{registry()['demo-resnet-labels'].seeds}", "demo-clip-seed0"])
def test_a_seed_that_is_not_there_is_refused(name):
    with pytest.raises(LabError, match=f"{name}' is unknown"):
        get_entry(name)


def test_other_names_still_work():
    for name, one in registry().items():
        if not one.seeds:
            assert get_entry(name) is one
    assert get_entry("demo-clip-untrained").objective == "none"
    assert get_entry("torchvision:alexnet").trained


def test_every_member_of_the_registry_is_found_and_has_a_file_of_its_own():
    names = [name for many in registry() for name in seed_names(many)]
    assert len(set(names)) == len(names) and all(get_entry(name).name == name for name in names)
    files = [get_entry(name).file for name in names if name not in registry()
             and get_entry(name).file]
    trained = [many for many in registry().values() if many.seeds and many.trained]
    assert len(set(files)) == len(files) == sum(many.seeds for many in trained) > len(trained)


def test_a_member_before_training_keeps_its_seed():
    assert get_entry("demo-resnet-labels-seed1-untrained").seed == 1


def test_one_network_has_one_name():
    with pytest.raises(LabError, match="unknown"):
        get_entry("demo-resnet-labels-seed01")


def test_untrained_members_are_the_initial_weights_of_their_seed(private):
    data = private / "data"
    first, second = (weights_file(get_entry(f"demo-resnet-untrained-seed{k}"), data)
                     for k in (0, 1))
    assert private in first.parents and first != second
    for path, seed in ((first, 0), (second, 1)):
        expected = build("small_resnet", {}, seed=seed).state_dict()
        found = read_state_dict(path)
        assert found.keys() == expected.keys()
        assert all(torch.equal(found[name], values) for name, values in expected.items())
    networks = [load_network(get_entry(f"demo-resnet-untrained-seed{k}"), path)
                for k, path in enumerate((first, second))]
    assert networks[0].digest != networks[1].digest


def test_the_profiles_seed_moves_all_members(private):
    """A profile's own seed is added: members stay different from each other."""
    moved = read_state_dict(weights_file(get_entry("demo-resnet-untrained-seed1"),
                                         private / "data", seed=5))
    assert torch.equal(moved["conv1.weight"],
                       build("small_resnet", {}, seed=6).conv1.weight.detach())


# ---- safetensors that begin like a pickle, and the reverse --------------------------------------

def header_of(path) -> tuple[bytes, dict]:
    content = path.read_bytes()
    return content[:8], json.loads(content[8:8 + int.from_bytes(content[:8], "little")])


@pytest.mark.parametrize("n_bytes", [0x80, 0x180])
def test_a_header_of_the_first_byte_of_a_pickle_is_read(tmp_path, n_bytes):
    path, width = tmp_path / "w.safetensors", 1
    while True:
        save_file({"n" * width: torch.arange(3.0)}, path)
        length, header = header_of(path)
        if int.from_bytes(length, "little") >= n_bytes:
            break
        width += 1
    assert length[0] == 0x80 and list(header) == ["n" * width]
    found = read_state_dict(path)
    assert found["n" * width].tolist() == [0, 1, 2]


def test_a_header_of_the_first_bytes_of_an_archive_is_read(tmp_path):
    """Archives begin with PK: 0x4b50 bytes of header, padded to a multiple of eight."""
    path = tmp_path / "w.safetensors"
    header = json.dumps({"w": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}})
    n_bytes = int.from_bytes(b"PK", "little")
    path.write_bytes(n_bytes.to_bytes(8, "little") + header.encode().ljust(n_bytes)
                     + np.float32(3).tobytes())
    assert path.read_bytes()[:2] == b"PK"
    assert read_state_dict(path)["w"].item() == 3


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_a_pickle_in_disguise_is_refused(tmp_path, protocol):
    path = tmp_path / "w.safetensors"
    path.write_bytes(pickle.dumps({"weight": list(range(300))}, protocol=protocol))
    with pytest.raises(LabError, match="it is no file of torch.save"):
        read_state_dict(path)


def test_a_pickle_that_looks_like_a_header_is_not_run(tmp_path):
    """Its ninth byte is a brace: it reaches the reader of safetensors, which runs nothing."""
    path, trace = tmp_path / "w.safetensors", tmp_path / "ran"

    class Trap:
        def __reduce__(self):
            return open, (str(trace), "w")

    body = pickle.dumps(Trap(), protocol=2)
    comment = b"\x80\x02U\x05aaaa{0"  # PROTO, then a string of five bytes, dropped
    path.write_bytes(comment + body[2:])
    assert path.read_bytes()[8:9] == b"{"
    with pytest.raises(LabError, match="cannot be read"):
        read_state_dict(path)
    assert not trace.exists()
    pickle.loads(path.read_bytes()).close()
    assert trace.exists(), "a real trap"


def test_the_resnets_own_file_is_read(tmp_path, resnet):
    save_state_dict(tmp_path / "r.safetensors", resnet, half=True)
    found = read_state_dict(tmp_path / "r.safetensors")
    torch.testing.assert_close(found["fc.weight"].float(), resnet.fc.weight.detach(),
                               rtol=1e-3, atol=1e-5)


# ---- what captions teach ------------------------------------------------------------------------

@pytest.mark.parametrize("layers, ordered", [(0, False), (1, True)])
def test_the_order_of_words_counts_with_a_layer_alone(layers, ordered):
    torch.manual_seed(0)
    encoder = TextEncoder(30, context=12, width=16, heads=2, layers=layers, output=6).eval()
    assert sum("encoder" in name for name, _ in encoder.named_parameters()) == 12 * layers
    tokens = torch.randint(FIRST_WORD_TOKEN, 30, (4, 12))
    tokens[:, 8:] = PADDING
    moved = torch.cat([tokens[:, [3, 7, 1, 0, 6, 2, 5, 4]], tokens[:, 8:]], dim=1)
    changed = tokens.clone()
    changed[:, 2] = FIRST_WORD_TOKEN + (changed[:, 2] - FIRST_WORD_TOKEN + 1) % 20
    with torch.no_grad():
        encoder.places.mul_(20)
        before = encoder(tokens)
        assert torch.allclose(encoder(moved), before, atol=1e-5) is not ordered
        assert not torch.allclose(encoder(changed), before, atol=1e-3), "words count"


def test_the_loss_of_targets_is_one_less_the_mean_cosine():
    images, targets = noise(5, 7).double(), noise(10, 7)[5:].double()
    expected = np.mean([1 - float(a @ b) / (float(a.square().sum()) * float(b.square().sum()))**0.5
                        for a, b in zip(images, targets)])
    assert target_loss(images, targets).item() == pytest.approx(expected)
    assert target_loss(3 * images, targets).item() == pytest.approx(expected)
    assert target_loss(images, images).item() == pytest.approx(0)
    assert target_loss(images, -images).item() == pytest.approx(2)
    # Right angles and 45 degrees: 1 - (0 + 1 / sqrt 2) / 2.
    by_hand = target_loss(torch.tensor([[1.0, 0], [2, 2]]), torch.tensor([[0.0, 3], [5, 0]]))
    assert by_hand.item() == pytest.approx(1 - 0.5**0.5 / 2)


TOPICS = (["a red {} by the sea", "the {} sails over waves", "water and a {}"],
          ["an old {} in the kitchen", "the {} stands on a shelf", "cups and a {}"])
NAMES = (["boat", "ship", "ferry", "yacht"], ["pot", "pan", "kettle", "jug"])


def example_captions() -> list[list[str]]:
    return [[line.format(name) for line in lines] for lines, names in zip(TOPICS, NAMES)
            for name in names]


def test_targets_are_of_unit_length_and_the_same_for_the_same_words():
    caption_sets = example_captions()
    caption_sets[1][2], caption_sets[5][0] = "a boat and WATER", "Water, a boat (and a boat?)"
    caption_sets[5][0] = "and water a boat"
    found = text_embedding_targets(caption_sets, width=5, min_count=1, seed=0)
    assert found.shape == (8, 3, 5) and found.dtype == torch.float32
    torch.testing.assert_close(found.norm(dim=-1), torch.ones(8, 3))
    torch.testing.assert_close(found[0, 2], found[1, 2])
    torch.testing.assert_close(found[0, 2], found[5, 0])
    assert not torch.allclose(found[0, 2], found[0, 1], atol=0.1)


def test_targets_tell_two_topics_apart():
    found = text_embedding_targets(example_captions(), width=3, min_count=1, seed=0).view(24, 3)
    similar, topic = found @ found.T, torch.arange(24) // 12
    same, other = topic[:, None] == topic, topic[:, None] != topic
    assert similar[same].mean() > 0.3 > -0.2 > similar[other].mean()


def test_targets_do_not_depend_on_the_order_of_images_and_repeat_for_a_seed():
    caption_sets = example_captions()
    found = text_embedding_targets(caption_sets, width=3, min_count=1, seed=0)
    assert torch.equal(found, text_embedding_targets(caption_sets, width=3, min_count=1, seed=0))
    # The sign of a dimension is arbitrary, similarity is not.
    flat = found.view(24, 3)
    back = text_embedding_targets(caption_sets[::-1], width=3, min_count=1, seed=0).flip(0).view(24,
                                                                                                 3)
    torch.testing.assert_close(back @ back.T, flat @ flat.T, atol=1e-3, rtol=1e-3)


def test_rare_words_are_left_out_of_targets():
    """Captions that differ in a word said once mean the same."""
    caption_sets = [["a cat sat here now", "a dog ran there then"] for _ in range(4)]
    caption_sets[0][0] += " zyzzyva"
    with_it, without = (text_embedding_targets(caption_sets, width=2, min_count=min_count,
                                               seed=0) for min_count in (1, 2))
    torch.testing.assert_close(without[0, 0], without[1, 0])
    assert (with_it[0, 0] - with_it[1, 0]).abs().max() > 1e-3


def test_more_dimensions_than_words_are_refused():
    for width in (3, 5):
        with pytest.raises(LabError, match=f"3 words in 3 captions for {width} dimensions"):
            text_embedding_targets([["a cat"], ["a dog"], ["a cat"]], width=width, min_count=1,
                                   seed=0)


def test_captions_of_rare_words_alone_are_refused():
    with pytest.raises(LabError, match="0 words"):
        text_embedding_targets([["a cat"], ["a dog"]], width=2, min_count=5, seed=0)


def captioned(n: int = 12) -> CaptionedImages:
    images = torch.arange(n, dtype=torch.uint8).view(n, 1, 1, 1).expand(n, 3, 4, 4).contiguous()
    return CaptionedImages(images, tuple((f"one {i}", f"two {i}") for i in range(n)))


@pytest.mark.parametrize("n", [2, 3, 12, 101])
@pytest.mark.parametrize("seed", range(5))
def test_shuffled_captions_are_those_of_another_image(n, seed):
    images = captioned(n)
    moved = images.shuffle_captions(seed)
    assert torch.equal(moved.images, images.images)
    assert all(a != b for a, b in zip(moved.captions, images.captions))
    assert sorted(moved.captions) == sorted(images.captions), "each is given once, and whole"


def test_captions_are_shuffled_for_good():
    images = captioned()
    first, again, other = (images.shuffle_captions(seed).captions for seed in (0, 0, 1))
    assert first == again != other


# ---- training with targets ----------------------------------------------------------------------

STILL = Augmentation(size=8, crop_scale=(1, 1), aspect=1, flip=0, jitter=0, grey=0)


def coloured(n: int = 64) -> tuple[torch.Tensor, torch.Tensor]:
    """Return red and blue images, and where each kind's two captions lie."""
    generator = torch.Generator().manual_seed(0)
    kind = torch.arange(n) % 2
    images = torch.randint(60, 120, (n, 3, 8, 8), generator=generator)
    images[torch.arange(n), 2 * kind] += 100
    where = functional.normalize(torch.randn(2, 2, 6, generator=generator), dim=-1)
    return images.to(torch.uint8), where[kind]


def small_network() -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 6))


def test_training_with_targets_lowers_the_loss_towards_both_captions():
    images, targets = coloured()
    recipe = TrainingRecipe("targets", epochs=30, batch_size=16, learning_rate=3e-2,
                            augmentation=STILL)
    model = small_network()
    record = train(model, images, targets, recipe, seed=0)
    # The best that one direction can do for two captions at once: their middle.
    middle = functional.normalize(targets.mean(1), dim=-1)
    floor = (1 - (middle[:, None] * targets).sum(-1)).mean().item()
    assert record.epoch_losses[-1] < record.epoch_losses[0] - 0.1
    assert record.epoch_losses[-1] == pytest.approx(floor, abs=0.1)
    assert not model.training


def test_training_with_targets_repeats_for_a_seed_and_draws_captions_anew():
    images, targets = coloured()
    recipe = TrainingRecipe("targets", epochs=2, batch_size=16, augmentation=STILL)
    first, again = (train(small_network(), images, targets, recipe, seed=0) for _ in range(2))
    assert first == again
    turned = train(small_network(), images, targets.flip(1), recipe, seed=0)
    only = train(small_network(), images, targets[:, :1], recipe, seed=0)
    assert first != turned and first != only


def test_a_text_encoder_is_for_clip_alone():
    images, targets = coloured()
    recipe = TrainingRecipe("targets", epochs=1, batch_size=16, augmentation=STILL)
    with pytest.raises(LabError, match="'targets' with a network that reads"):
        train(small_network(), images, targets, recipe, seed=0, text=nn.Linear(6, 6))


def test_a_network_of_another_width_than_the_targets_fails():
    images, targets = coloured()
    recipe = TrainingRecipe("targets", epochs=1, batch_size=16, augmentation=STILL)
    with pytest.raises((LabError, RuntimeError)):
        train(small_network(), images, targets[..., :4], recipe, seed=0)
