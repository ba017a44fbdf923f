"""Coverage of intervals and size of tests, by simulation from models with few groups.

    python -m benchmarks.coverage [--simulations 1000] [--output benchmarks/results_coverage.md]

Responses are drawn from ``y ~ x + w + (x | g)`` with a covariate ``x`` within groups, ``w`` between
them, five rows a group, and both effects zero. Wald intervals and tests see all draws, profiles and
bootstraps the first fifth of them. Intervals that were not found count as not covering.
"""

import argparse
import time
import warnings
from collections import defaultdict
from pathlib import Path

import numpy as np
import pandas as pd

import ranef
from ranef.results.linear import LinearMixedModel

ROWS = 5
SDS, CORRELATION, SIGMA = (1.0, 0.5), 0.3, 1.0
FORMULA = "y ~ x + w + (x | g)"
EFFECTS = ("x", "w")
SLOPE = "sd_x|g"
BOOTSTRAPS = 400


def design(groups: int) -> dict[str, np.ndarray]:
    """Columns of a balanced design."""
    g = np.repeat(np.arange(groups), ROWS)
    return {"x": np.tile(np.linspace(-1, 1, ROWS), groups), "w": np.linspace(-1, 1, groups)[g], "g": g}


def response(data: dict[str, np.ndarray], groups: int, rng: np.random.Generator) -> np.ndarray:
    """One response with effects of zero."""
    covariance = np.outer(SDS, SDS) * np.array([[1, CORRELATION], [CORRELATION, 1]])
    b = rng.multivariate_normal(np.zeros(2), covariance, size=groups)[data["g"]]
    return b[:, 0] + b[:, 1] * data["x"] + SIGMA * rng.normal(size=len(data["g"]))


def covers(limits: pd.DataFrame, name: str, truth: float) -> bool:
    """Whether an interval holds the truth."""
    return bool(limits.loc[name, "lower"] <= truth <= limits.loc[name, "upper"])


def one(m: LinearMixedModel, seed: int, thorough: bool, hits: dict[tuple[str, str, str], list[bool]]) -> None:
    """Add what one fit says."""
    for ddf, label in (
        ("none", "Wald, normal"),
        ("satterthwaite", "Satterthwaite"),
        ("kenward-roger", "Kenward-Roger"),
    ):
        limits = m.conf_int(ddf=ddf)
        for effect in EFFECTS:
            held = covers(limits, effect, 0.0)
            hits["coverage", effect, label].append(held)
            hits["size", effect, label].append(not held)
    ml = m.update(REML=False)
    for effect in EFFECTS:
        p = m.drop1(scope=effect).loc[effect, "p_value"]
        hits["size", effect, "likelihood ratio"].append(bool(p < 0.05))
    if not thorough:
        return
    kinds = {
        "profile": m.conf_int("profile"),
        "bootstrap, percentile": m.bootstrap(BOOTSTRAPS, rng=seed).conf_int("percentile"),
        "bootstrap, ML fit, percentile": ml.bootstrap(BOOTSTRAPS, rng=seed).conf_int("percentile"),
    }
    for label, limits in kinds.items():
        for effect in EFFECTS:
            hits["coverage", effect, label].append(covers(limits, effect, 0.0))
        hits["coverage", SLOPE, label].append(covers(limits, SLOPE, SDS[1]))


def run(groups: int, simulations: int, seed: int) -> pd.DataFrame:
    """Shares for one number of groups."""
    rng, data = np.random.default_rng(seed), design(groups)
    hits: dict[tuple[str, str, str], list[bool]] = defaultdict(list)
    for i in range(simulations):
        m = ranef.lmer(FORMULA, {**data, "y": response(data, groups, rng)}, n_threads=1)
        one(m, i, i < simulations // 5, hits)
    rows = [(*key, groups, np.mean(v), np.sqrt(np.mean(v) * (1 - np.mean(v)) / len(v))) for key, v in hits.items()]
    return pd.DataFrame(rows, columns=["what", "parameter", "method", "groups", "share", "error"])


def tables(found: pd.DataFrame) -> str:
    """Markdown."""
    titles = {
        "coverage": "Share of 95 % intervals that hold the truth",
        "size": "Share of true hypotheses rejected at 5 %",
    }
    out = []
    for what, title in titles.items():
        part = found[found["what"] == what]
        groups = sorted(part["groups"].unique())
        out += [f"## {title}", "", f"| parameter | method | {' | '.join(f'{g} groups' for g in groups)} |"]
        out.append(f"| --- | --- | {' | '.join('---:' for _ in groups)} |")
        for (parameter, method), block in part.groupby(["parameter", "method"], sort=False):
            cells = block.set_index("groups")
            shown = " | ".join(f"{100 * cells.share[g]:.1f} ± {100 * cells.error[g]:.1f}" for g in groups)
            out.append(f"| `{parameter.replace('|', chr(92) + '|')}` | {method} | {shown} |")
        out.append("")
    return "\n".join(out)


def main() -> None:
    """Simulate and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--simulations", type=int, default=1000)
    parser.add_argument("--groups", type=int, nargs="*", default=[6, 12, 30])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    started = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ranef.RanefWarning)
        found = pd.concat([run(g, options.simulations, options.seed + g) for g in options.groups])
    text = (
        f"# Coverage of intervals and size of tests\n\n{options.simulations} responses for each number of groups from "
        f"`{FORMULA}`, five rows a group, both effects zero, standard deviations of intercepts {SDS[0]} and slopes "
        f"{SDS[1]}, correlation {CORRELATION}, residual {SIGMA}; profiles and bootstraps ({BOOTSTRAPS} replicates "
        f"each) for the first fifth. Behind ± one standard error. Seed {options.seed}; "
        "`python -m benchmarks.coverage` "
        "makes this again.\n\n" + tables(found)
    )
    print(text, f"\n{time.perf_counter() - started:.0f} s")
    if options.output is not None:
        options.output.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
