"""Put a built site beside those of other versions:
``python scripts/publish_site.py BUILT SITE --ref v1.2.3``.

SITE has a folder for each version (``1.2``, and ``dev`` for what is not released), a list of them
that the switcher in every page reads, and a page that leads to the newest release.
"""

import argparse
import json
import re
import shutil
from pathlib import Path

PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>ranef</title>
<meta http-equiv="refresh" content="0; url={name}/index.html">
<link rel="canonical" href="{name}/index.html">
<a href="{name}/index.html">Documentation of ranef</a>
</html>
"""


def name_of(ref: str) -> str:
    """The folder of a tag or branch: ``v1.2.3`` is ``1.2``."""
    release = re.fullmatch(r"v(\d+)\.(\d+)\.\d+", ref)
    return f"{release[1]}.{release[2]}" if release else "dev"


def order(name: str) -> tuple[int, ...]:
    """Newest first; what is not released comes last."""
    return (1,) if name == "dev" else (0, *(-int(part) for part in name.split(".")))


def publish(built: Path, site: Path, ref: str) -> list[str]:
    """Copy, and write what all versions share; the names of all versions."""
    name = name_of(ref)
    shutil.rmtree(site / name, ignore_errors=True)
    shutil.copytree(built, site / name, ignore=shutil.ignore_patterns(".doctrees", ".buildinfo"))
    names = sorted((p.name for p in site.iterdir() if (p / "index.html").is_file()), key=order)
    (site / "versions.json").write_text(json.dumps(names), encoding="utf-8")
    (site / "index.html").write_text(PAGE.format(name=names[0]), encoding="utf-8")
    (site / ".nojekyll").touch()
    return names


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("built", type=Path)
    parser.add_argument("site", type=Path)
    parser.add_argument("--ref", required=True)
    given = parser.parse_args()
    print(", ".join(publish(given.built, given.site, given.ref)))


if __name__ == "__main__":
    main()
