"""Training: losses against slow references, views against known answers, the loop, processes."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from torch import distributed, multiprocessing, nn
from torch.nn.parallel import DistributedDataParallel
from torchvision.transforms import functional as reference

from helpers.core.errors import LabError
from helpers.networks.alexnet_gn import AlexNetGN
from helpers.networks.architectures import build
from helpers.training.augmentation import (
    Augmentation,
    BatchGenerator,
    augment,
    jitter_colours,
    random_crop,
    resize_and_normalise,
)
from helpers.training.loop import TrainingHistory, TrainingRecipe, train
from helpers.training.losses import barlow_twins_loss, nt_xent_loss

SMALL = {"channels": (8, 8, 8, 8, 8), "groups": 4, "pool": 1, "projector": (16, 16, 16)}
NEUTRAL = Augmentation(crop_scale=(1, 1), aspect=1, flip=0, jitter=0, grey=0,
                       mean=(0, 0, 0), std=(1, 1, 1))
LOSSES = {"barlow": lambda a, b: barlow_twins_loss(a, b, lam=0.02),
          "simclr": lambda a, b: nt_xent_loss(a, b, temperature=0.3)}


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def drawing(seed: int = 0) -> BatchGenerator:
    return BatchGenerator(generator(seed))


def embeddings(n: int = 6, width: int = 4) -> tuple[torch.Tensor, torch.Tensor]:
    z = torch.randn(2, n, width, generator=generator(), dtype=torch.float64)
    return z[0], 0.5 * z[0] + z[1]


# ---------------------------------------------------------------- objectives

def test_barlow_twins_against_a_loop():
    a, b = embeddings()
    n, width = a.shape
    expected = 0.0
    for i in range(width):
        for j in range(width):
            u, v = a[:, i] - a[:, i].mean(), b[:, j] - b[:, j].mean()
            c = float((u * v).sum() / (u.square().sum() * v.square().sum()).sqrt())
            expected += (1 - c) ** 2 if i == j else 0.02 * c**2
    assert float(LOSSES["barlow"](a, b)) == pytest.approx(expected, rel=1e-3)


def test_simclr_against_a_loop():
    a, b = embeddings()
    z = [row / row.norm() for row in (*a, *b)]
    n = len(a)
    expected = 0.0
    for i in range(2 * n):
        similar = [math.exp(float(z[i] @ z[k]) / 0.3) for k in range(2 * n)]
        expected -= math.log(similar[(i + n) % (2 * n)] / (sum(similar) - similar[i])) / (2 * n)
    assert float(LOSSES["simclr"](a, b)) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("name", LOSSES)
def test_gradients_of_the_losses(name):
    a, b = (z.requires_grad_() for z in embeddings())
    assert torch.autograd.gradcheck(LOSSES[name], (a, b))


@pytest.mark.parametrize("name", LOSSES)
def test_losses_do_not_depend_on_the_order_and_prefer_the_right_pairs(name):
    a, b = embeddings(n=32)
    order = torch.randperm(32, generator=generator(1))
    assert float(LOSSES[name](a[order], b[order])) == pytest.approx(float(LOSSES[name](a, b)))
    assert LOSSES[name](a, b) < LOSSES[name](a, b[order])


def test_losses_at_known_points():
    whitened, _ = torch.linalg.qr(embeddings(64, 8)[0] - embeddings(64, 8)[0].mean(0))
    assert float(LOSSES["barlow"](whitened, whitened)) < 0.01
    same = torch.ones(5, 3)
    assert float(LOSSES["simclr"](same, same)) == pytest.approx(math.log(9))


# ---------------------------------------------------------------- views

def random_images(n: int = 8, side: int = 64) -> torch.Tensor:
    return torch.randint(0, 256, (n, 3, side, side), dtype=torch.uint8, generator=generator(3))


def test_a_neutral_augmentation_changes_nothing():
    images = random_images()
    assert torch.allclose(augment(images, NEUTRAL, generator=drawing()), images / 255, atol=1e-5)
    assert torch.allclose(resize_and_normalise(images, NEUTRAL), images / 255)


def test_flips_mirror():
    flipped = augment(random_images(), replace(NEUTRAL, flip=1.0), generator=drawing())
    assert torch.allclose(flipped, random_images().flip(-1) / 255, atol=1e-5)


def test_views_are_normalised_like_the_networks_images():
    scaled = replace(NEUTRAL, mean=(0.4, 0.5, 0.6), std=(0.2, 0.3, 0.4))
    wanted = reference.normalize(random_images() / 255, scaled.mean, scaled.std)
    for view in (augment(random_images(), scaled, generator=drawing()),
                 resize_and_normalise(random_images(), scaled)):
        assert torch.allclose(view, wanted, atol=1e-4)


def test_crops_keep_their_area_inside_the_image():
    """On a ramp from -1 to 1 the corners of a view tell which part of the image it shows."""
    ramp = torch.linspace(-1, 1, 129)
    ramp = (ramp[1:] + ramp[:-1]) / 2
    ramps = torch.stack([ramp.expand(128, 128), ramp[:, None].expand(128, 128),
                         torch.zeros(128, 128)]).expand(500, 3, 128, 128)
    wide = replace(NEUTRAL, crop_scale=(0.25, 0.5), aspect=4 / 3)
    views = random_crop(ramps, wide, generator=drawing())
    width = (views[:, 0, :, -1].mean(1) - views[:, 0, :, 0].mean(1)) * 64 / 63 / 2
    height = (views[:, 1, -1].mean(1) - views[:, 1, 0].mean(1)) * 64 / 63 / 2
    area, aspect = width * height, width / height
    assert views.abs().max() <= 1
    assert 0.24 < area.min() < 0.27 and 0.48 < area.max() < 0.51
    assert 0.74 < aspect.min() < 0.80 and 1.26 < aspect.max() < 1.35


def test_grey_images_have_the_luminance_of_the_original():
    grey = augment(random_images(), replace(NEUTRAL, grey=1.0), generator=drawing())
    wanted = reference.rgb_to_grayscale(random_images() / 255, num_output_channels=3)
    assert torch.allclose(grey, wanted, atol=1e-3)


def soft_images() -> torch.Tensor:
    """Return images of middling colours, which no change drives out of 0 to 1."""
    return 0.45 + 0.1 * torch.rand(6, 3, 64, 64, generator=generator(4))


def changed(**limits: float) -> torch.Tensor:
    still = {"brightness": 0.0, "contrast": 0.0, "saturation": 0.0, "hue": 0.0}
    view = replace(NEUTRAL, jitter=1.0, **(still | limits))
    return jitter_colours(soft_images(), view, generator=drawing(5))


@pytest.mark.parametrize("limit, adjust", [
    ("brightness", reference.adjust_brightness), ("saturation", reference.adjust_saturation)])
def test_colour_changes_are_torchvisions(limit, adjust):
    """Each image is torchvision's, for one factor between 0.6 and 1.4; factors differ."""
    factors = []
    for before, after in zip(soft_images(), changed(**{limit: 0.4}), strict=True):
        slope = (adjust(before, 1.2) - before) / 0.2
        factor = 1 + float(((after - before) * slope).sum() / slope.square().sum())
        assert torch.allclose(after, adjust(before, factor), atol=2e-3)
        factors.append(factor)
    assert 0.6 <= min(factors) < max(factors) <= 1.4 and len(set(factors)) == len(factors)


def test_contrast_keeps_the_mean_luminance():
    luma = torch.tensor([0.299, 0.587, 0.114])
    before, after = soft_images(), changed(contrast=0.4)
    mean = [torch.einsum("c,nchw->n", luma, x) / 64**2 for x in (before, after)]
    assert torch.allclose(*mean, atol=1e-5)
    ratio = after.std((1, 2, 3)) / before.std((1, 2, 3))
    assert ratio.min() >= 0.55 and ratio.max() <= 1.45 and ratio.std() > 0.05


def test_hue_keeps_brightness_and_colourfulness():
    before, after = soft_images(), changed(hue=0.25)
    assert torch.allclose(before.mean(1), after.mean(1), atol=1e-5)
    colour = [(x - x.mean(1, keepdim=True)).norm(dim=1) for x in (before, after)]
    assert torch.allclose(*colour, atol=1e-5)
    assert not torch.allclose(before, after, atol=1e-2)


def test_views_follow_the_generator():
    strong = Augmentation(blur=0.5)
    first, again, other = (augment(random_images(), strong, generator=drawing(seed))
                           for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.allclose(first, other)
    assert first.shape == (8, 3, 64, 64) and first.isfinite().all()


# ---------------------------------------------------------------- the loop

def coloured(n: int = 64) -> tuple[torch.Tensor, torch.Tensor]:
    """Return noisy images of two classes that differ in colour."""
    labels = torch.arange(n) % 2
    images = torch.randint(0, 120, (n, 3, 64, 64), generator=generator(6), dtype=torch.uint8)
    images[torch.arange(n), 2 * labels] += 120
    return images, labels


def learn(recipe: TrainingRecipe, *, seed: int = 0, **options) -> tuple[nn.Module, TrainingHistory]:
    model = build("alexnet_gn", SMALL, seed=0)
    return model, train(model, *coloured(), recipe, seed=seed, **options)


GENTLE = replace(Augmentation(), jitter=0.0, grey=0.0, crop_scale=(0.5, 1.0))


@pytest.mark.parametrize("objective", ["barlow_twins", "simclr", "supervised"])
def test_every_objective_learns(objective):
    recipe = TrainingRecipe(objective, epochs=8, batch_size=32, learning_rate=3e-3,
                            augmentation=GENTLE)
    model, record = learn(recipe)
    assert len(record.losses) == 16 and len(record.epoch_losses) == 8
    assert record.epoch_losses[0] == pytest.approx(sum(record.losses[:2]) / 2)
    assert record.epoch_losses[-1] < 0.9 * record.epoch_losses[0]
    assert not any(module.training for module in model.modules())


def test_labels_are_learned_not_just_images():
    recipe = TrainingRecipe("supervised", epochs=10, batch_size=32, learning_rate=3e-3,
                            augmentation=GENTLE)
    assert learn(recipe)[1].epoch_losses[-1] < 0.35


def test_the_same_seed_gives_the_same_weights():
    recipe = TrainingRecipe("barlow_twins", epochs=1, batch_size=32)
    torch.manual_seed(9)
    before = torch.get_rng_state()
    (first, one), (again, two), (other, _) = (learn(recipe, seed=seed) for seed in (0, 0, 1))
    assert one == two
    assert torch.equal(torch.get_rng_state(), before)
    for name, tensor in first.state_dict().items():
        assert torch.equal(tensor, again.state_dict()[name]), name
    assert not torch.equal(first.projector[0].weight, other.projector[0].weight)


def test_a_short_training_is_the_beginning_of_the_long_one():
    recipe = TrainingRecipe("simclr", epochs=3, batch_size=16)
    seen = []
    _, short = learn(recipe, steps=5, on_step=lambda *about: seen.append(about[:2]))
    _, long = learn(recipe)
    assert short.losses == long.losses[:5]
    assert seen == list(enumerate(short.losses, start=1))


@pytest.mark.parametrize("objective, change", [
    ("simclr", {"temperature": 1.0}), ("barlow_twins", {"lam": 0.1})])
def test_the_settings_of_the_loss_are_the_recipes(objective, change):
    recipe = TrainingRecipe(objective, epochs=1, batch_size=32, augmentation=GENTLE)
    usual, other = (learn(one, steps=1)[1].losses for one in (recipe, replace(recipe, **change)))
    assert other[0] != pytest.approx(usual[0], rel=0.05)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_muon_moves_filters_equally_in_all_directions_and_the_rest_as_adamw(layout):
    recipe = TrainingRecipe("supervised", epochs=10, batch_size=32, weight_decay=0.0)
    start = build("alexnet_gn", SMALL, seed=0).to(memory_format=layout)
    moved = {}
    for optimizer in ("adamw", "muon"):
        model = build("alexnet_gn", SMALL, seed=0).to(memory_format=layout)
        train(model, *coloured(), replace(recipe, optimizer=optimizer), seed=0, steps=1,
              mixed_precision=False)
        moved[optimizer] = {name: (new - old).detach() for (name, new), old in zip(
            model.named_parameters(), start.parameters())}
    first_rate = recipe.learning_rate / 25  # of torch's OneCycleLR
    for name, step in moved["muon"].items():
        if step.ndim != 4:
            assert torch.equal(step, moved["adamw"][name]), name
            continue
        matrix = step.flatten(1) / (first_rate * .2 * max(step.flatten(1).shape) ** .5)
        # Five Newton-Schulz iterations bring singular values near 1 (Jordan et al.: .5 to 1.5).
        assert .3 < torch.linalg.svdvals(matrix).min() < torch.linalg.svdvals(matrix).max() < 1.5


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_weights_do_not_depend_on_their_order_in_memory(optimizer):
    recipe = TrainingRecipe("supervised", epochs=2, batch_size=32, optimizer=optimizer)
    models = [build("alexnet_gn", SMALL, seed=0).to(memory_format=layout)
              for layout in (torch.contiguous_format, torch.channels_last)]
    for model in models:
        train(model, *coloured(), recipe, seed=0, mixed_precision=False)
    assert torch.allclose(models[0].backbone[2][0].weight, models[1].backbone[2][0].weight,
                          atol=2e-3)


def test_weights_decay_and_vectors_do_not():
    recipe = TrainingRecipe("supervised", epochs=1, batch_size=32, weight_decay=0.0)
    (free, _), (decayed, _) = (learn(one, steps=1)
                               for one in (recipe, replace(recipe, weight_decay=10.0)))
    for (name, one), other in zip(free.named_parameters(), decayed.parameters()):
        assert torch.equal(one, other) == (one.ndim <= 1), name


@pytest.mark.parametrize("group_size", [1, 4])
def test_each_epoch_shows_each_image_once_and_each_batch_whole_groups(group_size):
    """An image of one brightness each, nothing random: what the network saw can be read off."""
    shown = []

    class Watch(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.ones(3, 2))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            if self.training:
                shown.extend((x[:, 0, 0, 0] * 255).round().int().tolist())
            return x.mean((2, 3)) @ self.weight

    images = torch.arange(32, dtype=torch.uint8)[:, None, None, None].expand(32, 3, 8, 8)
    recipe = TrainingRecipe("supervised", epochs=2, batch_size=8, group_size=group_size,
                            augmentation=replace(NEUTRAL, size=8))
    train(Watch(), images, torch.zeros(32, dtype=torch.long), recipe, seed=0,
          mixed_precision=False)
    assert sorted(shown[:32]) == sorted(shown[32:]) == list(range(32))
    assert shown[:32] != shown[32:] and shown[:32] != list(range(32))
    groups = torch.tensor(shown).view(-1, group_size) // group_size
    assert (groups == groups[:, :1]).all()


def test_bad_recipes_and_broken_networks_are_named():
    with pytest.raises(LabError, match="a recipe has 0 epochs"):
        TrainingRecipe("simclr", epochs=0)
    with pytest.raises(LabError, match="groups of 3 images in batches of 32"):
        TrainingRecipe("clip", epochs=1, batch_size=32, group_size=3)
    with pytest.raises(LabError, match="the optimizer 'sgd'"):
        TrainingRecipe("clip", epochs=1, optimizer="sgd")
    with pytest.raises(LabError, match="64 images, batches of 256"):
        learn(TrainingRecipe("simclr", epochs=1))
    model = AlexNetGN(**SMALL)
    nn.init.constant_(model.projector[6].weight, float("nan"))
    with pytest.raises(LabError, match="loss of step 1 is nan"):
        train(model, *coloured(), TrainingRecipe("simclr", epochs=1, batch_size=32), seed=0)


# ---------------------------------------------------------------- two processes

def _join(rank: int, folder: str) -> None:
    torch.set_num_threads(1)
    distributed.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank,
                                   world_size=2)


def _work(rank: int, folder: str) -> None:
    """Write down what one of two processes finds: gradients of both losses, trained weights."""
    _join(rank, folder)
    found = {}
    x1, x2 = embeddings(n=16)
    for name, loss in LOSSES.items():
        layer = DistributedDataParallel(_linear())
        value = loss(layer(x1[rank::2]), layer(x2[rank::2]))
        value.backward()
        found[name] = (value.detach(), layer.module.weight.grad)
    for objective in ("barlow_twins", "supervised"):
        model, record = learn(TrainingRecipe(objective, epochs=1, batch_size=32))
        found[objective] = (model.state_dict(), record.losses)
    torch.save(found, f"{folder}/found-{rank}.pt")
    distributed.destroy_process_group()


def _linear() -> nn.Linear:
    layer = nn.Linear(4, 4, bias=False, dtype=torch.float64)
    with torch.no_grad():
        layer.weight.copy_(torch.randn(4, 4, generator=generator(8), dtype=torch.float64))
    return layer


@pytest.fixture(scope="module")
def two_processes(tmp_path_factory):
    folder = str(tmp_path_factory.mktemp("processes"))
    multiprocessing.spawn(_work, args=(folder,), nprocs=2)
    return [torch.load(f"{folder}/found-{rank}.pt") for rank in range(2)]


@pytest.mark.slow
@pytest.mark.parametrize("name", LOSSES)
def test_two_processes_compute_the_loss_of_the_whole_batch(two_processes, name):
    layer = _linear()
    x1, x2 = embeddings(n=16)
    value = LOSSES[name](layer(x1), layer(x2))
    value.backward()
    for found in two_processes:
        loss, gradient = found[name]
        assert float(loss) == pytest.approx(value.item(), rel=1e-9)
        assert torch.allclose(gradient, layer.weight.grad, rtol=1e-9)


@pytest.mark.parametrize("objective", ["barlow_twins", "supervised"])
def test_two_processes_train_one_network(two_processes, objective):
    (first, losses), (second, _) = (found[objective] for found in two_processes)
    untrained = build("alexnet_gn", SMALL, seed=0).state_dict()
    assert all(math.isfinite(loss) for loss in losses) and len(losses) == 2
    for name, tensor in first.items():
        assert torch.equal(tensor, second[name]), name
    assert not torch.equal(first["projector.0.weight"], untrained["projector.0.weight"])
