"""The readout: its loss, its schedule, and a training that goes on where it was interrupted."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional
from torch.optim.lr_scheduler import OneCycleLR

from helpers.config.contrastive_coding import ReadoutSpec
from helpers.config.profile import load_profile
from helpers.core.errors import LabError
from helpers.networks.architectures import build, layer_names
from helpers.networks.weights import save_tensors
from helpers.training.classifiers import READOUT_TENSOR, read_readout_weight
from helpers.training.readout import (
    NetworkWithReadout,
    extract_layer_features,
    readout_loss,
    train_readout,
)

SPEC = ReadoutSpec("diet", "train", epochs=4, batch_size=20, l1_positive=1e-3, l1_negative=2e-3)
SHAPE = (3, 8)


def iter_epoch(number: int):
    """Yield five batches that three directions of eight tell apart."""
    generator = torch.Generator().manual_seed(number)
    for _ in range(5):
        labels = torch.randint(3, (20,), generator=generator)
        features = torch.randn(20, 8, generator=generator)
        features[torch.arange(20), labels] += 3
        yield features, labels


def train(**options):
    return train_readout(iter_epoch, SHAPE, 5, SPEC, seed=1, **options)


def test_the_loss_is_the_formula_summed_by_hand():
    generator = torch.Generator().manual_seed(0)
    logits, weight = torch.randn(6, 3, generator=generator), torch.randn(3, 8, generator=generator)
    labels = torch.tensor([0, 1, 2, 2, 1, 0])
    by_hand = -sum(float(row.log_softmax(0)[label]) for row, label in zip(logits, labels)) / 6
    for value in weight.flatten().tolist():
        by_hand += 0.01 * value if value > 0 else 0.03 * -value
    found = readout_loss(logits, labels, weight, l1_positive=0.01, l1_negative=0.03)
    assert found.item() == pytest.approx(by_hand, rel=1e-5)


def test_training_is_plain_sgd_with_one_cycle():
    """Against PyTorch's own modules, put together as the published code does."""
    layer = torch.nn.Linear(8, 3, bias=False)
    with torch.no_grad():
        layer.weight.normal_(0, 0.01, generator=torch.Generator().manual_seed(1))
    optimizer = torch.optim.SGD(layer.parameters(), lr=0.05, momentum=0.9)
    schedule = OneCycleLR(optimizer, max_lr=0.05, steps_per_epoch=5, epochs=4,
                          div_factor=0.05 / 0.001)
    for number in range(4):
        for features, labels in iter_epoch(number):
            optimizer.zero_grad()
            w = layer.weight
            loss = (functional.cross_entropy(layer(features), labels)
                    + 1e-3 * w[w > 0].abs().sum() + 2e-3 * w[w < 0].abs().sum())
            loss.backward()
            optimizer.step()
            schedule.step()
    weight, losses = train()
    torch.testing.assert_close(weight, layer.weight.detach(), rtol=1e-5, atol=1e-7)
    assert len(losses) == 4 and losses[-1] < 0.5 * losses[0]


@pytest.mark.parametrize("at", [3, 8, 19])
def test_interrupted_and_resumed_ends_at_the_same_weights(tmp_path, at):
    state = tmp_path / "state.safetensors"
    expected, losses = train()

    def interrupt(step: int, _loss: float) -> None:
        if step == at:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(state=state, on_step=interrupt)
    assert state.exists() == (at > 5)  # kept after every whole epoch
    steps = []
    weight, again = train(state=state, on_step=lambda step, _loss: steps.append(step))
    assert torch.equal(weight, expected) and again == losses
    assert steps[0] == at // 5 * 5 + 1 and not state.exists()


@pytest.mark.parametrize("where", [0.001, 0.02, 0.5, 0.98])
def test_a_state_in_which_a_bit_was_flipped_is_not_trained_on_from(tmp_path, capsys, where):
    """In the header or in the numbers: the training starts anew, says so, and ends the same."""
    state, steps = tmp_path / "state.safetensors", []

    def interrupt(step: int, _loss: float) -> None:
        if step == 12:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(state=state, on_step=interrupt)
    content = bytearray(state.read_bytes())
    content[int(where * len(content))] ^= 1
    state.write_bytes(bytes(content))
    weight, losses = train(state=state, on_step=lambda step, _loss: steps.append(step))
    assert steps[0] == 1 and torch.equal(weight, train()[0]) and losses == train()[1]
    assert f"{state}, is damaged" in capsys.readouterr().out


def test_a_loss_that_is_not_finite_is_reported_and_the_epochs_before_it_stay(tmp_path):
    state = tmp_path / "state.safetensors"

    def broken(number: int):
        for features, labels in iter_epoch(number):
            yield features * (torch.nan if number == 2 else 1), labels

    with pytest.raises(LabError, match="loss of step 11 is nan(?s:.)*max_learning_rate"):
        train_readout(broken, SHAPE, 5, SPEC, seed=1, state=state)
    assert state.exists()
    assert torch.equal(train(state=state)[0], train()[0])


def test_a_rehearsal_stops_early():
    _, losses = train(steps=2)
    assert len(losses) == 1


def test_the_readout_names_from_its_layer_on_and_leaves_the_trunk_alone():
    model = build("alexnet_gn", {"channels": [32] * 5, "pool": 2, "projector": [16, 12, 8]}, seed=0)
    path, images = layer_names(model)["relu7"], torch.randn(4, 3, 64, 64)
    weight = torch.randn(5, 12)
    with torch.inference_mode():
        logits = NetworkWithReadout(model, path, weight)(images)
    features = extract_layer_features(model, path, images)
    torch.testing.assert_close(logits, features @ weight.T)
    torch.testing.assert_close(features, model.projector[:6](
        model.flatten(model.pool(model.backbone(images)))).detach())
    assert not features.requires_grad and not features.is_inference()


def test_the_paper_profile_has_the_published_settings():
    spec = load_profile("paper").readout
    assert (spec.epochs, spec.batch_size, spec.max_learning_rate, spec.initial_learning_rate,
            spec.warmup_fraction) == (
        10, 512, 0.05, 0.001, 0.3)
    assert (spec.l1_positive, spec.l1_negative, spec.size, spec.min_crop_fraction) == (
        1e-5, 1e-5, 256, 0.08)


def test_readouts_are_read_from_our_files_and_from_the_published_checkpoint(tmp_path):
    ours, published = tmp_path / "ours.safetensors", tmp_path / "theirs.pth"
    weight = torch.randn(3, 8)
    save_tensors(ours, {READOUT_TENSOR: weight})
    assert torch.equal(read_readout_weight(ours, 8), weight)
    torch.save({"epoch": 10, "best_acc": 0.5, "optimizer": {"lr": 0.1}, "model": {
        "backbone.0.weight": torch.randn(4, 3, 3, 3), "projector.3.weight": torch.randn(8, 8),
        "readout.0.weight": weight}}, published)
    assert torch.equal(read_readout_weight(published, 8), weight)
    with pytest.raises(LabError, match=r"no readout of 9 units(?s:.)*\(n_classes, 9\)"):
        read_readout_weight(ours, 9)


@pytest.mark.parametrize("change",
                         [{"epochs": 0}, {"initial_learning_rate": 0.1}, {"l1_negative": -1.0},
                          {"min_crop_fraction": 0.0}])
def test_impossible_settings_are_refused(change):
    with pytest.raises((ValueError, LabError), match=next(iter(change)).replace(
            "initial_learning_rate", "table 'readout'")):
        ReadoutSpec("diet", "train", **change)
