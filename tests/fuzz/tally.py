"""Tables of many outcomes."""

from collections import Counter, defaultdict
from collections.abc import Sequence

from .finding import SAID, Finding, Outcome

#: Where a lower criterion is no fault of the fit: random and fixed effects span all rows, or
#: Laplace's determinant vanishes there, or Laplace's approximation is lower there and the
#: likelihood is not, or there is no optimum there, which the fit says; or thresholds of ordered
#: categories cross, so that probabilities are negative.
EXCUSED = ("saturated", "degenerate", "artefact", "crossing thresholds", SAID)
#: Causes that are errors of the criterion's value and not of the search.
VALUE = ("criterion", "not found again", "other modes")


def misses(outcomes: Sequence[Outcome]) -> list[tuple[Outcome, Finding]]:
    """Every finding on a fit that says it converged, without those that no fit could mend;
    and every error that is not one of the package.
    """
    return [(o, f) for o in outcomes for f in o.findings if (o.ok and f.cause not in EXCUSED) or f.check == "fit"]


def table(outcomes: Sequence[Outcome], examples: int = 5) -> str:
    """Rates by kind of data, failures by check and cause with seeds and gaps,
    fits that do not converge, refusals.

    Parameters
    ----------
    outcomes : sequence of Outcome
    examples : int
        Seeds to name for each.
    """
    n = len(outcomes)
    ok = sum(o.ok for o in outcomes)
    wrong = {o.seed for o, _ in misses(outcomes)}
    of_value = wrong - {o.seed for o, f in misses(outcomes) if f.cause not in VALUE}
    lines = [
        f"{n} cases: {ok} converged, of which {len(wrong)} wrong ({len(wrong) / max(1, ok):.3%}), {len(of_value)} of "
        f"them by the value of the criterion only; slowest fit {max((o.seconds for o in outcomes), default=0):.2f} s"
    ]
    for what in ("kind", "family"):
        names = {getattr(o, what) for o in outcomes}
        if names != {""}:
            lines += [
                "",
                f"by {what}: cases, converged, wrong, wrong value only, not converged, refused; rate of wrong searches",
            ]
            lines += [
                _line(name, [o for o in outcomes if getattr(o, what) == name], wrong, of_value)
                for name in sorted(names)
            ]
    lines += ["", "wrong, by check and cause: number, largest gap, seeds with gaps"]
    causes: dict[tuple[str, str], list[tuple[Outcome, Finding]]] = defaultdict(list)
    for o in outcomes:
        for f in o.findings:
            causes[f.check if o.ok or f.check == "fit" else f"{f.check} ({o.status})", f.cause].append((o, f))
    for (check, cause), some in sorted(causes.items()):
        some.sort(key=lambda pair: -pair[1].gap)
        named = ", ".join(f"{o.seed} ({f.gap:.2g})" for o, f in some[:examples])
        lines.append(f"  {check:24s} {cause:28s} {len(some):5d} {some[0][1].gap:9.2g}  {named}")
    lines += ["", "endings"]
    for status, count in Counter(o.status for o in outcomes).most_common():
        seeds = [o.seed for o in outcomes if o.status == status and not o.findings][:examples]
        lines.append(
            f"  {status:24s} {count:6d} ({count / n:.2%})"
            + ("" if status == "converged" else f"  nothing lower is known: {seeds}")
        )
    messages = Counter(o.message[:140] for o in outcomes if o.message)
    lines += [f"  {count:6d} {message}" for message, count in messages.most_common(8)]
    return "\n".join(lines)


def _line(name: str, some: list[Outcome], wrong: set[int], of_value: set[int]) -> str:
    good = sum(o.ok for o in some)
    value = sum(o.seed in of_value for o in some)
    bad = sum(o.seed in wrong for o in some) - value
    refused = sum(o.objective != o.objective for o in some)
    return (
        f"  {name:24s} {len(some):6d} {good:6d} {bad:5d} {value:5d} {len(some) - good - refused:5d} {refused:5d}   "
        f"{bad / max(1, good):.2%}"
    )
