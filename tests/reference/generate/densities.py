"""Log densities and their derivatives to third order in 50-digit arithmetic, which
tests/agreement/test_density_values.py compares with.

usage: python tests/reference/generate/densities.py

Needs mpmath. Every density is written from its textbook formula, with the linear predictors as
variables; derivatives are mpmath's. Points are ordinary ones and extremes: means near zero and
large, dispersions near their limits, powers near 1 and 2, degrees of freedom near 2 and many.
Writes tests/reference/densities.json and its checksum.
"""

import hashlib
import itertools
import json
import pathlib
from collections.abc import Callable

import mpmath as mp

REFERENCE = pathlib.Path(__file__).resolve().parents[1]
mp.mp.dps = 50

Number = mp.mpf
Density = Callable[..., Number]


def sigmoid(x: Number) -> Number:
    """Inverse logit."""
    return 1 / (1 + mp.exp(-x))


def choose(n: Number, s: Number) -> Number:
    """Log of the number of ways to choose."""
    return mp.loggamma(n + 1) - mp.loggamma(s + 1) - mp.loggamma(n - s + 1)


def poisson(y, w, a):
    return y * a - mp.exp(a) - mp.loggamma(y + 1)


def nbinom2(y, w, a, d):
    mu, phi = mp.exp(a), mp.exp(d)
    return (
        mp.loggamma(y + phi)
        - mp.loggamma(phi)
        - mp.loggamma(y + 1)
        + phi * mp.log(phi / (mu + phi))
        + y * mp.log(mu / (mu + phi))
    )


def nbinom1(y, w, a, d):
    mu, phi = mp.exp(a), mp.exp(d)
    k = mu / phi
    return mp.loggamma(y + k) - mp.loggamma(k) - mp.loggamma(y + 1) + y * mp.log(phi / (1 + phi)) - k * mp.log(1 + phi)


def genpois(y, w, a, d):
    t, mu = mp.exp(-d / 2), mp.exp(a)
    rate = y + t * (mu - y)
    return a - d / 2 + (y - 1) * mp.log(rate) - rate - mp.loggamma(y + 1)


def compois(y, w, a, d):
    mu, nu = mp.exp(a), mp.exp(-d)
    top = int(mu + 60 * mp.sqrt(mu / nu + 1) + 60 / nu + 60)
    logs = [mp.loggamma(j + 1) for j in range(top)]

    def moments(rate):
        terms = [mp.exp(j * rate - nu * logs[j]) for j in range(top)]
        total = mp.fsum(terms)
        mean = mp.fsum(j * t for j, t in enumerate(terms)) / total
        return total, mean, mp.fsum((j - mean) ** 2 * t for j, t in enumerate(terms)) / total

    rate = nu * mp.log(mu + (nu - 1) / (2 * nu)) if mu > 1 else a
    if mp.im(rate) != 0:  # more spread than that
        rate = a - (1 - nu) * mp.log(1 + mu)
    for _ in range(100):
        _, mean, variance = moments(rate)
        step = mp.log(mu / mean) * mean / variance
        rate += max(min(step, mp.mpf(2)), mp.mpf(-2))
        if abs(step) < mp.mpf(10) ** (-mp.mp.dps + 5):
            break
    return y * rate - nu * mp.loggamma(y + 1) - mp.log(moments(rate)[0])


def binomial(y, w, e):
    p, s = sigmoid(e), w * y
    return choose(w, s) + s * mp.log(p) + (w - s) * mp.log(1 - p)


def log_beta(a, b):
    return mp.loggamma(a) + mp.loggamma(b) - mp.loggamma(a + b)


def betabinomial(y, w, e, d):
    p, phi, s = sigmoid(e), mp.exp(d), w * y
    return choose(w, s) + log_beta(s + p * phi, w - s + (1 - p) * phi) - log_beta(p * phi, (1 - p) * phi)


def beta(y, w, e, d):
    p, phi = sigmoid(e), mp.exp(d)
    a, b = p * phi, (1 - p) * phi
    return (a - 1) * mp.log(y) + (b - 1) * mp.log(1 - y) - log_beta(a, b)


def ordbeta(y, w, e, d, c, gap):
    high = c + mp.exp(gap)
    if y == 0:
        return mp.log(1 - sigmoid(e - c))
    if y == 1:
        return mp.log(sigmoid(e - high))
    return mp.log(sigmoid(e - c) - sigmoid(e - high)) + beta(y, w, e, d)


def zoib(y, w, e, d, zoi, coi):
    p, one = sigmoid(zoi), sigmoid(coi)
    if y in (0, 1):
        return mp.log(p) + mp.log(one if y == 1 else 1 - one)
    return mp.log(1 - p) + beta(y, w, e, d)


def gamma(y, w, a, d):
    shape = mp.exp(-2 * d)
    rate = shape / mp.exp(a)
    return shape * mp.log(rate) + (shape - 1) * mp.log(y) - rate * y - mp.loggamma(shape)


def normal(z, d):
    return -(z**2) / 2 - d - mp.log(2 * mp.pi) / 2


def lognormal(y, w, e, d):
    return normal((mp.log(y) - e) / mp.exp(d), d) - mp.log(y)


def lognormal_response(y, w, a, d):
    v = mp.log(1 + mp.exp(2 * (d - a)))
    return normal((mp.log(y) - a + v / 2) / mp.sqrt(v), mp.log(v) / 2) - mp.log(y)


def tweedie(y, w, a, d, psi):
    p, phi, mu = 1 + sigmoid(psi), mp.exp(d), mp.exp(a)
    lam = mu ** (2 - p) / (phi * (2 - p))
    if y == 0:
        return -lam
    shape, scale = (2 - p) / (p - 1), phi * (p - 1) * mu ** (p - 1)
    middle = y ** (2 - p) / (phi * (2 - p))
    reach = int(15 * mp.sqrt(middle + 1) + 40 * (1 + 1 / shape))
    first = max(1, int(middle) - reach)
    terms = []
    for j in range(first, int(middle) + reach):
        k = j * shape
        log_term = j * mp.log(lam) - lam - mp.loggamma(j + 1)
        log_term += (k - 1) * mp.log(y) - y / scale - k * mp.log(scale) - mp.loggamma(k)
        terms.append(log_term)
    top = max(terms)
    return top + mp.log(mp.fsum(mp.exp(t - top) for t in terms))


def gaussian(y, w, e, d):
    return normal((y - e) / mp.exp(d), d)


def t(y, w, e, d, log_df):
    nu = mp.exp(log_df)
    z = (y - e) / mp.exp(d)
    return (
        mp.loggamma((nu + 1) / 2)
        - mp.loggamma(nu / 2)
        - mp.log(nu * mp.pi) / 2
        - d
        - (nu + 1) / 2 * mp.log(1 + z * z / nu)
    )


def skewnormal(y, w, e, d, slant):
    k = slant / mp.sqrt(1 + slant**2)
    om = mp.exp(d) / mp.sqrt(1 - 2 * k**2 / mp.pi)
    z = (y - e + om * k * mp.sqrt(2 / mp.pi)) / om
    return mp.log(2) + normal(z, mp.log(om)) + mp.log(mp.erfc(-slant * z / mp.sqrt(2)) / 2)


#: Name, link, responses (of trials in the second place), linear predictors.
POINTS: list[tuple[Density, str, list[tuple[float, float]], list[tuple[float, ...]]]] = [
    (poisson, "log", [(0, 1), (3, 1), (250, 1)], [(-15.0,), (0.7,), (5.5,)]),
    (nbinom2, "log", [(0, 1), (7, 1), (120, 1)], [(0.7, 0.3), (-9.0, -3.0), (4.5, 16.0), (8.0, 1.0), (1.5, -6.0)]),
    (nbinom1, "log", [(0, 1), (7, 1), (120, 1)], [(0.7, 0.3), (-6.0, -1.0), (4.5, -14.0), (8.0, 3.0), (1.5, 2.0)]),
    (genpois, "log", [(0, 1), (7, 1), (60, 1)], [(0.7, 0.3), (3.5, 1.2), (2.0, 1e-6), (4.0, 2.5)]),
    (compois, "log", [(0, 1), (4, 1), (9, 1)], [(0.7, 0.4), (1.6, -1.0), (2.5, 0.0), (3.0, -0.7), (-2.0, 0.5)]),
    (binomial, "logit", [(0.0, 4), (0.25, 8), (1.0, 3)], [(0.3,), (-7.0,), (6.0,)]),
    (betabinomial, "logit", [(0.0, 4), (0.25, 60), (1.0, 3)], [(0.3, 1.2), (-5.0, 0.1), (1.0, 14.0), (4.0, -3.0)]),
    (beta, "logit", [(0.02, 1), (0.4, 1), (0.999, 1)], [(0.3, 1.2), (-3.0, 2.0), (1.0, 6.0), (2.0, -2.0)]),
    (ordbeta, "logit", [(0.0, 1), (0.3, 1), (1.0, 1)], [(0.3, 1.2, -1.0, 0.5), (-3.0, 2.0, -2.0, -4.0)]),
    (zoib, "logit", [(0.0, 1), (0.3, 1), (1.0, 1)], [(0.3, 1.2, -1.0, 0.5), (2.0, 3.0, 4.0, -5.0)]),
    (gamma, "log", [(0.01, 1), (1.5, 1), (40.0, 1)], [(0.5, -0.5), (-6.0, 0.8), (3.5, -3.0), (1.0, 1.5)]),
    (lognormal, "identity", [(0.01, 1), (1.5, 1)], [(0.5, -0.5), (-6.0, 1.0), (0.0, -3.0)]),
    (lognormal_response, "log", [(0.01, 1), (1.5, 1)], [(0.5, -0.5), (-4.0, -3.0), (0.4, -4.0)]),
    (tweedie, "log", [(0.0, 1), (0.3, 1)], [(0.5, 0.2, 0.0), (0.2, 0.5, -3.0), (0.2, 0.5, 3.5), (-6.0, 0.5, 0.3)]),
    (gaussian, "identity", [(-2.0, 1), (3.0, 1)], [(0.5, 0.3), (1e3, 5.0)]),
    (t, "identity", [(-2.0, 1), (30.0, 1)], [(0.5, 0.3, 1.0), (0.5, 0.3, 0.72), (0.5, 0.0, 14.0), (1.0, 1.0, -2.0)]),
    (skewnormal, "identity", [(-2.0, 1), (3.0, 1)], [(0.5, 0.3, 2.0), (0.5, 0.3, 0.01), (0.5, 0.8, -8.0)]),
    # hardly above zero, many gamma variables, powers near 1
    (tweedie, "log", [(1e-19, 1), (5.0, 1)], [(0.5, 0.2, -12.0), (0.5, -4.0, 0.5)]),
    (tweedie, "log", [(1e-19, 1)], [(1.5, 0.0, -2.5)]),
    # nearly geometric, and nu above 20
    (compois, "log", [(0, 1)], [(2.0, 3.0), (1.0, -3.5)]),
]  # fmt: skip


def derivatives(f: Density, y: Number, w: Number, eta: tuple[float, ...]) -> dict[str, list[float]]:
    """Value and derivatives in the order of pairs and triples j <= k <= l by the last."""
    at = [mp.mpf(v) for v in eta]
    m = len(at)

    def part(*which: int) -> float:
        orders = [which.count(i) for i in range(m)]
        used = [i for i in range(m) if orders[i]]

        def of(*values: Number) -> Number:
            place = list(at)
            for i, v in zip(used, values, strict=True):
                place[i] = v
            return f(y, w, *place)

        if not used:
            return float(f(y, w, *at))
        return float(mp.diff(of, tuple(at[i] for i in used), tuple(orders[i] for i in used)))

    pairs = [(j, k) for k in range(m) for j in range(k + 1)]
    triples = [(i, j, k) for k in range(m) for j in range(k + 1) for i in range(j + 1)]
    return {
        "l": [part()],
        "r": [part(c) for c in range(m)],
        "w": [-part(*p) for p in pairs],
        "t": [-part(*p) for p in triples],
    }


if __name__ == "__main__":
    found = []
    for f, link, responses, points in POINTS:
        for (y, w), eta in itertools.product(responses, points):
            values = derivatives(f, mp.mpf(y), mp.mpf(w), eta)
            found.append({"density": f.__name__, "link": link, "y": y, "weight": w, "eta": eta, **values})
        print(f.__name__, len(found), flush=True)
    text = json.dumps({"software": {"mpmath": mp.__version__}, "digits": mp.mp.dps, "points": found}) + "\n"
    (REFERENCE / "densities.json").write_text(text, encoding="utf-8")
    (REFERENCE / "densities.md5").write_text(hashlib.md5(text.encode()).hexdigest() + "\n", encoding="utf-8")
