"""Terms at positions that are fitted as a correlation of the rows: the same fit, in less time."""

import numpy as np
import pandas as pd
import pytest

from ranef import lmer
from ranef.fit.correlated import at_positions

pytestmark = pytest.mark.filterwarnings("ignore::ranef.RanefWarning")


def growth(seed: int, groups: int = 24) -> pd.DataFrame:
    """Some rows at times of each group's own."""
    draw = np.random.default_rng(seed)
    parts = []
    for g in range(groups):
        t = np.sort(draw.choice(np.arange(0, 12, 0.25), 5, replace=False))
        c = 1.5 * np.exp(-np.abs(t[:, None] - t) / 3.0)
        y = (
            5
            + t * (1 + 0.3 * draw.standard_normal())
            + np.linalg.cholesky(c + 1e-9 * np.eye(5)) @ draw.standard_normal(5)
            + 1.0 * draw.standard_normal(5)
        )
        parts.append(pd.DataFrame({"g": f"g{g}", "t": t, "y": y, "level": draw.standard_normal()}))
    data = pd.concat(parts, ignore_index=True)
    data["rater"] = draw.choice(list("abcdefg"), len(data))
    data["y"] += data["level"] + data["rater"].map(dict(zip("abcdefg", draw.standard_normal(7), strict=True)))
    return data


@pytest.mark.parametrize("reml", [True, False])
@pytest.mark.parametrize(
    "term",
    [
        "exp(0 + t | g)",
        "gau(0 + t | g)",
        "mat(0 + t | g)",
        "exp(0 + t | g) + (1 | rater)",
        "exp(0 + t | g) + (0 + t | g)",
    ],
)
def test_it_is_the_fit_of_effects(term: str, reml: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    data = growth(3)
    taken = []

    own = at_positions.found_as_correlation

    def watched(*given: object) -> object:
        taken.append(own(*given))  # type: ignore[arg-type]
        return taken[-1]

    monkeypatch.setattr(at_positions, "found_as_correlation", watched)
    quick = lmer(f"y ~ t + {term}", data, REML=reml)
    assert len(taken) == 1
    assert taken[0] is not None
    monkeypatch.setattr(at_positions, "with_smaller_blocks", lambda design: None)
    slow = lmer(f"y ~ t + {term}", data, REML=reml)
    assert len(taken) == 1
    assert quick.objective <= slow.objective + 1e-6
    assert quick.objective == pytest.approx(slow.objective, abs=1e-5)
    assert quick.convergence.ok
    assert quick.theta.to_numpy() == pytest.approx(slow.theta.to_numpy(), abs=2e-3)
    assert quick.sigma == pytest.approx(slow.sigma, rel=1e-4)
    assert quick.fixef.to_numpy() == pytest.approx(slow.fixef.to_numpy(), rel=1e-4)
    assert quick.df.to_numpy() == pytest.approx(slow.df.to_numpy(), rel=1e-2)
    assert quick.fittedvalues.to_numpy() == pytest.approx(slow.fittedvalues.to_numpy(), abs=1e-3)


def test_the_criterion_is_that_of_dense_algebra() -> None:
    data = growth(5)
    m = lmer("y ~ t + exp(0 + t | g)", data, REML=False)
    sd, log_range = m.theta
    t, g = data["t"].to_numpy(), data["g"].to_numpy()
    c = np.where(g[:, None] == g, np.exp(-np.abs(t[:, None] - t) / np.exp(log_range)), 0.0)
    v = m.sigma**2 * (np.eye(len(t)) + sd**2 * c)
    e = data["y"].to_numpy() - m.fixef["(Intercept)"] - m.fixef["t"] * t
    deviance = len(t) * np.log(2 * np.pi) + np.linalg.slogdet(v)[1] + e @ np.linalg.solve(v, e)
    assert m.objective == pytest.approx(deviance, abs=1e-6)


def test_where_it_is_not_taken() -> None:
    """Weights of rows are those of the residual alone; few positions need no other way; without a
    variance the search among effects sees the boundary.
    """
    data = growth(7)
    plain = lmer("y ~ t + exp(0 + t | g)", data)
    weighed = lmer("y ~ t + exp(0 + t | g)", data, weights=np.full(len(data), 2.0))
    assert weighed.objective == pytest.approx(plain.objective, abs=1e-4)
    assert at_positions.with_smaller_blocks(plain._fit.design) == 0
    assert at_positions.with_smaller_blocks(weighed._fit.design) is None
    draw = np.random.default_rng(1)
    none = data.assign(y=data["t"] + draw.standard_normal(len(data)))
    m = lmer("y ~ t + exp(0 + t | g)", none)
    assert m.convergence.ok
    assert m.objective <= lmer("y ~ t + (1 | g)", none).objective + 0.01
