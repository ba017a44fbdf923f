"""Random grouping factors, covariates and random effects:
what the data of linear and of generalized cases share.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

Rng = np.random.Generator

NUMBERS = ("x", "z", "k")
FACTORS = ("f", "b")


def log_uniform(rng: Rng, low: float, high: float, size: int | None = None) -> np.ndarray | float:
    """Powers of ten with exponents between ``low`` and ``high``."""
    return 10.0 ** rng.uniform(low, high, size)


def uneven(rng: Rng, n: int, levels: int) -> np.ndarray:
    """A level for each of n rows, with sizes that differ,
    every level at least once where there are rows enough.
    """
    shares = rng.dirichlet(np.full(levels, rng.choice([0.5, 2.0, 50.0])))
    codes = rng.choice(levels, n, p=shares)
    first = rng.permutation(n)[: min(levels, n)]
    codes[first] = np.arange(len(first))
    return codes


def groups(rng: Rng, n: int, few: bool = False, single: bool = False) -> dict[str, np.ndarray]:
    """Codes of four grouping factors: g; h nested in g; s crossed with it; i partially crossed.

    Parameters
    ----------
    rng : Generator
    n : int
        Rows.
    few : bool
        Whether there are two or three levels only.
    single : bool
        Whether most levels of g have one row.
    """
    top = 3 if few else max(4, min(25, n // 3))
    levels = int(rng.integers(2, top + 1))
    g = uneven(rng, n, levels)
    if single:
        alone = rng.random(n) < 0.6
        g = np.where(alone, levels + np.arange(n), g)
    within = int(rng.integers(2, 4))
    h = g * within + rng.integers(0, within, n)
    s = uneven(rng, n, int(rng.integers(2, top + 1)))
    i = (g + np.where(rng.random(n) < 0.3, rng.integers(1, 4, n), 0)) // 2
    return {"g": g, "h": h, "s": s, "i": i}


def covariates(rng: Rng, n: int, codes: dict[str, np.ndarray]) -> pd.DataFrame:
    """Columns x, z (numbers, partly constant in groups), k (whole numbers),
    p (positive), f and b (factors), and the grouping factors as text.
    """
    x = rng.normal(size=n)
    if rng.random() < 0.3:
        x += float(rng.choice([0.5, 2.0, 8.0])) * rng.normal(size=codes["g"].max() + 1)[codes["g"]]
    z = rng.normal(size=n) if rng.random() < 0.7 else rng.normal(size=codes["s"].max() + 1)[codes["s"]]
    frame = {
        "x": x,
        "z": z,
        "k": rng.integers(0, 7, n).astype(float),
        "p": np.exp(rng.normal(size=n)),
        "o": rng.normal(size=n),
        "f": np.array(["u", "v", "w"])[rng.permutation(np.arange(n) % 3)],
        "b": np.array(["no", "yes"])[rng.permutation(np.arange(n) % 2)],
    }
    return pd.DataFrame({**frame, **{name: [f"{name}{c}" for c in c_] for name, c_ in codes.items()}})


@dataclass(frozen=True, slots=True)
class RandomPart:
    """A random term as text, and what it stands for: the grouping factor and its effects."""

    text: str
    group: str
    effects: tuple[str, ...]


def random_part(rng: Rng, group: str, plain: bool = False) -> list[RandomPart]:
    """A random term, or a few that belong together, on one grouping factor."""
    numbers = [str(v) for v in rng.permutation(NUMBERS)]
    a, b = numbers[:2]
    styles = ["(1 | {g})"] if plain else _STYLES
    style = str(rng.choice(styles))
    text = style.format(g=group, a=a, b=b, f=str(rng.choice(FACTORS)))
    effects = tuple(
        e for e in ("1", *NUMBERS, *FACTORS) if e in text.split("|")[0].replace("(", " ").split() or e == "1"
    )
    return [RandomPart(text, group, effects)]


_STYLES = (
    *["(1 | {g})"] * 6,
    *["({a} | {g})"] * 4,
    *["({a} || {g})"] * 3,
    "(0 + {a} | {g})",
    "(1 | {g}) + (0 + {a} | {g})",
    "({a} + {b} | {g})",
    "({a} + {b} || {g})",
    "(x + z + k | {g})",
    "diag(1 + {a} + {b} | {g})",
    "diag({f} | {g})",
    "({f} | {g})",
    "(0 + {f} | {g})",
    "({f} + {a} | {g})",
    "(0 + {a} + {b} | {g})",
    "(I({a}^2) | {g})",
)


def random_parts(rng: Rng, most: int = 4, plain: bool = False) -> list[RandomPart]:
    """Random terms on one to four grouping factors,
    of which the third and fourth have an intercept only; or all, if ``plain``.
    """
    count = min(most, int(rng.choice([1, 2, 3, 4], p=[0.5, 0.3, 0.13, 0.07])))
    chosen = [str(v) for v in rng.permutation(["g", "h", "s", "i"])][:count]
    if count == 1 and rng.random() < 0.7:
        chosen = ["g"]
    if count == 2 and rng.random() < 0.3:
        return [RandomPart("(1 | g/h)", "g", ("1",)), RandomPart("", "h", ("1",))]
    return [part for place, name in enumerate(chosen) for part in random_part(rng, name, plain or place > 1)]


def fixed_part(rng: Rng, simple: bool = False) -> str:
    """The fixed terms of a formula."""
    pool = [
        "x",
        "z",
        "k",
        "f",
        "b",
        "x:f",
        "x * b",
        "I(x^2)",
        "poly(z, 2)",
        "ns(z, df = 3)",
        "log(p)",
        "sqrt(p)",
        "x * z",
    ]
    count = int(rng.integers(0, 2 if simple else 4))
    chosen = [str(v) for v in rng.choice(pool, count, replace=False)]
    if rng.random() < 0.08:
        chosen.append("offset(o)")
    if rng.random() < 0.08:
        chosen.insert(0, "0")
    elif not chosen:
        chosen.append("1")
    return " + ".join(chosen)


def effect_columns(data: pd.DataFrame, effects: tuple[str, ...]) -> np.ndarray:
    """The columns (n, k) of a random term's effects, numbers at a root mean square of one."""
    columns = []
    for e in effects:
        if e == "1":
            columns.append(np.ones(len(data)))
        elif e in FACTORS:
            columns.extend((data[e] == v).to_numpy(float) for v in sorted(data[e].unique())[1:])
        else:
            v = data[e].to_numpy(float)
            columns.append(v / np.sqrt(np.mean(v**2)))
    return np.column_stack(columns)


def drawn_effects(rng: Rng, data: pd.DataFrame, part: RandomPart, low: float, high: float) -> np.ndarray:
    """The contribution (n,) of a random term,
    with standard deviations of ten to the power of ``low`` to ``high``, a quarter of them zero.
    """
    z = effect_columns(data, part.effects)
    k = z.shape[1]
    sd = np.asarray(log_uniform(rng, low, high, k)) * (rng.random(k) > 0.25)
    root = rng.normal(size=(k, k)) if rng.random() < 0.7 else np.eye(k)
    root /= np.linalg.norm(root, axis=1, keepdims=True)
    codes = pd.factorize(data[part.group])[0]
    effects = rng.normal(size=(codes.max() + 1, k)) @ root.T * sd
    return np.sum(z * effects[codes], axis=1)
