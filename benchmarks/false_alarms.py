"""False alarms of ``m.check()``: how often it finds fault with models that are correct.

    python -m benchmarks.false_alarms [--designs 210] [--responses 3] [--output FILE]

Every design is drawn at random: linear, Poisson, binomial (0/1 and trials), negative binomial or
Gamma; random intercepts, correlated slopes, two crossed factors or nested ones; 8 to 3,000 groups
of 3 to 500 rows, equal or not, 12,000 rows at most; covariates within groups (normal, skewed,
two-valued) and between them; some with weights or an offset. Responses are drawn from the model
that is then fitted to them, so that whatever is called is a false alarm.

A second table has the power for one fault, the square of a covariate that is left out, by its share
of the variance that the model leaves.
"""

import argparse
import itertools
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import ranef
from ranef.diagnostics.bend import bend as find_bend
from ranef.diagnostics.chance import ALPHA
from ranef.diagnostics.check import check

FAMILIES = ("linear", "linear", "poisson", "binary", "binomial", "nbinom2", "gamma")
STRUCTURES = ("intercept", "slope", "crossed", "nested")
MOST_ROWS = 12_000


class Case:
    """A design and its truth, from a number."""

    def __init__(self, number: int):
        self.number = number
        rng = np.random.default_rng(1000 + number)
        self.family = FAMILIES[number % len(FAMILIES)]
        self.structure = STRUCTURES[int(rng.integers(len(STRUCTURES)))]
        groups = int(np.exp(rng.uniform(np.log(8), np.log(3000))))
        size = int(np.exp(rng.uniform(np.log(3), np.log(min(500, max(4, MOST_ROWS // groups))))))
        sizes = np.full(groups, size) if rng.random() < 0.5 else 2 + rng.poisson(rng.gamma(2, (size - 2) / 2, groups))
        g = np.repeat(np.arange(groups), sizes)
        n = len(g)
        within = (rng.normal(size=n), rng.exponential(size=n) - 1, rng.choice([-1.0, 1.0], n))[int(rng.integers(3))]
        # half of the covariates within groups also differ between them
        if rng.random() < 0.5:
            within = within + rng.normal(size=groups)[g]
        between = (rng.normal(size=groups), rng.exponential(size=groups) - 1)[int(rng.integers(2))][g]
        self.data: dict[str, Any] = {"g": g.astype(str), "x": within, "w": between}
        self.fixed = 0.5 * within + 0.4 * between
        self.sd = float(rng.choice([0.2, 0.5, 1.0]))
        self.codes = [(g, np.ones(n), self.sd)]
        random = "(1 | g)"
        if self.structure == "slope":
            random = "(x | g)"
            self.codes.append((g, within, 0.3))
        elif self.structure == "crossed":
            item = rng.integers(0, int(rng.integers(8, 40)), n)
            self.data["item"] = item.astype(str)
            random = "(1 | g) + (1 | item)"
            self.codes.append((item, np.ones(n), 0.4))
        elif self.structure == "nested":
            parts = max(2, min(10, size // 4))
            unit = g * parts + rng.integers(0, parts, n)
            self.data["unit"] = unit.astype(str)
            random = "(1 | g) + (1 | unit)"
            self.codes.append((unit, np.ones(n), 0.4))
        self.formula = f"y ~ x + w + {random}"
        self.offset = np.zeros(n)
        if self.family in ("linear", "poisson", "nbinom2") and rng.random() < 0.3:
            self.offset = np.log(rng.uniform(0.5, 4, n))
            self.data["time"] = np.exp(self.offset)
            self.formula += " + offset(np.log(time))" if self.family == "linear" else " + offset(log(time))"
            self.formula = self.formula.replace("np.log", "log")
        self.weights = rng.uniform(0.2, 4, n) if self.family == "linear" and rng.random() < 0.4 else np.ones(n)
        self.trials = rng.integers(2, 12, n)
        self.level = float(rng.uniform(-0.5, 1.5))
        self.shape = float(rng.uniform(1.0, 5.0))

    def eta(self, rng: np.random.Generator) -> np.ndarray:
        """A linear predictor with random effects drawn anew."""
        eta = self.level + self.fixed + self.offset
        for codes, z, sd in self.codes:
            eta = eta + sd * rng.normal(size=codes.max() + 1)[codes] * z
        return eta

    def fitted(self, seed: int, extra: "np.ndarray | float" = 0.0) -> Any:
        """A fit of the model to a response that it made (``extra`` is a fault)."""
        rng = np.random.default_rng((self.number, seed))
        eta, n = self.eta(rng) + extra, len(self.fixed)
        data = dict(self.data)
        if self.family == "linear":
            data["y"] = eta + rng.normal(size=n) / np.sqrt(self.weights)
            given = None if np.all(self.weights == 1) else self.weights
            return ranef.lmer(self.formula, data, weights=given, n_threads=1)
        mu = np.exp(eta)
        if self.family == "poisson":
            data["y"], family = rng.poisson(mu), "poisson"
        elif self.family == "nbinom2":
            data["y"], family = rng.poisson(mu * rng.gamma(self.shape, 1 / self.shape, n)), ranef.NegativeBinomial()
        elif self.family == "gamma":
            data["y"], family = mu * rng.gamma(self.shape, 1 / self.shape, n), ranef.Gamma("log")
        else:
            p, family = 1 / (1 + np.exp(-eta)), "binomial"
            if self.family == "binary":
                data["y"] = rng.binomial(1, p)
            else:
                data["y"], data["n"] = rng.binomial(self.trials, p), self.trials
                return ranef.glmer(self.formula.replace("y ~", "cbind(y, n - y) ~"), data, family=family, n_threads=1)
        return ranef.glmer(self.formula, data, family=family, n_threads=1)


#: Verdicts by the kind of picture; statistics go by their title.
VERDICTS = {
    "residuals": "bend",
    "scale": "uneven spread of residuals",
    "residual_quantiles": "residuals not normal",
    "effect_quantiles": "random effects not normal",
    "influence": "influential group",
    "distribution": "distribution of the response",
    "uniform_quantiles": "distribution of simulated residuals",
    "calibration": "probabilities off",
    "Spread of the responses": "over- or underdispersion",
    "Zeros": "number of zeros",
    "Levels with only 0 or only 1": "levels with only 0 or only 1",
}
ANY = "any of them"

#: Rows and rows a group, and shares of the variance, for which power is found.
POWER_DESIGNS = ((300, 10), (1000, 10), (3000, 10))
SHARES = (0.0, 0.01, 0.02, 0.05)


def alarms(designs: int, responses: int) -> tuple[pd.DataFrame, list[float]]:
    """Rows ``kind, verdict, called, concern``, one for each verdict on each response; seconds that
    each check took.
    """
    rows, seconds = [], []
    for number in range(designs):
        case = Case(number)
        kind = "linear" if case.family == "linear" else "generalized"
        for seed in range(responses):
            m = case.fitted(seed)
            started = time.process_time()
            parts = check(m._fit, seed)
            seconds.append(time.process_time() - started)
            tested = [p for p in parts if p.finding.p_value is not None]
            found = [(VERDICTS.get(p.kind) or VERDICTS[p.title], p.finding) for p in tested]
            rows += [(kind, name, f.p_value < ALPHA, f.concern) for name, f in found]
            rows.append((kind, ANY, any(r.p_value < ALPHA for _, r in found), any(r.concern for _, r in found)))
    return pd.DataFrame(rows, columns=["kind", "verdict", "called", "concern"]), seconds


def power(simulations: int) -> pd.DataFrame:
    """Shares of responses in which a missing square is called a bend."""
    rows = []
    for (n, size), between in itertools.product(POWER_DESIGNS, (False, True)):
        for share in SHARES:
            rng = np.random.default_rng((n, between, int(1000 * share)))
            called = []
            for _ in range(simulations):
                g = np.repeat(np.arange(n // size), size)
                x = rng.normal(size=n // size)[g] if between else rng.normal(size=n)
                # The square has the variance 2; random intercepts the variance 0.5, residuals 1.
                bend = np.sqrt(share / (1 - share) * 1.5 / 2) * (x**2 - 1)
                y = x + bend + np.sqrt(0.5) * rng.normal(size=n // size)[g] + rng.normal(size=n)
                m = ranef.lmer("y ~ x + (1 | g)", {"y": y, "x": x, "g": g}, n_threads=1)
                found = find_bend(m._fit)
                called.append(found is not None and found.p_value < ALPHA)
            rows.append((n, "between groups" if between else "within groups", share, np.mean(called)))
    return pd.DataFrame(rows, columns=["rows", "covariate", "share", "power"])


def alarm_table(found: pd.DataFrame) -> str:
    """Markdown."""
    lines = [
        "| models | verdict | responses | called (p < 0.01) | calls for caution |",
        "| --- | --- | ---: | ---: | ---: |",
    ]
    for (kind, verdict), part in found.groupby(["kind", "verdict"], sort=False):
        shares = [
            f"{100 * part[c].mean():.1f} ± {100 * part[c].std() / np.sqrt(len(part)):.1f} %"
            for c in ("called", "concern")
        ]
        lines.append(f"| {kind} | {verdict} | {len(part)} | {shares[0]} | {shares[1]} |")
    return "\n".join(lines)


def power_table(found: pd.DataFrame) -> str:
    """Markdown."""
    lines = [
        f"| rows | covariate | {' | '.join(f'{100 * s:g} %' for s in SHARES)} |",
        f"| ---: | --- | {' | '.join('---:' for _ in SHARES)} |",
    ]
    for (rows, covariate), part in found.groupby(["rows", "covariate"], sort=False):
        lines.append(f"| {rows} | {covariate} | {' | '.join(f'{100 * p:.0f} %' for p in part['power'])} |")
    return "\n".join(lines)


def main() -> None:
    """Simulate and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--designs", type=int, default=210)
    parser.add_argument("--responses", type=int, default=3)
    parser.add_argument("--power", type=int, default=200, help="responses for each power")
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ranef.RanefWarning)
        found, seconds = alarms(options.designs, options.responses)
        powers = power(options.power)
    text = (
        f"# False alarms of m.check()\n\n{options.responses} responses from each of {options.designs} random designs "
        "of correct models; behind ± one standard error. `python -m benchmarks.false_alarms` makes this again. "
        "A check "
        f"took {np.median(seconds):.2f} s of one processor at the median and {np.quantile(seconds, 0.95):.2f} s at the "
        f"95th percentile.\n\n{alarm_table(found)}\n\n# Power for a missing square\n\nShare of {options.power} "
        "responses in which a bend is called (p < 0.01), by the share of the square in the variance that the model "
        f"leaves; ten rows a group.\n\n{power_table(powers)}\n"
    )
    print(text)
    if options.output is not None:
        options.output.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
