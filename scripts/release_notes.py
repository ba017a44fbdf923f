"""The part of the changelog that belongs to a release, and whether the tag is that of the version:
``python scripts/release_notes.py --tag v1.2.3 [--out notes.md]``.
"""

import argparse
import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]


def notes(changelog: str, version: str) -> str:
    """What stands below the heading of a version."""
    parts = re.split(r"^## (.+)$", changelog, flags=re.MULTILINE)
    for heading, text in zip(parts[1::2], parts[2::2], strict=True):
        if heading.split()[0] == version:
            if "unreleased" in heading:
                raise SystemExit(f"the changelog calls {version} unreleased; write the date there")
            return text.strip() + "\n"
    raise SystemExit(f"the changelog has no heading for {version}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tag", required=True)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    if given.tag != f"v{project['version']}":
        raise SystemExit(f"the tag is {given.tag}, and the version in pyproject.toml {project['version']}")
    text = notes((ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), project["version"])
    if given.out is None:
        print(text, end="")
    else:
        given.out.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
