"""Features as a NumPy file with names: there and back, and what does not fit."""

from __future__ import annotations

import numpy as np
import pytest

from helpers.core.errors import LabError
from helpers.networks.feature_files import read_features, save_features

IMAGES = ("faces/1.jpg", "häuser/2.jpg", "hands/3.jpg")


def layers() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    return {"conv1": rng.normal(size=(3, 5)).astype(np.float32), "fc/7": rng.normal(size=(3, 2))}


@pytest.mark.parametrize("name", ["features.npz", "features.data"])
def test_what_is_written_is_read(tmp_path, name):
    save_features(tmp_path / name, "mine", IMAGES, layers())
    assert [path.name for path in tmp_path.iterdir()] == [name]
    found = read_features(tmp_path / name)
    assert found.network == "mine" and found.images == IMAGES
    assert list(found.layers) == ["conv1", "fc/7"]
    for layer, values in layers().items():
        np.testing.assert_array_equal(found.layers[layer], values)
        assert found.layers[layer].dtype == values.dtype


def test_numpy_alone_reads_the_file(tmp_path):
    save_features(tmp_path / "features.npz", "mine", IMAGES, layers())
    with np.load(tmp_path / "features.npz", allow_pickle=False) as file:
        assert sorted(file.files) == ["images", "layer/conv1", "layer/fc/7", "network"]


@pytest.mark.parametrize(("some", "seen"), [({}, "no layer"),
                                            ({"fc": np.zeros((2, 4))}, r"\(2, 4\)"),
                                            ({"fc": np.zeros(3)}, r"\(3,\)")])
def test_rows_that_are_no_images_are_refused(tmp_path, some, seen):
    with pytest.raises(LabError, match=seen):
        save_features(tmp_path / "features.npz", "mine", IMAGES, some)
    assert not list(tmp_path.iterdir())


def test_files_that_hold_something_else_are_named(tmp_path):
    (tmp_path / "text.npz").write_text("no archive")
    np.savez(tmp_path / "other.npz", x=np.zeros(3))
    np.savez(tmp_path / "pickled.npz", images=np.array([{}], dtype=object), network="mine")
    for name in ("text.npz", "other.npz", "pickled.npz", "absent.npz"):
        with pytest.raises(LabError, match=f"{name} cannot be read as features"):
            read_features(tmp_path / name)
    np.savez(tmp_path / "extra.npz", images=np.array(IMAGES), network="mine", weights=np.zeros(3))
    with pytest.raises(LabError, match="an array 'weights'"):
        read_features(tmp_path / "extra.npz")
