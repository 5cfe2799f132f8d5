"""Where cases run: in this process, in several, or on a Dask cluster."""

from collections.abc import Iterator
from contextlib import contextmanager

import joblib


@contextmanager
def workers(jobs: int, dask: str | None) -> Iterator[None]:
    """Hold the context in which `joblib.Parallel(n_jobs=None)` runs."""
    if dask is None:
        with joblib.parallel_config(backend="loky", n_jobs=jobs):
            yield
        return
    from distributed import Client

    with (
        Client(dask) as client,
        joblib.parallel_config(backend="dask", n_jobs=-1, client=client),
    ):
        yield
