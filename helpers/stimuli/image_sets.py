"""Image sets on disk: which images, of which category and domain, in which order.

Seven layouts are read, and nothing else is known of where a set comes from: fLoc folders, the seven
"classic" folders, the eight folders of "mc8", an ImageFolder with one sub-folder per class,
ImageNet's folders, Places365's validation images with their list, and a table that lists images.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from helpers.core.content_digests import content_digests, file_state
from helpers.core.digest import text_digest
from helpers.core.errors import LabError
from helpers.core.text import read_table
from helpers.stimuli.decode import decode_rgb
from helpers.stimuli.folders import (
    CLASSES_FILE,
    DOMAINS,
    SUFFIXES,
    count_images,
    describe_files,
    list_images,
    read_classes,
    refuse_copied_folders,
    spell_domain,
    subfolders,
)
from helpers.stimuli.image_source import ImageSource
from helpers.stimuli.image_table import read_image_table
from helpers.stimuli.places365 import read_validation

CORE = ("faces", "bodies", "scenes", "characters")
"""Domains that the first paper's figures are about."""

FLOC = {"adult": "faces", "body": "bodies", "car": "objects", "child": "faces",
        "corridor": "scenes", "house": "scenes", "instrument": "objects", "limb": "bodies",
        "number": "characters", "scrambled": "scrambled", "word": "characters"}
"""Folders of the VPNL functional localizer and their domains (authors' classes.py)."""

CLASSIC = {"1-Faces": "faces", "2-Bodies": "bodies", "3-Scenes": "scenes",
           "4-Words": "characters", "5-Objects": "objects",
           "6-ScrambledObjects": "scrambled objects", "7-ScrambledWords": "scrambled words"}
"""Folders of the independent probe set (authors' classes.py)."""

MC8 = {"1-faces": "faces", "2-bodies": "bodies", "3-cats": "cats", "4-buildings": "buildings",
       "5-cars": "cars", "6-chairs": "chairs", "7-hammers": "hammers", "8-phones": "phones"}
"""Folders of the set of eight equalised categories, and the categories (authors' classes.py)."""

IMAGENET = Path(__file__).with_name("imagenet.csv")
"""Class folders of ImageNet-1k in the order of the networks' outputs: wnid, name, superclass."""

MANY = 200_000
"""Of sets of more images, sizes and times of files stand for contents: reading takes hours. What
depends on such a set is made anew after it was copied, and is never stale."""

@dataclass(frozen=True)
class ImageSet(ImageSource):
    """Images in a fixed order, each with its category and its domain.

    Attributes
    ----------
    root : Path
    files : tuple of str
        Paths relative to ``root``, ordered by category, then by number; Places365's in the order
        of their list.
    categories : tuple of str
        Folder of each image.
    domains : tuple of str
        Domain of each image (its category where the layout has no domains).
    classes : tuple of str
        Categories in the order of a classifier's outputs; some may have no image here.
    """

    root: Path
    files: tuple[str, ...]
    categories: tuple[str, ...]
    domains: tuple[str, ...]
    classes: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.files)

    @cached_property
    def digest(self) -> str:
        """SHA-256 over images (contents; states, of `MANY`), their order, labels and classes."""
        paths = [self.root / name for name in self.files]
        held = ([file_state(path.stat()) for path in paths] if len(self) > MANY
                else content_digests(paths))
        return text_digest(repr((self.files, held, self.categories, self.domains, self.classes)))

    @cached_property
    def labels(self) -> np.ndarray:
        """Index of each image's category in ``classes``, int64, shape (n_images,)."""
        index = {name: i for i, name in enumerate(self.classes)}
        return np.array([index[category] for category in self.categories])

    @property
    def domain_names(self) -> tuple[str, ...]:
        """Domains that occur: the intact ones in the paper's order, then the others."""
        return order_domains(self.domains)

    @property
    def halves(self) -> np.ndarray:
        """Half of each image, int, shape (n_images,): 0, 1, 0, 1, ... within its category."""
        return alternate(self.categories)

    def select(self, chosen: Sequence[int] | np.ndarray) -> ImageSet:
        """Return the set of some of the images, in the order given."""
        return replace(self, **{name: tuple(getattr(self, name)[i] for i in chosen)
                                for name in ("files", "categories", "domains")})

    def first_per_class(self, n: int) -> ImageSet:
        """Return the set of the first ``n`` images of each class; 0: of all images."""
        return self.select(np.flatnonzero(_rank_in_group(self.categories) < n)) if n else self

    def identity(self, index: int) -> Hashable:
        """Return the file and when it was written."""
        path = self.root / self.files[index]
        return (str(path), path.stat().st_mtime_ns) if path.is_file() else None

    def open(self, index: int) -> Image.Image:
        """Decode one image as RGB, as `helpers.stimuli.decode.decode_rgb` says.

        Raises
        ------
        LabError
            If the file is missing, damaged, too large, or no image.
        """
        return decode_rgb(self.root / self.files[index])


def alternate(groups: Iterable[Hashable]) -> np.ndarray:
    """Return 0, 1, 0, 1, ... within each group, in the order given, int (n,)."""
    return _rank_in_group(groups) % 2


def _rank_in_group(groups: Iterable[Hashable]) -> np.ndarray:
    """Return 0, 1, 2, ... within each group, in the order given, int (n,)."""
    labels = pd.Series(list(groups), dtype=object)
    return labels.groupby(labels, sort=False).cumcount().to_numpy()


def order_domains(domains: Iterable[str]) -> tuple[str, ...]:
    """Return the domains that occur, each once: the paper's in its order, then the others."""
    present = dict.fromkeys(domains)
    return (*(domain for domain in DOMAINS if domain in present),
            *(domain for domain in present if domain not in DOMAINS))


def floc(root: Path) -> ImageSet:
    """Read a functional localizer in fLoc layout: 11 folders with equally many images."""
    return _folders(root, FLOC)


def classic(root: Path) -> ImageSet:
    """Read a probe set in the "classic" layout: 7 folders with equally many images."""
    return _folders(root, CLASSIC)


def mc8(root: Path) -> ImageSet:
    """Read the eight equalised categories: folders numbered as published, or with bare names.

    Categories and domains are the bare names, whatever the folders are called.
    """
    numbered = subfolders(root).keys() & MC8.keys()
    found = _folders(root, MC8 if numbered else dict(zip(MC8.values(), MC8.values())))
    return replace(found, categories=found.domains, classes=tuple(dict.fromkeys(found.domains)))


def image_folder(root: Path) -> ImageSet:
    """Read an ImageFolder: one sub-folder per class, any number of images each.

    A file ``classes.csv`` in the folder or the one above gives domains to the classes. Without it,
    each class is a domain of its own; a name such as ``Faces`` is the domain ``faces``.
    """
    names = list(_class_folders(root))
    n_loose = count_images(root)
    if n_loose:
        raise LabError(f"{n_loose} images in {root} beside {len(names)} class folders",
                       expected="every image in the folder of its class",
                       remedy="put each into a class folder, or move it elsewhere")
    listed = [path for path in (root / CLASSES_FILE, root.parent / CLASSES_FILE) if path.is_file()]
    if not listed:
        refuse_copied_folders(root, names)
    domain_of = read_classes(listed[0], names) if listed else {n: spell_domain(n) for n in names}
    return _folders(root, domain_of, complete=False)


def image_table(path: Path) -> ImageSet:
    """Read a CSV file that lists images: columns file, category, and perhaps domain.

    Ordered by category, then by the natural order of files; see
    `helpers.stimuli.image_table.read_image_table`.
    """
    files, categories, domains = zip(*read_image_table(path))
    return ImageSet(path.parent, files, categories, domains, tuple(dict.fromkeys(categories)))


def imagenet(root: Path) -> ImageSet:
    """Read ImageNet's folders, named by wnid; the domain of a class is its superclass.

    Not every class needs to be there: labels are positions among all 1,000 classes.
    """
    table = imagenet_classes()
    found = _folders(root, {name: row["superclass"] for name, row in table.items()}, complete=False)
    return replace(found, classes=tuple(table))


def places365(root: Path) -> ImageSet:
    """Read the validation part of Places365; the domain of an image is its category.

    In the order of their list; ``classes`` are all 365 in the order of their index.
    """
    listed, classes = read_validation(root)
    categories = tuple(classes[index] for _, index in listed)
    return ImageSet(root, tuple(name for name, _ in listed), categories, categories, classes)


@cache
def imagenet_classes() -> dict[str, dict[str, str]]:
    """Return wnid -> ``name, superclass`` of the 1,000 classes, in the order of their index."""
    table = read_table(IMAGENET, ("wnid", "name", "superclass")).columns
    return {row[0]: dict(zip(table, row)) for row in zip(*table.values())}


def class_name(category: str) -> str:
    """Return the word by which figures call a class: ImageNet's name for a wnid."""
    known = imagenet_classes().get(category)
    return known["name"] if known else category.replace("_", " ")


LAYOUTS = {"floc": floc, "classic": classic, "mc8": mc8, "imagefolder": image_folder,
           "imagenet": imagenet, "places365": places365, "table": image_table}
"""Layout name in a profile -> reader."""


def _folders(root: Path, domain_of: dict[str, str], *, complete: bool = True) -> ImageSet:
    """Read category folders, alphabetically, refusing whatever would shift a label.

    Parameters
    ----------
    domain_of : dict, category -> domain
        All categories that there may be.
    complete : bool
        Whether every one is to be there, with equally many images.
    """
    found = _class_folders(root)
    strange = sorted(found.keys() - domain_of.keys())
    if strange:
        raise LabError(f"unknown category {strange[0]!r} in {root}{_describe_set(found)}",
                       expected=f"only {', '.join(sorted(domain_of)[:12])}"
                       + " …" * (len(domain_of) > 12),
                       remedy="move the folder elsewhere or correct its name"
                       if domain_of.keys() & found.keys() else
                       "leave the folders as they are, and correct the path or the layout of this "
                       f"image set in the profile{_find_deeper(found, domain_of)}")
    members = {category: list_images(found.get(category, root / category))
               for category in sorted(domain_of if complete else found)}
    empty = [category for category, names in members.items() if not names]
    if empty:
        there = describe_files(found.get(empty[0], root / empty[0]))
        raise LabError(f"no images of category {empty[0]!r} in {root}"
                       + (f", but {there}" if there else ""),
                       expected=f"a folder {empty[0]}/ with images ({', '.join(SUFFIXES)})",
                       remedy="put its images there; if it is no category of this set, move the "
                       "empty folder elsewhere"
                       + " (categories of your own are read under the layout 'imagefolder', with "
                       f"domains in {CLASSES_FILE})" * complete)
    counts = {category: len(names) for category, names in members.items()}
    if complete and len(set(counts.values())) > 1:
        usual = Counter(counts.values()).most_common(1)[0][0]
        other = [category for category, n in counts.items() if n != usual]
        raise LabError(f"unequal counts in {root}: {counts}",
                       expected="equally many images in every category",
                       remedy=f"look into {', '.join(other[:3])}: put back what is missing, or "
                       "move what does not belong there elsewhere; your own images may differ in "
                       f"number under the layout 'imagefolder', with domains in {CLASSES_FILE}")
    files, categories, domains = zip(*(
        (f"{found[category].name}/{name}", category, domain_of[category])
        for category, names in members.items() for name in names))
    return ImageSet(root, files, categories, domains, tuple(members))


def _describe_set(names: Iterable[str]) -> str:
    """Say which known set the folders of these names are, for an error; "" for none."""
    names, known = set(names), {"floc": FLOC, "classic": CLASSIC, "mc8": MC8,
                                "imagenet": imagenet_classes()}
    return next((f", which holds a set of the layout {layout!r}" for layout in known
                 if len(names & known[layout].keys()) > len(names) / 2), "")


def _find_deeper(found: dict[str, Path], names: Iterable[str]) -> str:
    """Name the sub-folder that holds class folders of these names, for an error; "" for none."""
    names = set(names)
    return next((f"; such folders are in {folder}" for folder in found.values()
                 if names & subfolders(folder).keys()), "")


def _class_folders(root: Path) -> dict[str, Path]:
    """Return the sub-folders of an image set; see `subfolders`."""
    found = subfolders(root)
    if not found:
        raise LabError(f"{len(list_images(root))} images and no class folder in {root}",
                       expected="one sub-folder per class, with its images",
                       remedy="check the path of this image set in the profile, or sort the images "
                       "into folders by class (those of ImageNet's validation are unpacked in one "
                       "folder, and its development kit lists their classes)")
    return found
