"""Where cases run: in this process, in several, or on a Dask cluster."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager

import joblib

from challenge.refusal import Refusal


def ignore_interrupts() -> None:
    """Leave Ctrl-C, which a terminal sends to all its processes, to the one that started this."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


@contextmanager
def workers(jobs: int, dask: str | None) -> Iterator[None]:
    """Hold the context in which `joblib.Parallel(n_jobs=None)` runs.

    Raises:
        Refusal: there are no processes to run in, or no scheduler answers at the address `dask`.
    """
    if jobs == 0:
        raise Refusal("--jobs 0: at least one process is needed")
    if dask is None:
        with joblib.parallel_config(backend="loky", n_jobs=jobs, initializer=ignore_interrupts):
            yield
        return
    from distributed import Client

    try:
        client = Client(dask)
    except (OSError, ValueError) as error:
        raise Refusal(f"--dask {dask}: no scheduler answers there ({error})") from error
    with (
        client,
        joblib.parallel_config(backend="dask", n_jobs=-1, client=client),
    ):
        yield
