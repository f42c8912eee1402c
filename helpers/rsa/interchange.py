"""RDMs to and from rsatoolbox, whose `RDMs` name every matrix and every condition.

Both sides hold a matrix as the condensed vector of its upper triangle, row by row.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray
from rsatoolbox.rdm import RDMs
from rsatoolbox.rdm.rdms import load_rdm

from helpers.brains.hdf5_datasets import refuse_other_files
from helpers.core.errors import LabError, one_of
from helpers.core.paths import atomic_write

NAME, CONDITION = "name", "condition"
"""Descriptors that hold the name of each matrix, and of each condition."""
FILE_TYPE = "hdf5"
"""rsatoolbox's other format is a pickle, which can run code when it is read."""


def to_rsatoolbox(rdms: Mapping[str, NDArray], conditions: Sequence[str], *,
                  measure: str = "1 - Pearson r") -> RDMs:
    """Return RDMs as an object of rsatoolbox.

    Parameters
    ----------
    rdms : dict, name -> array, float, shape (n_pairs,)
        Such as layer -> RDM of `helpers.rsa.study.layer_rdms`.
    conditions : sequence of str, length n_conditions
        In the order of the rows that the RDMs were computed from.
    measure : str
        How the dissimilarities were measured; kept as ``dissimilarity_measure``.

    Returns
    -------
    RDMs
        ``rdm_descriptors["name"]`` and ``pattern_descriptors["condition"]`` hold the names.

    Raises
    ------
    LabError
        Where there is no RDM, one is of another length than the pairs of conditions, or a
        condition is named twice.
    """
    n_pairs = n_pairs_of(conditions)
    unfit = {name: np.shape(values) for name, values in rdms.items()
             if np.shape(values) != (n_pairs,)}
    repeated = [name for name, n in Counter(conditions).items() if n > 1]
    if not rdms or unfit or repeated:
        raise LabError(f"the condition {repeated[0]!r} is named more than once" if repeated else
                       f"RDMs of shapes {unfit}" if unfit else "no RDM",
                       expected=f"({n_pairs},): the pairs of {len(conditions)} conditions, each "
                       "with a name of its own",
                       remedy="pass the conditions that the RDMs were computed from, and condensed "
                       "vectors (scipy.spatial.distance.squareform)")
    return RDMs(np.array([np.asarray(values, float) for values in rdms.values()]),
                dissimilarity_measure=measure, rdm_descriptors={NAME: list(rdms)},
                pattern_descriptors={CONDITION: list(conditions)})


def n_pairs_of(conditions: Sequence[str]) -> int:
    """Return the length of an RDM as a condensed vector."""
    return len(conditions) * (len(conditions) - 1) // 2


def from_rsatoolbox(rdms: RDMs, *, name: str = NAME,
                    condition: str = CONDITION) -> tuple[dict[str, NDArray[np.float64]], list[str]]:
    """Return the RDMs of an object of rsatoolbox, and the names of its conditions.

    Parameters
    ----------
    rdms : RDMs
    name, condition : str
        Descriptors of matrices and of patterns that hold their names. Where rsatoolbox made them
        itself they are called ``index``.

    Returns
    -------
    rdms : dict, name -> array, float64, shape (n_pairs,)
    conditions : list of str

    Raises
    ------
    LabError
        Where there is no such descriptor, or two matrices have one name.
    """
    names = _descriptor(rdms.rdm_descriptors, name, "matrices")
    if len(set(names)) < len(names):
        raise LabError(f"matrices that share a name: {names}", expected="a name for each",
                       remedy="choose another descriptor as `name`, such as 'index'")
    vectors = np.asarray(rdms.get_vectors(), float)
    conditions = _descriptor(rdms.pattern_descriptors, condition, "patterns")
    if vectors.shape[1] != n_pairs_of(conditions):
        raise LabError(f"{vectors.shape[1]} dissimilarities of {len(conditions)} conditions",
                       expected="one for each pair of conditions", remedy="look at the object")
    return dict(zip(names, vectors)), conditions


def save_rdms(path: str | Path, rdms: Mapping[str, NDArray], conditions: Sequence[str]) -> None:
    """Write RDMs to an HDF5 file that ``rsatoolbox.rdm.rdms.load_rdm`` reads.

    Raises
    ------
    LabError
        As of `to_rsatoolbox`, and where a name has letters that rsatoolbox's file cannot hold.
    """
    found = to_rsatoolbox(rdms, conditions)
    strange = [name for name in (*rdms, *conditions) if not name.isascii()]
    if strange:
        raise LabError(f"the name {strange[0]!r}", expected="names in ASCII: rsatoolbox's HDF5 "
                       "files hold no others", remedy="write it with plain letters")
    atomic_write(Path(path),
                 lambda part: found.save(str(part), file_type=FILE_TYPE, overwrite=True))


def read_rdms(path: str | Path) -> tuple[dict[str, NDArray[np.float64]], list[str]]:
    """Read what `save_rdms` or rsatoolbox wrote (HDF5); see `from_rsatoolbox`.

    Raises
    ------
    LabError
        Where the file is absent or no such file.
    """
    try:
        with h5py.File(path) as file:
            refuse_other_files(file)
        found = load_rdm(str(path), file_type=FILE_TYPE)
    except Exception as error:  # damaged bytes lead the libraries into any exception
        raise LabError(f"{path} cannot be read as RDMs: {error or type(error).__name__}",
                       expected="an HDF5 file that rsatoolbox wrote (RDMs.save, file_type='hdf5')",
                       remedy="check the path; write a pickle again as HDF5") from error
    return from_rsatoolbox(found)


def _descriptor(descriptors: Mapping[str, Sequence], wanted: str, of_what: str) -> list[str]:
    if wanted not in descriptors:
        raise LabError(f"{of_what} without the descriptor {wanted!r}",
                       expected=one_of(descriptors, "a descriptor"),
                       remedy="name one of them")
    return [str(value) for value in descriptors[wanted]]
