"""The data dictionary: every column of every committed file is explained, and nothing else."""

from __future__ import annotations

import re
import tomllib

import pandas as pd
import pytest

from docs.pages.dictionary import (
    COLUMNS,
    COMMON,
    DOCUMENT,
    FILE,
    csv_files,
    dictionary,
    explain,
    header,
)
from helpers.core.errors import LabError


def test_the_page_is_that_of_the_committed_files():
    assert DOCUMENT.read_text(encoding="utf-8") == dictionary(csv_files()), (
        "run python -m docs.pages")


def test_no_entry_explains_a_column_that_no_file_has():
    tables = tomllib.loads(COLUMNS.read_text(encoding="utf-8"))
    files = {".".join(FILE.fullmatch(path.stem).groups()): set(header(path))
             for path in csv_files()}
    assert len(files) > 40
    assert not set(tables[COMMON]) - set().union(*files.values())
    for name, columns in tables.items():
        assert name == COMMON or not set(columns) - files[name], name


def test_a_column_that_is_not_explained_is_named(tmp_path):
    path = tmp_path / "01_localize_selective_units-A.csv"
    path.write_text("network,new_score\n")
    with pytest.raises(LabError, match="the column 'new_score' of 01_localize"):
        explain(path)


@pytest.mark.parametrize("path", csv_files(), ids=lambda path: path.stem)
def test_files_are_tidy(path):
    """No column is named after a value of another: a participant, a network, a condition."""
    table = pd.read_csv(path, keep_default_na=False, dtype=str)
    values = {column: set(table[column]) for column in table}
    named_after = {column: other for column in table for other, found in values.items()
                   if column in found and other != column}
    assert len(table) and not named_after
    assert not [column for column in table if re.match(r"subj?-?\d|Unnamed|level_", column)]
