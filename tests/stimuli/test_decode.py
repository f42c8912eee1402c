"""Images as cameras, scanners and Photoshop leave them: Pillow's RGB, and nothing clipped."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from helpers.brains.files import Files
from helpers.brains.rsa92 import ImageStack
from helpers.core.errors import LabError
from helpers.stimuli.decode import decode_rgb
from helpers.stimuli.image_sets import ImageSet

RAMP = np.tile(np.linspace(0, 255, 64).astype(np.uint8), (48, 1))
DEEP = RAMP.astype(np.uint16) * 257
RGB = np.dstack([RAMP, 255 - RAMP, RAMP // 2])


def pgm(white: int) -> bytes:
    values = (RAMP.astype(int) * white // 255).astype(">u2")
    return b"P5\n64 48\n%d\n" % white + values.tobytes()


@pytest.mark.parametrize("name, save", [
    ("x.png", lambda path: Image.fromarray(DEEP).save(path)),
    ("x.tif", lambda path: Image.fromarray(DEEP).save(path)),
    ("lzw.tif", lambda path: Image.fromarray(DEEP).save(path, compression="tiff_lzw")),
    ("big-endian.tif", lambda path: Image.fromarray(DEEP.astype(">u2")).save(path)),
    ("white-is-zero.tif", lambda path: Image.fromarray(0xFFFF - DEEP).save(
        path, tiffinfo={262: 0})),
    ("x.pgm", lambda path: path.write_bytes(pgm(65535))),
    ("12bit.pgm", lambda path: path.write_bytes(pgm(4095))),
])
def test_grey_of_16_bits_is_scaled_from_its_range(tmp_path, name, save):
    save(tmp_path / name)
    found = np.asarray(decode_rgb(tmp_path / name))
    np.testing.assert_allclose(found.astype(int), np.dstack([RAMP] * 3), atol=1)
    assert found[0, 0].tolist() == [0, 0, 0] and found[0, -1].tolist() == [255, 255, 255]


def test_a_tiff_of_12_bits_is_scaled_from_its_own_range(tmp_path):
    values = (RAMP.astype(int) * 4095 // 255).ravel()
    packed = np.empty(len(values) * 3 // 2, np.uint8)
    first, second = values[::2], values[1::2]
    packed[::3], packed[1::3] = first >> 4, (first & 15) << 4 | second >> 8
    packed[2::3] = second & 255
    tags = [(256, 64), (257, 48), (258, 12), (259, 1), (262, 1), (273, 8), (277, 1), (278, 48),
            (279, len(packed)), (339, 1)]
    entries = b"".join(tag.to_bytes(2, "little") + b"\4\0\1\0\0\0" + value.to_bytes(4, "little")
                       for tag, value in tags)
    start = 8 + len(packed)
    (tmp_path / "x.tif").write_bytes(b"II*\0" + start.to_bytes(4, "little") + packed.tobytes()
                                     + len(tags).to_bytes(2, "little") + entries + b"\0\0\0\0")
    found = np.asarray(decode_rgb(tmp_path / "x.tif"))[..., 0].astype(int)
    np.testing.assert_allclose(found, RAMP, atol=1)


EIGHT_BITS = {
    "rgb.png": Image.fromarray(RGB), "grey.png": Image.fromarray(RAMP),
    "opacity.png": Image.fromarray(np.dstack([RGB, RAMP])),
    "grey-opacity.png": Image.fromarray(np.dstack([RAMP, 255 - RAMP])),
    "black-and-white.png": Image.fromarray(RAMP > 100),
    "palette.png": Image.fromarray(RGB).convert("P"),
    "cmyk.jpg": Image.fromarray(RGB).convert("CMYK"),
    "ycbcr.tif": Image.fromarray(RGB).convert("YCbCr"),
    "cmyk.tif": Image.fromarray(RGB).convert("CMYK"),
}


@pytest.mark.parametrize("name", EIGHT_BITS)
def test_eight_bits_are_what_the_published_pipelines_see(tmp_path, name):
    """Byte by byte Pillow's convert, as of torchvision's ImageFolder: opacity is dropped."""
    path, extra = tmp_path / name, {"transparency": 3} if name == "palette.png" else {}
    EIGHT_BITS[name].save(path, **extra)
    with Image.open(path) as image:
        np.testing.assert_array_equal(decode_rgb(path), image.convert("RGB"))


def test_orientation_is_ignored_and_of_several_frames_the_first_is_read(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(RGB).save(tmp_path / "x.jpg", exif=exif)
    assert decode_rgb(tmp_path / "x.jpg").size == (64, 48)
    for name in ("x.png", "x.tif"):
        Image.fromarray(RGB).save(tmp_path / name, save_all=True,
                                  append_images=[Image.fromarray(255 - RGB)])
        np.testing.assert_array_equal(decode_rgb(tmp_path / name), RGB)


@pytest.mark.parametrize("values", [RAMP / np.float32(255), RAMP.astype(np.int32) * 1000])
def test_numbers_of_unknown_range_are_refused(tmp_path, values):
    Image.fromarray(values).save(tmp_path / "x.tif")
    with pytest.raises(LabError, match="black and white are not known") as error:
        decode_rgb(tmp_path / "x.tif")
    assert "x.tif" in error.value.seen and "8-bit PNG" in error.value.remedy


@pytest.mark.parametrize("side", [110, 150])
@pytest.mark.parametrize("stimuli", [lambda root: ImageSet(root, ("x.png",), *[("a",)] * 3),
                                     lambda root: Files([root / "x.png"])])
@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_an_image_above_the_limit_is_named_and_not_to_be_deleted(tmp_path, monkeypatch, stimuli,
                                                                 side):
    """Pillow warns up to twice its limit, and raises an error that is no OSError beyond."""
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10_000)
    Image.new("1", (side, side)).save(tmp_path / "x.png")
    with pytest.raises(LabError, match="x.png is too large") as error:
        stimuli(tmp_path).open(0)
    assert str(side**2) in error.value.seen or f"{side} x {side}" in error.value.seen
    assert "10000 pixels" in error.value.expected
    assert "scaled copy" in error.value.remedy and "delete" not in error.value.remedy
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    assert stimuli(tmp_path).open(0).size == (side, side)


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("end", ["PNG", "JPEG", "TIFF", "PPM", "BMP", "WEBP"])
def test_damaged_bytes_end_in_an_image_or_an_error_that_names_the_one_file(tmp_path, end):
    rng, buffer, path = np.random.default_rng(0), io.BytesIO(), tmp_path / "x.img"
    Image.fromarray(RGB).save(buffer, end)
    whole, refused = buffer.getvalue(), 0
    for turn in range(60):
        data = bytearray(whole[:rng.integers(0, len(whole))] if turn % 2 else whole)
        for _ in range(rng.integers(1, 6)):
            if data:
                data[rng.integers(0, min(len(data), 400))] = rng.integers(0, 256)
        path.write_bytes(bytes(data))
        try:
            decode_rgb(path)
        except LabError as error:
            refused += 1
            assert "x.img" in error.seen and "delete" not in error.remedy
    assert refused > 5


@pytest.mark.parametrize("pixels", [RGB[None].astype(np.float32) / 255, RGB[None].astype(np.uint16),
                                    RGB, RAMP[None]])
def test_arrays_of_another_type_are_no_images(pixels):
    with pytest.raises(LabError, match=r"uint8"):
        ImageStack(pixels)
    assert ImageStack(RGB[None]).open(0).size == (64, 48)
