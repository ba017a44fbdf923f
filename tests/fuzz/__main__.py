"""The fuzzer by command; see the package."""

import argparse
import sys
import time
from pathlib import Path

from .inputs.many import USE, Count, many
from .run import CHECKS, MAKE, run_case, run_many
from .tally import misses, table


def main() -> int:
    """Run, print, and return 1 if a fit that says it converged is wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for model in MAKE:
        one = commands.add_parser(model, help=f"random {model} models")
        one.add_argument("--n", type=int, default=1000, help="number of cases")
        one.add_argument("--seed", type=int, default=1, help="number of the first")
        one.add_argument("--jobs", type=int, default=1)
        one.add_argument("--checks", default=",".join(CHECKS), help=f"some of {', '.join(CHECKS)}")
        one.add_argument("--examples", type=int, default=5, help="seeds named for every cause")
        one.add_argument("--snippets", type=int, default=3, help="failures printed with code to run")
    show = commands.add_parser("show", help="one case, with all that is found")
    show.add_argument("model", choices=list(MAKE))
    show.add_argument("seed", type=int)
    show.add_argument("--csv", type=Path, help="write the data there")
    acceptance = commands.add_parser("acceptance", help="many data sets of the kinds that once failed, and bootstraps")
    acceptance.add_argument("--n", type=int, default=200, help="data sets of a kind")
    acceptance.add_argument("--replicates", type=int, default=10_000)
    acceptance.add_argument("--seed", type=int, default=1000, help="number of the first data set")
    for kind in USE:
        some = commands.add_parser(kind, help=f"random {kind}: taken or refused, without a crash or a hang")
        some.add_argument("--n", type=int, default=100_000, help="number of inputs")
        some.add_argument("--seed", type=int, default=1, help="number of the first")
        some.add_argument("--jobs", type=int, default=1)
    soak = commands.add_parser("soak", help="bootstraps, refits and saved models for a time, with the memory watched")
    soak.add_argument("--minutes", type=float, default=10.0)
    given = parser.parse_args()
    if given.command == "show":
        return show_case(given.model, given.seed, given.csv)
    if given.command == "acceptance":
        from .acceptance import report

        return report(given.n, given.replicates, given.seed)
    if given.command in USE:
        return inputs(given)
    if given.command == "soak":
        from .soak import report as soaked

        return soaked(given.minutes)
    return fuzz(given)


def inputs(given: argparse.Namespace) -> int:
    """Many inputs, with progress."""
    begun, count, shown = time.perf_counter(), Count(), 0
    for share in many(given.command, given.seed, given.n, given.jobs):
        count.join(share)
        if count.n - shown >= 20_000:
            shown = count.n
            rate = count.n / (time.perf_counter() - begun)
            print(f"{count.n} inputs, {rate:.0f} a second, faults: {count.faulty}", file=sys.stderr, flush=True)
    print(count.table())
    return int(bool(count.faulty))


def fuzz(given: argparse.Namespace) -> int:
    """Many cases, with progress."""
    begun, outcomes = time.perf_counter(), []
    checks = tuple(given.checks.split(","))
    if unknown := set(checks) - set(CHECKS):
        raise SystemExit(f"there is no check {', '.join(sorted(unknown))}; the checks are {', '.join(CHECKS)}")
    for o in run_many(given.command, range(given.seed, given.seed + given.n), checks, given.jobs):
        outcomes.append(o)
        if len(outcomes) % 500 == 0:
            rate = len(outcomes) / (time.perf_counter() - begun)
            print(
                f"{len(outcomes)} cases, {rate:.0f} a second, wrong: {len({o.seed for o, _ in misses(outcomes)})}",
                file=sys.stderr,
                flush=True,
            )
    print(table(outcomes, given.examples))
    worst = sorted(misses(outcomes), key=lambda pair: -pair[1].gap)[: given.snippets]
    for o, f in worst:
        print(
            f"\n# {f.check}, {f.cause}: {f.gap:.3g}. {f.note}\n{MAKE[given.command](o.seed).snippet(f.better or None)}"
        )
    return int(bool(misses(outcomes)))


def show_case(model: str, seed: int, csv: Path | None) -> int:
    """One case in full."""
    case = MAKE[model](seed)
    if csv is not None:
        case.data.to_csv(csv, index=False)
    o = run_case(case, tuple(CHECKS))
    print(case.snippet())
    print(f"\n{o.status}, criterion {o.objective:.8f} {o.message}")
    for f in o.findings:
        print(f"\n{f.check}, {f.cause}: {f.gap:.3g}\n  {f.note}\n  theta  {f.own}\n  better {f.better}")
    return int(o.ok and bool(o.findings))


if __name__ == "__main__":
    sys.exit(main())
