"""Jobs on a Dask cluster: results of one process; what is wrong with an address is said."""

from __future__ import annotations

import os

import pytest
from joblib import Parallel, delayed
from support.dask_workers import dask_scheduler  # noqa: F401

from helpers.core import cluster
from helpers.core.cluster import SCHEDULER, dask_cluster
from helpers.core.errors import LabError


def process_and_cache(_: int) -> tuple[int, str]:
    return os.getpid(), os.environ["LAB_CACHE"]


def test_without_an_address_jobs_run_here(monkeypatch):
    monkeypatch.delenv(SCHEDULER, raising=False)
    monkeypatch.setenv("LAB_CACHE", "here")
    with dask_cluster():
        assert Parallel(1)([delayed(process_and_cache)(0)]) == [(os.getpid(), "here")]


@pytest.mark.slow
def test_workers_run_the_jobs_and_know_the_folders(private, monkeypatch, dask_scheduler):  # noqa: F811
    monkeypatch.setenv(SCHEDULER, dask_scheduler)
    with dask_cluster():
        found = Parallel()(delayed(process_and_cache)(i) for i in range(8))
    assert os.getpid() not in {process for process, _ in found}
    assert {folder for _, folder in found} == {os.environ["LAB_CACHE"]}


@pytest.mark.parametrize(("address", "seen"), [("tcp://127.0.0.1:9", "no Dask scheduler at"),
                                               ("nowhere://x", "no Dask scheduler at")])
def test_an_address_where_nothing_answers_is_named(monkeypatch, address, seen):
    monkeypatch.setenv(SCHEDULER, address)
    monkeypatch.setattr(cluster, "TIMEOUT_S", 1)
    with pytest.raises(LabError, match=seen) as error, dask_cluster():
        pass
    assert address in str(error.value)


@pytest.mark.slow
def test_a_cluster_without_workers_is_refused(monkeypatch):
    from distributed import LocalCluster
    with LocalCluster(n_workers=0, dashboard_address=None) as empty:
        monkeypatch.setenv(SCHEDULER, empty.scheduler_address)
        with pytest.raises(LabError, match="has no workers"), dask_cluster():
            pass
