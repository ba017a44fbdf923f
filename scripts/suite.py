"""Run the test suite against an installed wheel, in an environment of its own without a compiler.

    python scripts/suite.py dist/*.whl                              # the newest dependencies
    python scripts/suite.py dist/*.whl --dependencies lowest        # the lowest that are supported
    python scripts/suite.py dist/*.whl --dependencies pandas2 -- tests/unit -x

The tests run in a copy of the checkout that has no sources of the package, so what they import is
the wheel.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import venv
from collections.abc import Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).parents[1]

#: Extras of the package whose dependencies have lowest versions that go together.
EXTRAS = ("cli", "plot", "tables", "report", "scale")
LOWEST = ROOT / "tests/lowest.in"

#: What is asked of the installer in each set of dependencies: the extras, and further requirements.
SETS: dict[str, tuple[str, tuple[str, ...]]] = {
    "newest": ("test", ()),
    "pandas2": ("test", ("pandas<3",)),
    "polars2": (",".join(EXTRAS), ("-r", str(LOWEST), "polars>=2")),
    "numpy1": (",".join(EXTRAS), ("-r", str(LOWEST), "numpy<2")),
    "few": ("", ("pytest", "pytest-xdist", "hypothesis")),
}


def step(text: str) -> None:
    print(f"\n== {text}", flush=True)


def run(command: Sequence[str | Path], **options: object) -> None:
    subprocess.run([str(c) for c in command], check=True, **options)  # type: ignore[call-overload]


def environment(folder: Path) -> Path:
    """A virtual environment that holds nothing; its Python."""
    venv.EnvBuilder(with_pip=True, clear=True, symlinks=os.name != "nt").create(folder)
    return folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def without_compilers(variables: Mapping[str, str], first: Path) -> dict[str, str]:
    """The variables of a machine that has no Rust."""
    compilers = [n + e for n in ("cargo", "rustc", "rustup", "maturin") for e in ("", ".exe")]
    folders = [f for f in variables["PATH"].split(os.pathsep) if not any(Path(f, name).exists() for name in compilers)]
    out = {k: v for k, v in variables.items() if not k.startswith(("CARGO", "RUST", "PYTHONPATH", "VIRTUAL_ENV"))}
    out["PATH"] = os.pathsep.join([str(first), *folders])
    if shutil.which("cargo", path=out["PATH"]) or shutil.which("rustc", path=out["PATH"]):
        raise SystemExit("there is still a compiler on the path")
    return out


def checkout_without_package(folder: Path) -> Path:
    """A copy of what is under version control, without the sources of the package."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    for name in filter(None, listed.split("\0")):
        if not name.startswith("python/") and (ROOT / name).is_file():
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target)
    return folder


def lowest_versions(work: Path) -> tuple[str, ...]:
    """The lowest version of everything that is asked for, as uv resolves it."""
    tools = environment(work / "uv")
    run([tools, "-m", "pip", "install", "--quiet", "uv"])
    found = work / "lowest.txt"
    extras = [word for extra in EXTRAS for word in ("--extra", extra)]
    command = ["pip", "compile", "--quiet", "--no-annotate", "--no-header", "--resolution", "lowest-direct", *extras]
    version = ".".join(map(str, sys.version_info[:2]))
    with open(os.devnull, "w", encoding="utf-8") as nowhere:
        run(
            [tools, "-m", "uv", *command, "--python-version", version, "-o", found, ROOT / "pyproject.toml", LOWEST],
            stdout=nowhere,
        )
    print(" ".join(found.read_text(encoding="utf-8").split()))
    return ("-r", str(found))


def install(python: Path, wheel: Path, dependencies: str, work: Path) -> dict[str, str]:
    """Install the wheel with a set of dependencies; the variables for what runs it."""
    variables = without_compilers(os.environ, python.parent)
    step(f"{wheel.name} with {dependencies} dependencies, without Rust")
    if dependencies == "lowest":
        extras, more = ",".join(EXTRAS), lowest_versions(work)
    else:
        extras, more = SETS[dependencies]
    what = f"{wheel}[{extras}]" if extras else str(wheel)
    run([python, "-m", "pip", "install", "--quiet", what, *more], env=variables, cwd=work)
    return variables


def test(wheel: Path, dependencies: str, arguments: Sequence[str], work: Path) -> None:
    """Install in a fresh environment, and run the suite."""
    python = environment(work / "environment")
    variables = install(python, wheel.resolve(), dependencies, work)
    run([python, ROOT / "scripts/smoke.py"], env=variables, cwd=work)
    step(f"the test suite against {wheel.name}")
    command = [python, "-m", "pytest", "-n", "auto", *arguments]
    run(command, env=variables, cwd=checkout_without_package(work / "checkout"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("wheel", type=Path)
    parser.add_argument("--dependencies", choices=[*SETS, "lowest"], default="newest")
    parser.epilog = "What follows -- is given to pytest."
    # argparse would take the first word after a positional argument for all that remain
    end = sys.argv.index("--") if "--" in sys.argv else len(sys.argv)
    given = parser.parse_args(sys.argv[1:end])
    with tempfile.TemporaryDirectory() as work:
        test(given.wheel, given.dependencies, sys.argv[end + 1 :], Path(work))


if __name__ == "__main__":
    main()
