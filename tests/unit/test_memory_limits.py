"""What would take more memory than is allowed is refused by an error of ours, whatever stage of a
fit or of what follows it would take it, and the process goes on."""

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from ranef import errors, glmer, lmer, scale
from ranef.design.memory import available_memory, memory_limit
from ranef.fit.control import parse_control

MB = 1e6


def crossed(n: int, users: int, films: int, x: int = 0, seed: int = 1) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    data = {"user": rng.integers(users, size=n), "film": rng.integers(films, size=n)}
    y = rng.normal(size=users)[data["user"]] + rng.normal(size=films)[data["film"]] + rng.normal(size=n)
    columns = {f"x{j}": rng.normal(size=n) for j in range(x)}
    return pd.DataFrame({"y": y, **data, **columns})


@pytest.mark.parametrize(
    ("value", "bytes_"),
    [("4 GiB", 4 * 2**30), ("1.5GB", 1.5e9), ("200 mb", 200e6), ("1000", 1000.0), (5_000_000, 5e6), (None, None)],
)
def test_sizes_are_read(value: Any, bytes_: float | None) -> None:
    assert parse_control({"memory": value}).memory == bytes_


@pytest.mark.parametrize("value", ["much", "4 GX", "-1 GB", 0, -5, float("nan"), "", "1e3 GB"])
def test_other_sizes_are_refused(value: Any) -> None:
    with pytest.raises(errors.OptionError, match="memory"):
        parse_control({"memory": value})


def test_size_of_another_type() -> None:
    with pytest.raises(errors.ArgumentTypeError, match="'4 GiB'"):
        parse_control({"memory": [1]})


def test_what_is_left_is_counted_from_what_is_held() -> None:
    with memory_limit(200 * MB):
        before = available_memory()
        assert before is not None
        assert before <= 200 * MB
        block = np.ones(int(10 * MB))  # 80 MB
        after = available_memory()
        assert after is not None
        assert before - after > 70 * MB
        del block
    free = available_memory()
    assert free is None or free != before


def refused(call: Callable[[], object], what: str) -> errors.MemoryLimitError:
    with pytest.raises(errors.MemoryLimitError, match=what) as found:
        call()
    assert isinstance(found.value, MemoryError)
    return found.value


def test_columns() -> None:
    data = crossed(20_000, 50, 40, x=250)
    formula = "y ~ " + " + ".join(f"x{j}" for j in range(250)) + " + (1 | user)"
    refused(lambda: lmer(formula, data, control={"memory": "10 MB"}), "251 columns")


def test_sums() -> None:
    data = crossed(50_000, 20_000, 40, x=90)
    formula = "y ~ " + " + ".join(f"x{j}" for j in range(90)) + " + (1 | user)"
    problem = refused(lambda: lmer(formula, data, control={"memory": "55 MB"}), "products of 18332 random effects")
    assert problem.needed is not None
    assert problem.available is not None
    assert problem.needed > problem.available


def test_factor() -> None:
    data = crossed(30_000, 3_000, 2_500)
    control = {"memory": "40 MB", "solver": "exact"}
    problem = refused(lambda: lmer("y ~ 1 + (1 | user) + (1 | film)", data, control=control), "dense part of order")
    assert problem.needed is not None
    assert problem.needed > 40 * MB


def test_probes() -> None:
    data = crossed(30_000, 8_000, 6_000)
    control = {"memory": "3 MB", "solver": "iterative"}
    refused(lambda: lmer("y ~ 1 + (1 | user) + (1 | film)", data, control=control), "random effects|rows")


def test_generalized_factor() -> None:
    data = crossed(20_000, 2_500, 2_000)
    data["y"] = (data.y > 0).astype(int)
    control = {"memory": "20 MB", "solver": "exact"}
    call = lambda: glmer("y ~ 1 + (1 | user) + (1 | film)", data, family="binomial", control=control)  # noqa: E731
    refused(call, "dense part of order")


AFTER: dict[str, tuple[Callable[[Any], object], str]] = {
    "Kenward-Roger": (lambda m: m.anova(ddf="kenward-roger"), "dense matrices of order"),
    "conditional variances": (lambda m: m.ranef(condvar=True), "conditional covariances"),
    "groups left out": (lambda m: m.influence(by="user"), "left out|leverages|factor of"),
    "bootstrap": (lambda m: m.bootstrap(2, rng=1), "factor of"),
}


@pytest.mark.parametrize("what", AFTER)
def test_after_the_fit(what: str) -> None:
    """The limit of the fit holds for what is asked of the model; here it is made smaller, as the
    fit needs more than what follows.
    """
    rng = np.random.default_rng(2)
    data = crossed(4_000, 300, 200)
    data["x"] = rng.normal(size=len(data))
    data["y"] += rng.normal(size=300)[data.user] * data.x
    call, message = AFTER[what]
    m = lmer("y ~ x + (x | user) + (1 | film)", data, control={"memory": "1 GB"})
    with memory_limit(5e3):
        refused(lambda: call(m), message)
    assert m.sigma > 0
    call(m)


def test_limit_of_the_address_space() -> None:
    """Where the process may not take more, a refused allocation does not end it."""
    script = """
import resource
import numpy as np, pandas as pd
from ranef import errors, lmer, load_dataset
small = load_dataset("penicillin")
m = lmer("diameter ~ 1 + (1 | plate) + (1 | sample)", small)
rng = np.random.default_rng(1)
n = 40_000
data = pd.DataFrame({"y": rng.normal(size=n), "a": rng.integers(7_000, size=n), "b": rng.integers(6_000, size=n)})
held = int(open("/proc/self/statm").read().split()[0]) * 4096
resource.setrlimit(resource.RLIMIT_AS, (held + 200_000_000,) * 2)
try:
    lmer("y ~ 1 + (1 | a) + (1 | b)", data, control={"solver": "exact"}, n_threads=1)
except errors.MemoryLimitError as problem:
    print(problem.available < 2.1e8 < problem.needed)
print(abs(lmer("diameter ~ 1 + (1 | plate) + (1 | sample)", small).objective - m.objective) < 1e-9)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["True", "True"], done.stderr


def test_streamed_stages() -> None:
    """The sums before there are any, cells while they come, rows of the iterative solver."""
    rng = np.random.default_rng(1)
    n = 120_000
    data = pd.DataFrame({"user": rng.integers(60_000, size=n), "film": rng.integers(50_000, size=n)})
    for j in range(20):
        data[f"x{j}"] = rng.normal(size=n)
    data["y"] = rng.normal(size=50_000)[data.film] + rng.normal(size=n)
    parts = [data[i::4] for i in range(4)]
    many = "y ~ " + " + ".join(f"x{j}" for j in range(20)) + " + (1 | user)"
    problem = refused(lambda: scale.fit(many, parts, control={"memory": "15 MB"}), r"sums of \d+ random effects")
    assert problem.needed is not None
    assert problem.needed > 15 * MB
    dense = data[["y", "user", "film"]].assign(user=data.user % 400, film=data.film % 300)
    recipe = scale.survey("y ~ 1 + (1 | user) + (1 | film)", dense).freeze()
    sums = scale.Statistic(recipe)
    with memory_limit(1e6):
        refused(lambda: sums.update(dense), "pairs of levels that occur together")
    assert sums.n == 0
    crossed = "y ~ x1 + (1 | user) + (1 | film)"
    control = {"memory": "10 MB", "solver": "iterative"}
    refused(lambda: scale.fit(crossed, parts, control=control), "vectors of|levels of")
    assert scale.fit("y ~ x1 + (1 | film)", parts).nobs == n
