"""Where cases run: in this process, in several, or on a Dask cluster."""

from typing import Any

import joblib


def workers(jobs: int, dask: str | None) -> Any:
    """Return the context in which `joblib.Parallel(n_jobs=None)` runs."""
    if dask is None:
        return joblib.parallel_config(backend="loky", n_jobs=jobs)
    from distributed import Client

    return joblib.parallel_config(backend="dask", n_jobs=-1, client=Client(dask))
