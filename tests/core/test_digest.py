"""Digests of code: what it does counts, how it is written does not."""

from __future__ import annotations

import hashlib
import itertools
import os

import pytest

from helpers.core.digest import (
    code_digest,
    direct_imports,
    file_digest,
    import_closure,
    text_digest,
)
from helpers.core.errors import LabError

FILES = {
    "__init__.py": '"""The package."""\n',
    "base.py": "SIZE = 3\n",
    "middle.py": '"""Middle."""\nfrom pack.base import SIZE\n\n\ndef twice():\n'
                 '    """Double it."""\n    return 2 * SIZE  # both\n',
    "top.py": "import numpy as np\nfrom pack import middle\n\n\ndef f():\n    return np.ones(3)\n",
    "alone.py": "X = 1\n",
    "world/__init__.py": "from .write import go\n",
    "world/write.py": "from ..base import SIZE\nfrom . import images as images\n\ngo = SIZE\n",
    "world/images.py": "Y = 2\n",
    "late.py": "def f():\n    import pack.alone\n    return pack.alone.X\n",
    "round_a.py": "import pack.round_b\n",
    "round_b.py": "from pack import round_a\n",
}


@pytest.fixture
def root(tmp_path):
    for name, text in FILES.items():
        path = tmp_path / "pack" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return tmp_path


def edit(root, name, old, new):
    path = root / "pack" / name
    text = path.read_text(encoding="utf-8")
    assert old in text
    before = path.stat().st_mtime_ns
    path.write_text(text.replace(old, new), encoding="utf-8")
    os.utime(path, ns=(before + 10**6, before + 10**6))  # whatever the clock's grain


def test_messages_make_nothing_stale_and_what_computes_does(tmp_path):
    """The same three modules in another repository; one after the other is edited."""
    def digest(**edited: str) -> str:
        texts = {"console": "A = 1", "errors": "B = 1", "cache": "C = 1", **edited}
        folder = tmp_path / "helpers" / "core"
        folder.mkdir(parents=True, exist_ok=True)
        for package in (folder, folder.parent):
            (package / "__init__.py").touch()
        for name, text in texts.items():
            (folder / f"{name}.py").write_text(text)
            os.utime(folder / f"{name}.py", ns=(next(clock), next(clock)))
        (folder / "top.py").write_text("from helpers.core import cache, console, errors\n")
        return code_digest(["helpers.core.top"], root=tmp_path)

    clock = itertools.count(10**18, 10**9)
    plain = digest()
    assert digest(console="A = 2", errors="B = 2") == plain
    assert digest(cache="C = 2") != plain


def test_closure_follows_imports_of_every_kind(root):
    assert import_closure(["pack.top"], ("pack",), root=root) == (
        "pack", "pack.base", "pack.middle", "pack.top")
    assert import_closure(["pack.world.images"], ("pack",), root=root) == (
        "pack", "pack.base", "pack.world", "pack.world.images", "pack.world.write")
    assert "pack.alone" in import_closure(["pack.late"], ("pack",), root=root)
    assert import_closure(["pack.round_a"], ("pack",), root=root) == (
        "pack", "pack.round_a", "pack.round_b")


def test_closure_names_a_module_that_does_not_exist(root):
    with pytest.raises(LabError, match="pack.tpo"):
        import_closure(["pack.tpo"], ("pack",), root=root)


@pytest.mark.parametrize(("name", "old", "new"), [
    ("middle.py", "  # both", "  # of them"),
    ("middle.py", '"""Double it."""', '"""Return twice the size."""'),
    ("middle.py", '    """Double it."""\n', ""),
    ("middle.py", '"""Middle."""\n', "\n\n\n"),
    ("middle.py", "2 * SIZE", "(2 *\n            SIZE)"),
    ("base.py", "SIZE = 3\n", 'SIZE = 3\n"""What this is."""\n'),
    ("alone.py", "X = 1", "X = 2"),
    ("world/write.py", "go = SIZE", "go = 1"),
])
def test_digest_ignores(root, name, old, new):
    before = code_digest(["pack.top"], ("pack",), root=root)
    edit(root, name, old, new)
    assert code_digest(["pack.top"], ("pack",), root=root) == before


@pytest.mark.parametrize(("name", "old", "new"), [
    ("top.py", "ones(3)", "ones(4)"),
    ("top.py", "ones(3)", "ones(3.0)"),
    ("top.py", "ones(3)", 'ones("3")'),
    ("middle.py", "2 * SIZE", "SIZE * 2"),
    ("middle.py", "return", "yield"),
    ("base.py", "SIZE = 3", "SIZE = True"),
    ("base.py", "SIZE = 3", "SIZE = None"),
    ("__init__.py", '"""The package."""', "import pack.alone"),
])
def test_digest_counts(root, name, old, new):
    before = code_digest(["pack.top"], ("pack",), root=root)
    edit(root, name, old, new)
    assert code_digest(["pack.top"], ("pack",), root=root) != before


def test_digest_does_not_depend_on_the_order_or_the_place(root, tmp_path_factory):
    names = ["pack.top", "pack.late"]
    digest = code_digest(names, ("pack",), root=root)
    assert code_digest(names[::-1], ("pack",), root=root) == digest
    elsewhere = tmp_path_factory.mktemp("copy")
    (root / "pack").rename(elsewhere / "pack")
    assert code_digest(names, ("pack",), root=elsewhere) == digest


def test_code_is_not_run(root):
    edit(root, "base.py", "SIZE = 3", "SIZE = 1 / 0")
    assert len(code_digest(["pack.top"], ("pack",), root=root)) == 64


def test_invalid_python_is_named(root):
    edit(root, "base.py", "SIZE = 3", "SIZE = = 3")
    with pytest.raises(LabError, match=r"base\.py is not valid Python \(line 1"):
        code_digest(["pack.top"], ("pack",), root=root)


def test_imports_of_a_notebook(root):
    text = ("# %% [markdown]\n# # Title\n# %%\n# %matplotlib inline\nimport numpy as np\n"
            "from pack import top, alone\nfrom pack.world.images import Y\nimport packaging\n")
    assert direct_imports(text, ("pack",), root=root) == {
        "pack", "pack.top", "pack.alone", "pack.world.images"}
    with pytest.raises(LabError, match="line 1"):
        direct_imports("%matplotlib inline\n")


def test_real_modules():
    assert set(import_closure(["helpers.core.paths"])) == {
        "helpers", "helpers.core", "helpers.core.errors", "helpers.core.paths"}


def test_file_and_text_digest(tmp_path):
    (tmp_path / "a").write_bytes("Tür".encode())
    expected = hashlib.sha256("Tür".encode()).hexdigest()
    assert file_digest(tmp_path / "a") == text_digest("Tür") == expected
    assert file_digest(tmp_path / "a", "md5") == hashlib.md5("Tür".encode()).hexdigest()
