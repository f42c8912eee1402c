"""One way to decode an image's file: what Pillow's ``convert("RGB")`` gives, and no clipping."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from helpers.core.errors import LabError
from helpers.core.substitute_files import substitute_error

WHITE_IS_ZERO = 262
"""Tag of a TIFF: 0 where the smallest value is white."""
Image.init()  # or Pillow knows some of the formats only once an image was opened
FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
"""What a file may hold, whatever its name says: among Pillow's other formats are some that start
another program (EPS: Ghostscript)."""
UNMULTIPLIED = {"RGBa": "RGBA", "La": "LA"}
"""Modes whose colours were multiplied by their opacity -> the ordinary mode."""


def decode_rgb(path: Path) -> Image.Image:
    """Decode an image's file as RGB with 8 bits a colour.

    As in the published pipelines (torchvision's ImageFolder): the first frame of several; pixels
    as they are stored, whatever orientation EXIF notes; opacity is dropped, so that transparent
    pixels show the colour stored beneath. Grey of 16 bits is scaled from its full range to 255,
    where Pillow alone would clip it to white.

    Parameters
    ----------
    path : Path

    Returns
    -------
    Image, mode RGB

    Raises
    ------
    LabError
        If the file is missing, truncated or no image; if it has more pixels than Pillow's limit
        (``PIL.Image.MAX_IMAGE_PIXELS``); if its numbers have no known range (float, 32 bits).
    """
    try:
        with Image.open(path, formats=FORMATS) as image:
            if image.width * image.height > (Image.MAX_IMAGE_PIXELS or np.inf):  # Pillow warns
                raise Image.DecompressionBombError(f"{image.width} x {image.height} pixels")
            return _as_rgb(path, image)
    except LabError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise LabError(f"{path} is too large: {error}",
                       expected=f"at most {Image.MAX_IMAGE_PIXELS} pixels",
                       remedy="keep the original elsewhere and put a scaled copy here; networks "
                       "see some hundred pixels a side") from error
    except FileNotFoundError as error:
        raise LabError(f"no file {path}", expected="an image",
                       remedy="put it there, or open the set anew if it was changed") from error
    except Exception as error:  # Pillow's decoders raise anything on damaged bytes
        raise substitute_error(path, "a whole image") or LabError(
            f"{path} cannot be read: {error}", expected="a whole image",
            remedy="look at this one file: if it is damaged or cut short, put a whole copy of it "
            "there; if it is no image, move it elsewhere") from error


def _as_rgb(path: Path, image: Image.Image) -> Image.Image:
    if image.mode.startswith("I;16") or (image.mode == "I" and image.format in ("PPM", "PNG")):
        return Image.fromarray(_grey_of_16_bits(image)).convert("RGB")
    if image.mode in ("I", "F", "LAB"):
        raise LabError(f"{path} has pixels of mode {image.mode!r} ({image.format}), whose black "
                       "and white are not known", expected="8 bits a colour, or 16 bits of grey",
                       remedy="keep the original elsewhere and save a copy as 8-bit PNG, scaled as "
                       "it should be seen")
    return image.convert(UNMULTIPLIED.get(image.mode, image.mode)).convert("RGB")


def _grey_of_16_bits(image: Image.Image) -> np.ndarray:
    """Scale grey to 0 ... 255, rounded, uint8 (height, width)."""
    values = np.asarray(image).astype(np.int64)
    tags = getattr(image, "tag_v2", {})
    white = 2 ** tags.get(258, (16,))[0] - 1  # bits a sample: 12 in some TIFFs
    grey = (np.clip(values, 0, white) * 255 + white // 2) // white
    return (255 - grey if tags.get(WHITE_IS_ZERO) == 0 else grey).astype(np.uint8)
