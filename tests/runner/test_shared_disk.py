"""Two machines that run the same notebook on one disk: two processes that take themselves for two.

Each has a name and a folder for temporary files of its own, and cannot see the other's processes.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap

import pytest

from helpers.core.paths import ROOT

RUN_AS_HOST = '''
import sys
from pathlib import Path
from helpers.runner import __main__ as runner

if __name__ == "__main__":
    runner.HOST = sys.argv[1]
    runner.pid_exists = lambda process: False  # processes of the other machine cannot be seen
    runner.plan_jobs.__defaults__ = (Path(sys.argv[2]),)
    sys.exit(runner.main(["--profile", "demo", "--jobs", "1", *sys.argv[3:]]))
'''

NOTEBOOK = '''\
# %% [markdown]
# # A tiny notebook

# %% tags=["parameters"]
profile = "demo"   # which

# %%
import os
import platform
import tempfile
import time
from pathlib import Path

import numpy as np

from helpers.core.cache import cached
from helpers.core.provenance import Provenance
from helpers.figures.claims import ClaimsTable

def make():
    with Path(os.environ["MADE"]).open("a") as file:
        file.write(tempfile.gettempdir() + "\\n")
    time.sleep(3)
    return {"x": np.arange(3)}

x = cached("shared", "one", {"input": 1}, make)["x"]
time.sleep(1)
claims = ClaimsTable(Provenance("97_try_this", profile, "SYNTHETIC", 0, "cpu", "code"))
claims.claim("one", source="s", paper="p", run=str(x.sum()), rule="r", holds=True)
(Path(os.environ["LAB_FIGURES"]) / "97_try_this.png").write_bytes(b"png")
path = claims.save()
'''


@pytest.mark.exhaustive  # two runners and two kernels: minutes on a machine with other work
def test_two_machines_share_the_work_on_one_disk(private):
    (private / "notebooks").mkdir()
    (private / "notebooks" / "97_try_this.py").write_text(textwrap.dedent(NOTEBOOK))
    (private / "run.py").write_text(RUN_AS_HOST)
    left_by_another = private / "figures" / ".staging-97_try_this-third-12"
    left_by_another.mkdir(parents=True)
    running = []
    for host in ("first", "second"):
        (private / f"tmp-{host}").mkdir()
        running.append(subprocess.Popen(
            [sys.executable, str(private / "run.py"), host, str(private / "notebooks"), "--force"],
            cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            env=os.environ | {"TMPDIR": str(private / f"tmp-{host}"), "PYTHONPATH": str(ROOT),
                              "MADE": str(private / "made.txt")}))
    outputs = [process.communicate(timeout=600)[0] for process in running]
    assert [process.returncode for process in running] == [0, 0], "\n".join(outputs)
    made = (private / "made.txt").read_text().split()
    assert len(made) == 1, "the same artefact was made on both machines"
    results = json.loads((private / "figures" / "97_try_this.json").read_text())
    assert results["claims"][0]["run"] == "3"
    assert (private / "figures" / "97_try_this.png").read_bytes() == b"png"
    left = [path.name for path in (private / "figures").glob(".staging*")]
    assert left == [left_by_another.name]
