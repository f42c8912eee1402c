"""The runner: strict parameters, freshness by content, nothing half-made, honest exit status."""

from __future__ import annotations

import copy
import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import nbformat
import psutil
import pytest

from helpers.config.profile import load_profile
from helpers.core.errors import LabError
from helpers.core.paths import ROOT
from helpers.datasets.prepare import WRITERS
from helpers.datasets.sources import FETCH
from helpers.figures.deviations import Deviation
from helpers.runner import __main__, freshness
from helpers.runner.freshness import is_fresh
from helpers.runner.notebooks import (
    check_parameters,
    clean_outputs,
    list_sources,
    pairing_problems,
    read_defaults,
    read_source,
    select_notebooks,
)
from helpers.runner.notebooks import write as write_notebook

SOURCE = '''\
# %% [markdown]
# # A tiny notebook

# %% tags=["parameters"]
profile = "demo"   # which
value = 1          # an int
rate = 0.5         # a float

# %%
import os
from pathlib import Path

from helpers.figures.claims import ClaimsTable
from helpers.core.provenance import Provenance

claims = ClaimsTable(Provenance("{stem}", profile, "SYNTHETIC", 0, "cpu", "code"))
{body}
claims.claim("one", source="s", paper="p", run=str(value), rule="r", holds=True)
claims.claim("two", source="s", paper="p", run=str(rate), rule="r", holds=None)
(Path(os.environ["LAB_FIGURES"]) / "{stem}.png").write_bytes(b"png %d" % value)
path = claims.save()
'''


def notebook(folder: Path, stem: str = "97_try_this", body: str = "") -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / f"{stem}.py"
    path.write_text(SOURCE.format(stem=stem, body=body))
    return path


@pytest.fixture
def folder(private, monkeypatch):
    """A folder of notebooks that the runner takes for the project's."""
    monkeypatch.setattr(__main__.plan_jobs, "__defaults__", (private / "notebooks",))
    return private / "notebooks"


def figures(private: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in (private / "figures").iterdir()
            if p.suffix in (".png", ".json")}


@pytest.mark.slow
def test_runs_then_has_nothing_to_do_then_reruns_what_changed(private, folder, capsys):
    source = notebook(folder)
    assert __main__.main([]) == 0
    assert set(figures(private)) == {"97_try_this.png", "97_try_this.json"}
    said = capsys.readouterr().out
    table = said.splitlines()[-2].split()
    assert table[:2] == ["97_try_this", "made"] and table[5:] == ["1", "0", "0", "1"]
    seconds, cpu, megabytes = map(float, table[2:5])
    assert 0 < cpu and megabytes > 30, "what the notebook's processes spent and held"
    assert "in all" in said.splitlines()[-1] and "CPU time" in said.splitlines()[-1]

    begin = time.perf_counter()
    assert __main__.main([]) == 0
    assert "Nothing to do" in capsys.readouterr().out
    assert time.perf_counter() - begin < 5

    (private / "figures" / "97_try_this.png").write_bytes(b"damaged")
    assert __main__.main([]) == 0
    assert figures(private)["97_try_this.png"] == b"png 1", "a damaged figure is made again"

    assert __main__.main(["-p", "value=3"]) == 0
    assert figures(private)["97_try_this.png"] == b"png 3"
    source.write_text(source.read_text() + "\n# %%\nmore = 1\n")
    job = __main__.plan_jobs("demo", [], {}, folder)[0]
    assert not is_fresh(source, load_profile("demo"), job.parameters, private / "figures")


@pytest.mark.slow
def test_a_figure_is_stale_where_an_input_a_setting_or_the_code_changed(private, folder,
                                                                        monkeypatch):
    source, profile = notebook(folder), load_profile("demo")
    source.write_text(source.read_text().replace('"code"))', '"code", {"diet": "1"}))'))
    assert __main__.main([]) == 0
    fresh = lambda **given: is_fresh(source, profile, given, private / "figures")  # noqa: E731
    assert fresh() and not fresh(value=2)
    for name, counts in (("diet/train/a.png", True), ("networks/alexnet.pth", True),
                         ("nsd/never_opened.csv", False)):
        path = private / "data" / name
        path.parent.mkdir(parents=True)
        path.write_bytes(b"1")
        assert fresh() != counts, name
        path.unlink()
    digest = freshness.file_digest
    for name in ("registry.toml", "sources.toml", "imagenet.csv", "lab.mplstyle",
                 "requirements.lock"):
        with monkeypatch.context() as patched:
            patched.setattr(freshness, "file_digest",
                            lambda path, name=name: "x" if path.name == name else digest(path))
            assert not fresh(), name
    for stem, counts in ((source.stem, True), ("98_another", False)):
        with monkeypatch.context() as patched:
            patched.setattr(freshness, "machine_dependent", lambda profile, notebook, stem=stem: (
                ["a claim"] if (profile, notebook) == ("demo", stem) else []))
            assert fresh() != counts, stem
        with monkeypatch.context() as patched:
            row = Deviation((stem[:2],), *["a deviation"] * 5)
            patched.setattr(freshness, "read_deviations", lambda notebook, row=row: (
                [row] if notebook[:2] in row.notebooks else []))
            assert fresh() != counts, stem
    assert fresh()


@pytest.mark.slow
def test_a_failing_notebook_is_reported_and_harms_nothing(private, folder, capsys):
    notebook(folder)
    other = notebook(folder, "98_try_that")
    assert __main__.main([]) == 0
    before = figures(private)
    other.write_text(SOURCE.format(stem="98_try_that", body=textwrap.dedent('''
        from helpers.core.errors import LabError
        raise LabError("a hole", expected="a whole", remedy="mend it")''')))
    assert __main__.main(["--jobs", "2"]) == 1
    said = capsys.readouterr().out
    assert "a hole\n  expected: a whole\n  to do: mend it" in said
    assert "97_try_this  fresh" in said and "98_try_that  FAILED" in said
    assert figures(private) == before
    assert not list((private / "figures").glob(".staging*"))
    assert (private / "cache/runs/demo/98_try_that.failed.ipynb").is_file()


KERNEL_KILLED = "os.kill(os.getpid(), 9)"
RUNNER_KILLED = "os.kill(os.getppid(), 9); import time; time.sleep(60)"
WORKER_KILLED = """
from joblib import Parallel, delayed

def die(number):
    import os, signal
    os.kill(os.getpid(), signal.SIGKILL)

Parallel(n_jobs=2)(delayed(die)(number) for number in range(2))"""


@pytest.mark.slow
@pytest.mark.parametrize("body, said", [
    (KERNEL_KILLED, "the kernel was killed (signal 9), most likely out of memory"),
    (RUNNER_KILLED, "the process that runs the notebook was killed (signal 9)"),
    (WORKER_KILLED, "a worker process was killed, most likely out of memory"),
    pytest.param("os._exit(3)", "the kernel died with status 3", marks=pytest.mark.exhaustive),
])
def test_what_is_killed_fails_its_notebook_alone_and_a_second_run_resumes(private, folder, capsys,
                                                                          body, said):
    """The message names notebook and cell; the other notebook is made, and is not made again."""
    notebook(folder)
    broken = notebook(folder, "98_try_that", body)
    broken.write_text(broken.read_text().replace("# # A tiny", "# # Title\n# ## A tiny"))
    assert __main__.main(["--jobs", "2"]) == 1
    out = capsys.readouterr().out
    problem = out[out.index("✗ 98_try_that"):]
    assert said in problem and "cell 3 of 3 (A tiny notebook)" in problem and "to do:" in problem
    assert set(figures(private)) == {"97_try_this.png", "97_try_this.json"}
    assert not list((private / "figures").glob(".staging*"))
    notebook(folder, "98_try_that")
    assert __main__.main([]) == 0
    table = capsys.readouterr().out.splitlines()
    assert any("97_try_this  fresh" in line for line in table)
    assert any("98_try_that  made" in line for line in table)


@pytest.mark.slow
def test_workers_of_a_killed_kernel_do_not_stay(private, folder):
    """They would hold memory and cores until their task is done."""
    notebook(folder, body=f"""
import subprocess, sys
worker = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(120)"])
Path({str(private)!r}, "pid").write_text(str(worker.pid))
{KERNEL_KILLED}""")
    assert __main__.main([]) == 1
    pid = int((private / "pid").read_text())
    assert not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


@pytest.mark.slow
def test_a_kernel_that_does_not_start_is_reported(private, folder, monkeypatch):
    """Run in this process, so that the limit can be short and the kernel a program that is mute."""
    from helpers.runner import execute

    monkeypatch.setattr(execute, "START_TIMEOUT_S", 2)
    monkeypatch.setattr(execute.Kernel, "format_kernel_cmd",
                        lambda *_, **__: [sys.executable, "-c", "import time; time.sleep(60)"])
    problem = execute.execute(notebook(folder), private / "done.ipynb", {})
    assert "the kernel did not start" in problem and "within 2 s" in problem


@pytest.mark.slow
def test_a_kernel_that_ends_as_it_starts_is_started_again(private, folder, monkeypatch):
    from helpers.runner import execute

    command, starts = execute.Kernel.format_kernel_cmd, []

    def unlucky(self, *given, **named):
        starts.append(1)
        return ([sys.executable, "-c", ""] if len(starts) < execute.MAX_STARTS
                else command(self, *given, **named))

    monkeypatch.setattr(execute.Kernel, "format_kernel_cmd", unlucky)
    (private / "figures").mkdir()
    assert execute.execute(notebook(folder), private / "done.ipynb", {}) == ""
    monkeypatch.setattr(execute, "MAX_STARTS", 1)
    monkeypatch.setattr(execute.Kernel, "format_kernel_cmd",
                        lambda *_, **__: [sys.executable, "-c", ""])
    assert "the kernel did not start" in execute.execute(folder / "97_try_this.py",
                                                         private / "done.ipynb", {})


SHARE = """
from helpers.core.machine import count_workers
policy = os.environ.get("OMP_WAIT_POLICY", "")
(Path(os.environ["LAB_CACHE"]) / "{stem}.txt").write_text(
    " ".join([os.environ["OMP_NUM_THREADS"], str(count_workers(8)), policy]))
"""


@pytest.mark.slow
@pytest.mark.parametrize("cores, jobs, share", [
    (4, "2", "2 2 passive"), pytest.param(4, "1", "4 4 ", marks=pytest.mark.exhaustive),
    pytest.param(1, "2", "1 1 passive", marks=pytest.mark.exhaustive)])
def test_notebooks_share_the_cores(private, folder, monkeypatch, capsys, cores, jobs, share):
    for name in ("OMP_NUM_THREADS", "LAB_WORKERS", "OMP_WAIT_POLICY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(__main__, "usable_cores", lambda: cores)
    stems = ("97_try_this", "98_try_that")
    for stem in stems:
        notebook(folder, stem, SHARE.format(stem=stem))
    assert __main__.main(["--jobs", jobs]) == 0
    assert [(private / "cache" / f"{stem}.txt").read_text() for stem in stems] == [share] * 2
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert __main__.main(["--jobs", jobs, "--force"]) == 0
    assert (private / "cache" / f"{stems[0]}.txt").read_text().startswith("3 ")


@pytest.mark.slow
def test_what_took_longest_begins_first(private, folder, capsys):
    notebook(folder)
    notebook(folder, "98_try_that")

    def started():
        return [line.split()[1] for line in capsys.readouterr().out.splitlines()
                if line.startswith("…")]

    assert __main__.main(["--jobs", "1"]) == 0
    assert started() == ["97_try_this", "98_try_that"]
    stamp = freshness.stamp_path(load_profile("demo"), "98_try_that")
    recorded = freshness.read_stamp(load_profile("demo"), "98_try_that")
    assert 0 < recorded["seconds"] < 3600
    recorded["seconds"] = 3600
    stamp.write_text(json.dumps(recorded | {
        freshness.STAMP_DIGEST: freshness._stamp_digest(recorded)}))
    assert freshness.read_stamp(load_profile("demo"), "98_try_that")["seconds"] == 3600
    assert __main__.main(["--jobs", "1", "--force"]) == 0
    assert started() == ["98_try_that", "97_try_this"]


@pytest.mark.slow
def test_a_notebook_that_makes_no_figure_fails(private, folder, capsys):
    path = notebook(folder)
    path.write_text(path.read_text().replace(".png", ".txt"))
    assert __main__.main([]) == 1
    assert "wrote no 97_try_this.png" in capsys.readouterr().out


@pytest.mark.parametrize("arguments, seen, valid", [
    (["--profile", "demmo"], "demmo", "demo, mini, paper"),
    (["-p", "vale=3"], "unknown parameter 'vale'", "profile, value, rate"),
    (["-p", "value=three"], "value='three'", "type int"),
    (["-p", "value"], "-p value", "name=value"),
    (["--cell-limit", "soon"], "--cell-limit soon", "minutes above 0"),
    (["--cell-limit", "0"], "--cell-limit 0", "minutes above 0"),
    (["--only", "42"], "no notebook '42'", "97_try_this"),
])
def test_bad_arguments_are_refused_before_anything_runs(private, folder, capsys, arguments, seen,
                                                        valid):
    notebook(folder)
    assert __main__.main(arguments) == 2
    error = capsys.readouterr().err
    assert seen in error and valid in error and "to do:" in error
    assert not (private / "figures").exists()


def test_a_read_only_figures_folder_is_reported(private, folder, monkeypatch, capsys):
    notebook(folder)
    (private / "wall").write_text("a file where a folder should be")
    monkeypatch.setenv("LAB_FIGURES", str(private / "wall" / "figures"))
    assert __main__.main([]) == 2
    assert "to do:" in capsys.readouterr().err


@pytest.mark.slow
def test_interrupt_leaves_nothing_half_made(private):
    """Ctrl-C, as a terminal sends it: to the runner and all of its children."""
    folder = private / "notebooks"
    started = private / "started"
    notebook(folder, body=f"import time; Path({str(started)!r}).touch(); time.sleep(60)")
    command = ("import sys; from pathlib import Path; from helpers.runner import __main__; "
               f"__main__.plan_jobs.__defaults__ = (Path({str(folder)!r}),); "
               "sys.exit(__main__.main([]))")
    # A shell starts background jobs deaf to Ctrl-C, and children inherit that: undo it.
    process = subprocess.Popen([sys.executable, "-c", command], cwd=ROOT, start_new_session=True,
                               stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True,
                               preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
    deadline = time.time() + 60
    while not started.exists() and time.time() < deadline:
        time.sleep(0.1)
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "nothing half-made" in errors
    assert not list((private / "figures").iterdir())
    assert not (private / "cache/runs").exists() or not list((private / "cache").rglob("97*.json"))


@pytest.mark.slow
def test_what_a_killed_run_left_behind_is_removed(private, folder):
    notebook(folder)
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    left = private / "figures" / f".staging-97_try_this-{__main__.HOST}-{gone.pid}"
    alive = private / "figures" / f".staging-98_try_that-{__main__.HOST}-{os.getpid()}"
    for path in (left, alive):
        path.mkdir(parents=True)
    assert __main__.main([]) == 0
    assert not left.exists() and alive.exists()


def test_what_is_not_a_dead_runs_staging_folder_is_left_alone(private, monkeypatch):
    def another_users(number, signal):
        raise PermissionError(1, "Operation not permitted")

    host = __main__.HOST
    names = (f".staging-97_try_this-{host}-1", f".staging-97_try_this-{host}-x",
             f".staging-97_try_this-other_{host}_node-99999999")
    for name in names:
        (private / name).mkdir()
    monkeypatch.setattr(__main__.os, "kill", another_users)
    __main__._remove_stale_staging(private)
    monkeypatch.undo()
    __main__._remove_stale_staging(private)  # process 1 lives
    assert all((private / name).is_dir() for name in names)


@pytest.mark.parametrize("name", ["1", "01", "01_localize_selective_units",
                                  "01_localize_selective_units.py",
                                  "notebooks/01_localize_selective_units.ipynb"])
def test_a_notebook_is_chosen_by_number_name_or_file(name):
    assert [path.stem for path in select_notebooks([name])] == ["01_localize_selective_units"]


@pytest.mark.parametrize("name", ["\N{SUPERSCRIPT TWO}", "01,02", "1.0", "-1", ""])
def test_a_name_of_no_notebook_is_refused(name):
    with pytest.raises(LabError, match="no notebook"):
        select_notebooks([name])


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"outputs": {}}'])
def test_half_a_stamp_is_none(private, text):
    profile = load_profile("demo")
    path = freshness.stamp_path(profile, "97_try_this")
    path.parent.mkdir(parents=True)
    path.write_text(text)
    assert freshness.read_stamp(profile, "97_try_this") is None
    assert not is_fresh(notebook(private), profile, {}, private)


def test_what_was_damaged_since_the_last_run_is_named(private):
    """Figures, tables and numbers by their digests, the record itself by its own."""
    source, profile = notebook(private), load_profile("demo")
    (private / "figures").mkdir()
    for name in ("97_try_this.png", "97_try_this-a.csv"):
        (private / "figures" / name).write_text(name)
    (private / "figures" / "97_try_this.json").write_text('{"provenance": {"inputs": {}}}')
    damage = lambda: freshness.describe_damage(source, profile, private / "figures")  # noqa: E731
    assert damage() == [], "nothing was made yet"
    freshness.write_stamp(source, profile, "code", private / "figures")
    assert damage() == []
    (private / "figures" / "97_try_this.png").write_text("other")
    (private / "figures" / "97_try_this-a.csv").unlink()
    assert [sentence.split("/")[-1] for sentence in sorted(damage())] == [
        "97_try_this-a.csv is missing", "97_try_this.png is not what the last run wrote"]
    stamp = freshness.stamp_path(profile, source.stem)
    stamp.write_text(stamp.read_text().replace('"code": "code"', '"code": "cofe"'))
    assert freshness.read_stamp(profile, source.stem) is None
    assert damage() == [f"{stamp}, the record of the last run, cannot be read"]


@pytest.mark.slow
def test_a_cell_that_takes_too_long_is_ended_only_where_a_limit_was_set(private, folder, capsys):
    notebook(folder)
    notebook(folder, "98_try_that", f"""
import subprocess, sys, time
worker = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(120)"])
Path({str(private)!r}, "pid").write_text(str(worker.pid))
time.sleep(120)""")
    assert __main__.main(["--jobs", "2", "--cell-limit", "0.4"]) == 1
    said = capsys.readouterr().out
    assert "this cell had not ended after 0.4 min" in said and "--cell-limit" in said
    assert set(figures(private)) == {"97_try_this.png", "97_try_this.json"}
    assert not list((private / "figures").glob(".staging*"))
    pid = int((private / "pid").read_text())
    assert not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def test_a_notebook_is_published_whole_or_not_at_all(private, monkeypatch):
    source = notebook(private)
    (private / "figures").mkdir()
    (private / "figures" / "97_try_this.ipynb").write_text("new")
    source.with_suffix(".ipynb").write_text("old")
    runner = __main__.Runner(load_profile("demo"), [__main__.NotebookJob(source, {})], 1)

    def killed(old, new):
        Path(new).write_text("n")
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(__main__.shutil, "copyfile", killed)
        with pytest.raises(KeyboardInterrupt):
            __main__.publish_notebooks(runner)
    assert source.with_suffix(".ipynb").read_text() == "old"
    __main__.publish_notebooks(runner)
    assert source.with_suffix(".ipynb").read_text() == "new"


def test_a_profile_given_as_a_file_reaches_the_notebook(private, folder):
    notebook(folder)
    mine = private / "mine.toml"
    text = (ROOT / "helpers" / "profiles" / "demo.toml").read_text()
    mine.write_text(text.replace('name = "demo"', 'name = "mine"'))
    job = __main__.plan_jobs(str(mine), [], {}, folder)[0]
    assert job.parameters == {"profile": str(mine)}
    assert load_profile(job.parameters["profile"]).name == "mine"


@pytest.mark.slow
def test_only_a_whole_run_with_default_parameters_is_published(private, folder, capsys):
    source = notebook(folder)
    twin = source.with_suffix(".ipynb")
    assert __main__.main(["--publish", "-p", "value=3"]) == 2
    assert "changed parameters" in capsys.readouterr().err and not twin.exists()
    assert __main__.main(["--publish"]) == 0
    assert pairing_problems(source) == []
    twin.unlink()
    notebook(folder, "98_try_that", body="1 / 0")
    assert __main__.main(["--publish"]) == 1
    assert not twin.exists()


def test_parameters_cell_must_be_plain_literals(tmp_path):
    path = notebook(tmp_path)
    assert read_defaults(path.read_text(), "x") == {"profile": "demo", "value": 1, "rate": 0.5}
    assert check_parameters({"rate": "1"}, {"rate": 0.5}, "x") == {"rate": 1.0}
    path.write_text(path.read_text().replace("value = 1 ", "value = 1 + len('a')"))
    with pytest.raises(LabError, match="name = literal"):
        read_defaults(path.read_text(), "x")
    path.write_text(path.read_text().replace('tags=["parameters"]', ""))
    with pytest.raises(LabError, match="0 cells tagged"):
        read_defaults(path.read_text(), "x")


def test_editing_a_helper_touches_only_the_notebooks_that_reach_it():
    from helpers.core.digest import direct_imports, import_closure
    reach = {stem: set(import_closure(direct_imports((ROOT / "notebooks"
                                                      / f"{stem}.py").read_text())))
             for stem in ("00_meet_the_universe", "01_localize_selective_units")}
    assert "helpers.selectivity.statistics" in reach["01_localize_selective_units"]
    assert "helpers.selectivity.statistics" not in reach["00_meet_the_universe"]
    assert "helpers.selectivity.linear_probes" not in reach["01_localize_selective_units"]
    assert not any(name.startswith("data.") for modules in reach.values() for name in modules)
    assert not any(modules & {"helpers.datasets.fetch", "helpers.datasets.download"}
                   for modules in reach.values())
    assert "data.synthetic.faces" in import_closure([WRITERS])
    assert "helpers.datasets.download" in import_closure([FETCH])


def test_twins_are_compared_by_content(tmp_path):
    path = notebook(tmp_path)
    assert pairing_problems(path) == ["97_try_this.ipynb is missing"]
    twin = read_source(path)
    for cell in twin.cells:
        if cell.cell_type == "code":
            cell.execution_count, cell.outputs = 1, []
    write_notebook(twin, path.with_suffix(".ipynb"))
    assert pairing_problems(path) == []
    agreed = copy.deepcopy(twin)
    twin.cells[1].source += "\nx = 1"
    twin.cells[2].execution_count = None
    write_notebook(twin, path.with_suffix(".ipynb"))
    assert len(pairing_problems(path)) == 2
    for change in (lambda n: n.cells.pop(), lambda n: n.cells[1].metadata.pop("tags"),
                   lambda n: n.cells[2].update(id="other"),
                   lambda n: n.cells[0].update(cell_type="raw")):
        changed = copy.deepcopy(agreed)
        change(changed)
        write_notebook(changed, path.with_suffix(".ipynb"))
        assert len(pairing_problems(path)) == 1


def test_cleaning_drops_injected_cells_and_timings():
    made = nbformat.v4.new_notebook(metadata={"papermill": {"duration": 3}})
    made.cells = [nbformat.v4.new_code_cell("a", metadata={"tags": ["injected-parameters"]}),
                  nbformat.v4.new_code_cell("b", metadata={"tags": ["x"], "papermill": {}})]
    left = clean_outputs(made)
    assert [cell.source for cell in left.cells] == ["b"]
    assert left.cells[0].metadata == {"tags": ["x"]} and "papermill" not in left.metadata


@pytest.mark.parametrize("source", sorted((ROOT / "notebooks").glob("[0-9][0-9]_*.py")),
                         ids=lambda path: path.stem)
def test_every_notebook_has_its_executed_twin(source):
    assert pairing_problems(source) == []


def test_committed_ledgers_say_what_they_are():
    folder = ROOT / "figures" / "demo"
    ledgers = [folder / f"{path.stem}.json" for path in list_sources()]
    assert ledgers and {path.name for path in folder.glob("*.json")} == {
        "tolerances.json", *(path.name for path in ledgers)}
    for path in ledgers:
        results_json = json.loads(path.read_text())
        assert results_json["provenance"]["data_kind"] == "SYNTHETIC"
        assert results_json["claims"] and path.with_suffix(".png").is_file()
