"""A Dask cluster of two worker processes on this machine."""

from __future__ import annotations

import pytest
from distributed import LocalCluster


@pytest.fixture(scope="module")
def dask_scheduler():
    """Address of the scheduler of two workers with one thread each."""
    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:
        yield cluster.scheduler_address
