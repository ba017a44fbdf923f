"""Fits in threads and processes of every kind have the bits of a fit alone."""

import multiprocessing
import sys
import threading
import warnings
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

import numpy as np
import pytest

from ranef import glmer, lmer, load_dataset

#: Threads that fit at once, of which each has the core use two of its own.
THREADS = 8


def bits(kind: int) -> tuple[bytes, ...]:
    """The numbers of a fit, to the last bit; the core uses two threads."""
    if kind % 3 == 0:
        m = lmer("Reaction ~ Days + (Days | Subject)", load_dataset("sleepstudy"), n_threads=2)
    elif kind % 3 == 1:
        m = lmer("diameter ~ 1 + (1 | plate) + (1 | sample)", load_dataset("Penicillin"), n_threads=2)
    else:
        m = glmer(
            "cbind(incidence, size - incidence) ~ period + (1 | herd)",
            load_dataset("cbpp"),
            family="binomial",
            n_threads=2,
        )
    drawn = m.bootstrap(8, rng=3, n_threads=2).values
    return tuple(np.asarray(v, dtype=float).tobytes() for v in (m.theta, m.fixef, m.bse, [m.objective], drawn))


@pytest.fixture(scope="module")
def alone() -> list[tuple[bytes, ...]]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return [bits(kind) for kind in range(3)]


def same(found: list[tuple[bytes, ...]], alone: list[tuple[bytes, ...]]) -> bool:
    return len(found) > 0 and all(f == alone[i % 3] for i, f in enumerate(found))


def test_threads_at_once(alone: list[tuple[bytes, ...]]) -> None:
    """All begin together; with an interpreter without its lock they also compute in Python
    together.
    """
    gate = threading.Barrier(THREADS)

    def begin(kind: int) -> list[tuple[bytes, ...]]:
        gate.wait(60)
        return [bits(kind + i) for i in range(3)]

    with ThreadPoolExecutor(THREADS) as pool:
        found = list(pool.map(begin, range(THREADS)))
    for kind, three in enumerate(found):
        assert [*three] == [alone[(kind + i) % 3] for i in range(3)]


def test_the_module_needs_no_lock() -> None:
    """Where the interpreter has none, importing the core does not bring it back."""
    import ranef._core

    assert ranef._core is not None
    if (enabled := getattr(sys, "_is_gil_enabled", None)) is not None and sys.version_info >= (3, 13):
        import sysconfig

        assert enabled() is not bool(sysconfig.get_config_var("Py_GIL_DISABLED"))


@pytest.mark.parametrize(
    "method", [m for m in ("fork", "spawn", "forkserver") if m in multiprocessing.get_all_start_methods()]
)
def test_processes(method: str, alone: list[tuple[bytes, ...]]) -> None:
    """After a fork the threads of the parent are gone; the child makes its own."""
    bits(0)  # the parent has its threads
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of Python 3.12, for a fork beside threads
        warnings.simplefilter("ignore", RuntimeWarning)  # of other libraries that are loaded, for the same
        with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context(method)) as pool:
            found = list(pool.map(bits, range(6), timeout=120))
    assert same(found, alone)
    assert bits(0) == alone[0]


def test_a_child_of_a_child(alone: list[tuple[bytes, ...]]) -> None:
    if "fork" not in multiprocessing.get_all_start_methods():
        return
    context = multiprocessing.get_context("fork")
    queue = context.SimpleQueue()

    def outer() -> None:
        bits(0)
        inner = context.Process(target=lambda: queue.put(bits(1)))
        inner.start()
        inner.join(60)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        warnings.simplefilter("ignore", RuntimeWarning)
        process = context.Process(target=outer)
        process.start()
        found = queue.get()
        process.join(60)
    assert found == alone[1]


def test_loky(alone: list[tuple[bytes, ...]]) -> None:
    joblib = pytest.importorskip("joblib")
    found = joblib.Parallel(n_jobs=2, backend="loky")(joblib.delayed(bits)(kind) for kind in range(6))
    assert same(found, alone)


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_dask_workers(alone: list[tuple[bytes, ...]]) -> None:
    distributed = pytest.importorskip("distributed")
    with (
        distributed.LocalCluster(
            n_workers=1, threads_per_worker=4, dashboard_address=":0", silence_logs=50, memory_limit=0
        ) as cluster,
        distributed.Client(cluster, timeout=60) as client,
    ):
        found = client.gather(client.map(bits, range(9), pure=False))
    assert same(found, alone)
