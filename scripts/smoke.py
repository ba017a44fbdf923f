"""Does an installed ranef compute? ``python scripts/smoke.py``, in any folder, needs nothing else.

The five models of the exam results, by REML and ML, against the values of lme4 1.1-31 that
`tests/reference/exam_tutorial.json` stores.
"""

import sys
import time

import ranef

#: Formula, REML, criterion (-2 log-likelihood), fixed effects, theta.
EXPECTED: list[tuple[str, bool, float, list[float], list[float]]] = [
    ("normexam ~ 1 + (1 | school)", True, 11014.6545409, [-0.0132521], [0.449906]),
    ("normexam ~ 1 + (1 | school)", False, 11010.6489426, [-0.0131671], [0.446008]),
    ("normexam ~ standLRT + (1 | school)", True, 9368.7652873, [0.0023228, 0.5633069], [0.407226]),
    ("normexam ~ standLRT + (1 | school)", False, 9357.2432006, [0.0023908, 0.5633712], [0.403547]),
    (
        "normexam ~ standLRT + (standLRT | school)",
        True,
        9327.6003451,
        [-0.0116493, 0.5565347],
        [0.407905, 0.081218, 0.14296],
    ),
    (
        "normexam ~ standLRT + (standLRT | school)",
        False,
        9316.8709649,
        [-0.0115048, 0.5567304],
        [0.404182, 0.080618, 0.140551],
    ),
    (
        "normexam ~ standLRT + schavg + (1 + standLRT | school)",
        True,
        9323.8850115,
        [-0.0014233, 0.5522419, 0.2947313],
        [0.373429, 0.062081, 0.154344],
    ),
    (
        "normexam ~ standLRT + schavg + (1 + standLRT | school)",
        False,
        9310.4293127,
        [-0.0012396, 0.552392, 0.2947598],
        [0.366797, 0.062108, 0.151779],
    ),
    (
        "normexam ~ standLRT * schavg + (1 + standLRT | school)",
        True,
        9320.3872314,
        [-0.0070917, 0.5579427, 0.3733976, 0.1618286],
        [0.371327, 0.053012, 0.138809],
    ),
    (
        "normexam ~ standLRT * schavg + (1 + standLRT | school)",
        False,
        9302.9119933,
        [-0.0070085, 0.5582396, 0.3735103, 0.1622192],
        [0.364403, 0.052176, 0.134059],
    ),
]


def main() -> int:
    """Print a line for each model; 1 if a number is another."""
    exam = ranef.load_dataset("exam")
    wrong = 0
    for formula, reml, criterion, fixed, theta in EXPECTED:
        begun = time.perf_counter()
        model = ranef.lmer(formula, exam, REML=reml)
        seconds = time.perf_counter() - begun
        told = abs(model.objective - criterion)
        beta = max(abs(a - b) for a, b in zip(model.fixef, fixed, strict=True))
        off = max(abs(a - b) for a, b in zip(model.theta, theta, strict=True))
        good = model.convergence.ok and told < 1e-5 and beta < 1e-5 and off < 2e-4
        wrong += not good
        print(f"{'ok' if good else 'WRONG':5}  {formula}  criterion off by {told:.1e}, {1e3 * seconds:.1f} ms")
    print(f"{len(EXPECTED) - wrong} passed, {wrong} failed")
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
