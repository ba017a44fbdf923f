"""Distributed fits: on Dask, on executors, in Spark; with what goes wrong there."""

import concurrent.futures
import multiprocessing
import os
import pathlib
import signal
import threading
import time

import numpy as np
import pandas as pd
import pytest

from interop.crossed_rows import FORMULA, N, made
from ranef import DataError, NewLevelError, OptionError, RanefError, lmer, scale


@pytest.fixture(scope="module")
def data():
    return made()


@pytest.fixture(scope="module")
def whole(data):
    return lmer(FORMULA, data)


@pytest.fixture(scope="module")
def files(data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("parts")
    for i in range(10):
        data[i * N // 10 : (i + 1) * N // 10].to_parquet(folder / f"part{i}.parquet", index=False)
    return folder


@pytest.fixture(scope="session")
def cluster():
    distributed = pytest.importorskip("distributed")
    dask = pytest.importorskip("dask")
    settings = {
        "distributed.scheduler.allowed-failures": 1,
        "distributed.comm.timeouts.connect": "20s",
        "distributed.worker.daemon": False,
        "logging.distributed": "critical",
    }
    with (
        dask.config.set(settings),
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=":0", silence_logs=50, memory_limit=0
        ) as started,
        distributed.Client(started, timeout=30) as found,
    ):
        yield found


@pytest.fixture
def client(cluster):
    """With both workers: some tests end them, and without any the next would wait for ever."""
    cluster.wait_for_workers(2, timeout=60)
    return cluster


pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")


def listed(files):
    return sorted(map(str, files.glob("*.parquet")))


def test_the_cluster_gives_the_numbers_of_one_process(client, data, whole, files):
    alone = scale.fit(FORMULA, listed(files))
    assert alone.objective == pytest.approx(whole.objective, abs=1e-8)
    for parts in (listed(files), str(files), str(files / "part*.parquet")):
        m = scale.fit(FORMULA, parts, executor=client)
        # to the last bit, although parts are merged on the workers
        assert m.objective == alone.objective
        assert m.theta.tolist() == alone.theta.tolist()
        assert m.fixef.tolist() == alone.fixef.tolist()
        assert (m.nobs, m.ngroups) == (whole.nobs, whole.ngroups)
    frames = scale.fit(FORMULA, [data[i::3] for i in range(3)], executor=client)
    assert frames.objective == pytest.approx(whole.objective, abs=1e-8)
    np.testing.assert_allclose(frames.theta, whole.theta, atol=1e-8)
    dotted = scale.fit("y ~ . - g - h + (1 | g)", listed(files), executor=client)
    assert dotted.objective == pytest.approx(lmer("y ~ x + (1 | g)", data).objective, abs=1e-8)


def test_a_frame_of_dask(client, data, whole):
    dd = pytest.importorskip("dask.dataframe")
    frame = dd.from_pandas(data, npartitions=5)
    m = scale.fit(FORMULA, frame, executor=client)
    assert m.objective == pytest.approx(whole.objective, abs=1e-8)
    for fitted in (scale.fit(FORMULA, frame), lmer(FORMULA, frame)):
        assert fitted.objective == pytest.approx(whole.objective, abs=1e-8)
    # categories that every partition has for itself
    parts = [data[i * 6000 : (i + 1) * 6000].astype({"h": "category"}) for i in range(4)]
    parts = [p.assign(h=p.h.cat.reorder_categories(list(p.h.cat.categories[::-1]))) for p in parts]
    mixed = dd.from_delayed([_delayed(p) for p in parts], verify_meta=False)
    m = scale.fit(FORMULA, mixed, executor=client)
    assert m.objective == pytest.approx(whole.objective, abs=1e-8)
    with concurrent.futures.ThreadPoolExecutor(1) as pool, pytest.raises(OptionError, match="Client"):
        scale.fit(FORMULA, frame, executor=pool)


def _delayed(part):
    dask = pytest.importorskip("dask")
    return dask.delayed(part)


class Counted:
    """Rows whose reading is noted in a folder, and may end the process."""

    def __init__(self, folder: pathlib.Path, rows: pd.DataFrame, deaths: int):
        self.folder, self.rows, self.deaths = str(folder), rows, deaths

    def __call__(self):
        folder = pathlib.Path(self.folder)
        before = len(list(folder.iterdir()))
        (folder / f"{before}-{os.getpid()}").touch()
        if before < self.deaths:
            os.kill(os.getpid(), signal.SIGKILL)
        return iter([self.rows])


def pieces(data, folder, deaths):
    folder.mkdir()
    return [data[: N // 2], Counted(folder, data[N // 2 :], deaths)]


def test_a_worker_that_dies_is_replaced(client, data, whole, tmp_path):
    m = scale.fit(FORMULA, pieces(data, tmp_path / "once", 1), executor=client)
    assert m.nobs == N
    assert m.objective == pytest.approx(whole.objective, abs=1e-8)


def test_a_part_that_ends_every_worker_is_named(client, data, tmp_path):
    # one worker that ends is enough; that others try again has a test above
    client.run_on_scheduler(allow_failures, 0)
    with pytest.raises(DataError, match="part 2 of the data could not be read: the processes that read it ended"):
        scale.fit(FORMULA, pieces(data, tmp_path / "always", 99), executor=client)
    client.run_on_scheduler(allow_failures, 1)
    # the cluster is alive
    assert client.submit(int, "3").result() == 3


def allow_failures(number, dask_scheduler):
    dask_scheduler.allowed_failures = number


class Slow:
    """Rows that take longer than anybody waits, unless a file is there."""

    def __init__(self, rows, released):
        self.rows, self.released = rows, str(released)

    def __call__(self):
        for _ in range(600):
            if pathlib.Path(self.released).exists():
                break
            time.sleep(0.05)
        return iter([self.rows])


@pytest.mark.parametrize("kind", ["dask", "threads"])
def test_waiting_is_interrupted(request, data, whole, tmp_path, kind):
    pool = request.getfixturevalue("client") if kind == "dask" else concurrent.futures.ThreadPoolExecutor(2)
    released, sent, main = tmp_path / "released", [], threading.get_ident()

    def send():
        sent.append(time.monotonic())
        signal.pthread_kill(main, signal.SIGINT)

    threading.Timer(1.0, send).start()
    parts = [data[: N // 2], Slow(data[N // 2 :], released)]
    with pytest.raises(KeyboardInterrupt):
        scale.fit(FORMULA, parts, executor=pool)
    assert time.monotonic() - sent[0] < 3
    released.touch()
    assert scale.fit(FORMULA, parts, executor=pool).objective == pytest.approx(whole.objective, abs=1e-8)
    if kind == "threads":
        pool.shutdown()


def test_bad_parts_are_named_and_not_tried_again(client, data, files, tmp_path):
    def fitted(part, **options):
        part.to_parquet(tmp_path / "bad.parquet", index=False)
        return scale.fit(FORMULA, [*listed(files)[:3], str(tmp_path / "bad.parquet")], executor=client, **options)

    part = data[:100]
    for bad, words in [
        (part.assign(x="text"), "bad.parquet.*x is a factor, and numbers are needed"),
        (part.assign(g=part.g.astype(str) + "a"), "column 'g' holds numbers in .* and text in .*bad.parquet"),
        (part.drop(columns="h"), "bad.parquet.*no column 'h'"),
        (part.assign(x=np.inf), "bad.parquet.*infinite"),
    ]:
        with pytest.raises(RanefError, match=words):
            fitted(bad)
    recipe = scale.survey(FORMULA, str(files)).freeze()
    for bad, error, words in [
        (part.assign(g=part.g + 0.5), NewLevelError, "bad.parquet.*level '[0-9]+.5', which the survey did not see"),
        (part.assign(h="new"), NewLevelError, "bad.parquet.*level 'new'"),
        (part.assign(y="text"), RanefError, "bad.parquet"),
        (part.drop(columns="x"), RanefError, "bad.parquet.*no column 'x'"),
    ]:
        with pytest.raises(error, match=words):
            fitted(bad, recipe=recipe)
    tries = tmp_path / "tries"
    tries.mkdir()
    with pytest.raises(RanefError, match="no column"):
        scale.fit(FORMULA, [data, Counted(tries, part.drop(columns="h"), 0)], executor=client)
    assert len(list(tries.iterdir())) == 1


def test_parts_count_once_on_the_cluster(client, files):
    twice = [*listed(files), listed(files)[4]]
    with pytest.raises(DataError, match=r"part4\.parquet' is listed twice"):
        scale.fit(FORMULA, twice, executor=client)


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_executors_give_the_same_bits(files, method):
    alone = scale.fit(FORMULA, listed(files)[:4])
    context = multiprocessing.get_context(method)
    with concurrent.futures.ProcessPoolExecutor(2, mp_context=context) as pool:
        m = scale.fit(FORMULA, listed(files)[:4], executor=pool)
        assert m.theta.tolist() == alone.theta.tolist()
        assert m.objective == alone.objective
        if method == "spawn":
            with pytest.raises(RanefError, match=r"ickl"):
                scale.fit(FORMULA, [lambda: iter([])], executor=pool)


def test_threads_and_what_is_no_executor(data, files, tmp_path):
    alone = scale.fit(FORMULA, str(files))
    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        m = scale.fit(FORMULA, str(files), executor=pool)
        assert m.theta.tolist() == alone.theta.tolist()
        with pytest.raises(DataError, match="listed twice"):
            scale.fit(FORMULA, [listed(files)[0]] * 2, executor=pool)
    with pytest.raises(RanefError, match="executor is a int"):
        scale.fit(FORMULA, str(files), executor=3)
    fork = multiprocessing.get_context("fork")
    with (
        concurrent.futures.ProcessPoolExecutor(1, mp_context=fork) as pool,
        pytest.raises(OptionError, match=r"get_context\('spawn'\)"),
    ):
        scale.fit(FORMULA, str(files), executor=pool)


def test_a_process_that_dies_is_an_error(data, tmp_path):
    context = multiprocessing.get_context("spawn")
    with (
        concurrent.futures.ProcessPoolExecutor(1, mp_context=context) as pool,
        pytest.raises(DataError, match="a process of the executor ended"),
    ):
        scale.fit(FORMULA, pieces(data, tmp_path / "dead", 99), executor=pool)


def test_the_sums_of_a_folder_of_another_format(data, whole, files, tmp_path):
    import pyarrow.dataset

    for part in listed(files)[:5]:
        pd.read_parquet(part).to_csv(tmp_path / f"{pathlib.Path(part).stem}.csv", index=False)
    alone = scale.fit(FORMULA, listed(files)[:5])
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        m = scale.fit(FORMULA, str(tmp_path / "*.csv"), executor=pool)
        assert m.objective == pytest.approx(alone.objective, abs=1e-7)
        dataset = pyarrow.dataset.dataset(files)
        for source in (dataset, [dataset], data):
            m = scale.fit(FORMULA, source, executor=pool)
            assert m.objective == pytest.approx(whole.objective, abs=1e-8)
        recipe = scale.survey(FORMULA, dataset).freeze()
        m = scale.fit(FORMULA, dataset, executor=pool, recipe=recipe)
        assert m.theta.tolist() == scale.fit(FORMULA, dataset).theta.tolist()
        with pytest.raises(DataError, match="another formula"):
            scale.fit("y ~ x + (1 | g)", dataset, executor=pool, recipe=recipe)
