"""object2vec (Bonner & Epstein 2021): 81 kinds of object, four participants, MATLAB files.

``stimuli/<category>/*.jpg`` (810 images), ``fmri/subj001/{roistack,sets}.mat`` with ten ROIs,
``fmri_ppa_loc/subj00{2..4}_old/`` with two. ``fmri_ppa_loc/subj001_old`` is the same person as
``fmri/subj001`` and is read only where that is absent: nobody counts twice. The files hold one
beta a category and voxel, no repeats: there is no noise ceiling. Their reliabilities are not
used: the 1,875 numbers of ``fmri/subj001`` do not match its 1,870 voxels.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from helpers.brains.cohort import Cohort, Fold, Responses, in_any, select_subjects
from helpers.brains.files import unlike_release, whole_numbers
from helpers.brains.mat_files import read_mat
from helpers.brains.nsd_files import list_subjects
from helpers.brains.rois import checked, sort_rois
from helpers.brains.splits import join, leave_one_out
from helpers.core.content_digests import files_digest
from helpers.core.digest import text_digest
from helpers.core.text import normalise_name
from helpers.stimuli.image_sets import image_folder

MIN_SETS = 3
"""Of categories: one tests, and the others are two halves at least."""
FIELDS = ("rois", "indices", "betas", "conds")


class Object2Vec(Cohort):
    """Open the study.

    Parameters
    ----------
    root : Path
        Holds ``stimuli``, ``fmri`` and ``fmri_ppa_loc``.
    subjects : sequence of str
        ``subj001`` ...; empty: all.
    """

    name, units = "object2vec", "beta (any unit)"

    def __init__(self, root: Path, *, subjects: Sequence[str] = ()) -> None:
        found = {}
        for folder, end in (("fmri_ppa_loc", "(_old)?"), ("fmri", "")):
            for name in list_subjects(root / folder, "roistack.mat",
                                      pattern=rf"subj\d{{3}}{end}", example="subj001"):
                found[name.removesuffix("_old")] = root / folder / name
        self.subjects = select_subjects(
            subjects, sorted(found), root, files="fmri/subj001/roistack.mat and sets.mat",
            remedy="see [object2vec] in helpers/datasets/sources.toml")
        self._folders = {name: found[name] for name in self.subjects}
        self.stimuli = image_folder(root / "stimuli")
        self.condition_of = self.stimuli.labels
        self.categories = self.stimuli.classes

    def rois(self, subject: str) -> tuple[str, ...]:
        """Return the regions in a participant's file."""
        return sort_rois(str(name) for name in np.atleast_1d(self._stack(subject).rois))

    def _stack(self, subject: str) -> Any:
        path = self._folders[self.opened(subject)] / "roistack.mat"
        stack = read_mat(path, "roistack")
        lacking = [name for name in FIELDS if not hasattr(stack, name)]
        if lacking or np.asarray(stack.betas).dtype.kind not in "fiu":
            raise unlike_release(f"{path}: roistack has "
                                 + (f"no {lacking[0]}" if lacking else "betas that are no numbers"),
                                 f"a structure of {', '.join(FIELDS)}")
        return stack

    def responses(self, subject: str, rois: Sequence[str]) -> Responses:
        """Read the betas, categories in alphabetical order."""
        path, stack = self._folders[self.opened(subject)] / "roistack.mat", self._stack(subject)
        names, betas = [str(name) for name in np.atleast_1d(stack.rois)], np.asarray(stack.betas)
        index = whole_numbers(np.atleast_1d(stack.indices), f"{path}, indices", minimum=1,
                              maximum=len(names))  # MATLAB counts from 1
        stored = [normalise_name(str(name)) for name in stack.conds]
        strange = sorted(set(stored) ^ set(self.categories))
        if strange or betas.shape != (len(self.categories), len(index)):
            raise unlike_release(
                f"{path}: betas of shape {betas.shape}, {len(index)} labels"
                + f"; it and the images differ in categories: {strange[:3]}" * bool(strange),
                f"the {len(self.categories)} folders of stimuli/ x as many voxels as labels")
        order = [stored.index(name) for name in self.categories]
        members = {roi: index == names.index(roi) + 1 for roi in checked(rois) if roi in names}
        found = Responses(subject, np.arange(len(order)), betas[order][:, None].astype(np.float32),
                          np.full(len(index), "both"), np.arange(len(index)), members,
                          np.full(len(index), np.nan, np.float32))
        return found.select(in_any(members.values(), len(index))).finite("NaN")

    def folds(self, subject: str) -> tuple[Fold, ...]:
        """Return the published sets, each the test once; choices by the same rule within the rest.

        For the choice of a layer, two halves of the other sets predict each other.
        """
        path = self._folders[self.opened(subject)] / "sets.mat"
        index = {name: i for i, name in enumerate(self.categories)}
        sets = [[normalise_name(str(name)) for name in np.atleast_1d(part)]
                for part in np.atleast_1d(read_mat(path, "sets"))]
        names = [name for part in sets for name in part]
        if len(sets) < MIN_SETS or set(names) != index.keys() or len(names) != len(index):
            raise unlike_release(f"{path} holds {len(sets)} sets of {len(names)} categories, "
                                 f"{', '.join(names[:5])} …",
                                 f"{MIN_SETS} sets or more, in which each of the {len(index)} "
                                 "folders of stimuli/ is once")
        folds = []
        for rest, test in leave_one_out([np.sort([index[name] for name in part]) for part in sets]):
            one, other = join(rest[::2]), join(rest[1::2])
            folds.append(Fold(join(rest), test, ((one, other), (other, one))))
        return tuple(folds)

    def digest(self, subject: str) -> str:
        """Digest a participant's two files, and the order of the categories."""
        files = files_digest([self._folders[self.opened(subject)] / name
                              for name in ("roistack.mat", "sets.mat")])
        return text_digest(repr((files, self.categories)))
