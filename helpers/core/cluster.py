"""A Dask cluster in place of this machine's processes, where the environment names one."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from joblib import parallel_config

from helpers.core.errors import LabError
from helpers.core.paths import CACHE_VARIABLE, DATA_VARIABLE

SCHEDULER = "DASK_SCHEDULER_ADDRESS"
"""Environment variable: the address of a Dask scheduler, such as ``tcp://node12:8786``."""
FOLDERS = (DATA_VARIABLE, CACHE_VARIABLE)
TIMEOUT_S = 30
"""Seconds within which the scheduler must answer."""


@contextmanager
def dask_cluster() -> Iterator[None]:
    """Let joblib use the Dask cluster that ``DASK_SCHEDULER_ADDRESS`` names, if any.

    The workers get this process's ``LAB_DATA`` and ``LAB_CACHE``: folders that all of them must see
    under the same names.

    Raises
    ------
    LabError
        Where no scheduler answers there, or it has no workers.
    """
    address = os.environ.get(SCHEDULER)
    if not address:
        yield
        return
    # Here and not above: only a cluster's users pay for the import, which takes seconds.
    from distributed import Client
    try:
        client = Client(address, timeout=TIMEOUT_S)
    except (OSError, ValueError) as error:
        raise LabError(f"no Dask scheduler at {SCHEDULER} = {address!r}: {error}",
                       expected="the address of a running scheduler, such as tcp://node12:8786",
                       remedy=f"start it, correct {SCHEDULER}, or unset it to work here") from error
    with client, parallel_config(backend="dask"):
        if not client.scheduler_info()["workers"]:
            raise LabError(f"the Dask scheduler {address} has no workers",
                           expected="at least one worker",
                           remedy="start workers, and wait until they have joined")
        client.run(_set_variables, {name: os.environ[name] for name in FOLDERS
                                    if name in os.environ})
        yield


def _set_variables(values: Mapping[str, str]) -> None:
    """Set environment variables of the process that calls this: a worker."""
    os.environ.update(values)
