"""Algonauts 2023: NSD averaged over repeats, one folder a participant."""

from __future__ import annotations

import re
from collections import ChainMap
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from helpers.brains.cohort import Cohort, Fold, Responses, in_any, select_subjects
from helpers.brains.files import PUT_THERE, Files, load_array, read_mapping, unlike_release
from helpers.brains.nsd_files import FAMILIES_NSD, HEMISPHERES, list_subjects
from helpers.brains.rois import check_labels, check_values, require_label_sets, sort_rois
from helpers.brains.splits import split_fit_validation_test
from helpers.core.content_digests import files_digest
from helpers.core.digest import text_digest
from helpers.core.errors import LabError
from helpers.core.stray_files import select_by_pattern

SPACE = "challenge"
IMAGE = re.compile(r"train-\d+_nsd-(\d+)\.png")
EXAMPLE = "train-0001_nsd-00013.png"


def read_masks(root: Path, subject: str, space: str = SPACE
               ) -> dict[str, tuple[NDArray[np.bool_], NDArray[np.bool_]]]:
    """Read a participant's regions: name -> vertices in the left and the right hemisphere.

    Parameters
    ----------
    root : Path
        Holds ``subj01/roi_masks`` ...
    space : {"challenge", "fsaverage"}

    Raises
    ------
    LabError
        If a file is missing, damaged, or names a region otherwise than the table of ROIs.
    """
    folder, masks, n_vertices = root / subject / "roi_masks", {}, {}
    for family in roi_families(root, subject, space):
        names = read_mapping(folder / f"mapping_{family}.npy")
        check_labels(family, names, str(folder / f"mapping_{family}.npy"))
        sides = []
        for side in HEMISPHERES:
            path = folder / f"{side}.{family}_{space}_space.npy"
            labels = load_array(path, "integer labels", "iufb", remedy="")
            check_values(family, labels, str(path))
            if labels.shape != (n_vertices.setdefault(side, labels.size),):
                raise unlike_release(f"{path} has the shape {labels.shape}",
                                     "one label a vertex, as many as the other families have "
                                     f"({n_vertices[side]})")
            sides.append(labels)
        masks |= {name: tuple(labels == label for labels in sides)
                  for label, name in names.items() if label > 0}
    if not masks:
        raise LabError(f"no label files in {folder}", expected="mapping_floc-faces.npy and others",
                       remedy=PUT_THERE)
    return {name: masks[name] for name in sort_rois(masks)}


def roi_families(root: Path, subject: str, space: str = SPACE) -> tuple[str, ...]:
    """Return the label sets of which a participant has a file: of names, or of a hemisphere."""
    folder = root / subject / "roi_masks"
    return tuple(family for family in FAMILIES_NSD if any((folder / name).is_file() for name in (
        f"mapping_{family}.npy", *(f"{side}.{family}_{space}_space.npy" for side in HEMISPHERES))))


class Algonauts(Cohort):
    """Open the challenge's data; of the test split only the images are public, so it is unused.

    A condition is an image, by its NSD number; the responses are means over an unknown number of
    repeats, so there is no ncsnr and no noise ceiling.

    Parameters
    ----------
    root : Path
        Holds ``subj01`` ...
    subjects : sequence of str
        Empty: all.
    """

    name, units = "Algonauts 2023", "z within session, mean over repeats"

    def __init__(self, root: Path, *, subjects: Sequence[str] = ()) -> None:
        self.root = root
        present = list_subjects(root, "training_split")
        self.subjects = select_subjects(
            subjects, present, root, files="subj01/training_split and others",
            remedy="see [algonauts2023] in helpers/datasets/sources.toml")
        require_label_sets({name: roi_families(root, name) for name in self.subjects}, root)
        self._images = {name: self._list_images(name) for name in self.subjects}
        image = ChainMap(*self._images.values())  # the first participant's, where several have it
        self.nsd_ids = np.array(sorted(image))
        self.stimuli = Files([image[number] for number in self.nsd_ids])
        self.condition_of = np.arange(len(self.stimuli))

    def _list_images(self, subject: str) -> dict[int, Path]:
        """Return NSD number -> training image, in the order of the responses."""
        folder, found = self.root / subject / "training_split/training_images", {}
        for path in select_by_pattern(folder.glob("*.[pP][nN][gG]"), IMAGE, "the image", EXAMPLE):
            first = found.setdefault(int(IMAGE.fullmatch(path.name)[1]), path)
            if first is not path:
                raise LabError(f"two training images of one NSD number in {folder}: {first.name}, "
                               f"{path.name}",
                               expected="each image once, in the order of the responses",
                               remedy="move the one that does not belong to the release elsewhere")
        if not found:
            raise LabError(f"no images of {subject} in {folder}", expected=f"{EXAMPLE} …",
                           remedy=PUT_THERE)
        return found

    def _conditions(self, subject: str) -> NDArray[np.int64]:
        """Return the condition of each row of the files."""
        return np.searchsorted(self.nsd_ids, list(self._images[self.opened(subject)]))

    def rois(self, subject: str) -> tuple[str, ...]:
        """Return the regions with at least one vertex."""
        return tuple(name for name, sides in read_masks(self.root, self.opened(subject)).items()
                     if any(side.any() for side in sides))

    def _fmri(self, subject: str, side: str) -> Path:
        return self.root / subject / f"training_split/training_fmri/{side}_training_fmri.npy"

    def responses(self, subject: str, rois: Sequence[str]) -> Responses:
        """Read the mean responses to the training images, by memory map."""
        masks = read_masks(self.root, self.opened(subject))
        lengths = [len(side) for side in next(iter(masks.values()))]
        members = {name: np.concatenate(masks[name]) for name in self.chosen(subject, rois)}
        kept = in_any(members.values(), sum(lengths))
        conditions = self._conditions(subject)
        order = np.argsort(conditions)
        betas = np.concatenate([
            np.asarray(self._values(subject, side, len(inside))[:, inside], np.float32)[order]
            for side, inside in zip(HEMISPHERES, np.split(kept, lengths[:1]))], axis=1)
        return Responses(subject, conditions[order], betas[:, None],
                         np.repeat(HEMISPHERES, lengths)[kept],
                         np.concatenate([np.arange(n) for n in lengths])[kept],
                         {name: mask[kept] for name, mask in members.items()},
                         np.full(betas.shape[1], np.nan, np.float32)).finite("NaN")

    def _values(self, subject: str, side: str, n_labels: int) -> NDArray[np.float32]:
        """Map a hemisphere's responses into memory, checking that they match the other files."""
        path, n_images = self._fmri(subject, side), len(self._images[subject])
        values = load_array(path, "float32, images x vertices", "fiu", remedy="")
        if values.shape != (n_images, n_labels):
            raise LabError(f"{path} is {values.shape}; there are {n_images} images and labels "
                           f"of {n_labels} vertices", expected="images x labelled vertices",
                           remedy="use responses, images and labels of the same participant")
        return values

    def folds(self, subject: str) -> tuple[Fold, ...]:
        """Split as Mulrooney & Brockmeier (2024, authors' training scripts), in the order of the
        files."""
        return (split_fit_validation_test(self._conditions(subject)),)

    def digest(self, subject: str) -> str:
        """Identify a participant's responses and labels by content, images by their names.

        The names give the order of the rows; the image source's digest covers what the images show.
        """
        files = files_digest([*(self._fmri(subject, side) for side in HEMISPHERES),
                              *sorted((self.root / subject / "roi_masks").glob("*.npy"))])
        names = (path.name for path in self._images[subject].values())
        return text_digest(" ".join([files, *names]))
