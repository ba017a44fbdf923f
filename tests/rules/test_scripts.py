"""The scripts of a release do what they say."""

import hashlib
import importlib
import json
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "scripts"))
build_wheel, publish_site, release_notes, same_bytes, smoke, suite = map(
    importlib.import_module, ("build_wheel", "publish_site", "release_notes", "same_bytes", "smoke", "suite")
)


def test_smoke_values_are_those_of_the_reference() -> None:
    stored = json.loads((ROOT / "tests/reference/exam_tutorial.json").read_text(encoding="utf-8"))["models"]
    values = {(m["formula"], how == "REML"): m[how] for m in stored for how in ("REML", "ML")}
    assert len(smoke.EXPECTED) == len(values) == 10
    for formula, reml, criterion, fixed, theta in smoke.EXPECTED:
        case = values[formula, reml]
        assert criterion == pytest.approx(case["criterion"], abs=1e-7)
        assert fixed == pytest.approx([case["fixef"]] if len(fixed) == 1 else case["fixef"], abs=1e-7)
        assert theta == pytest.approx([case["theta"]] if len(theta) == 1 else case["theta"], abs=1e-6)


def test_smoke_passes_and_can_fail(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert smoke.main() == 0
    assert capsys.readouterr().out.endswith("10 passed, 0 failed\n")
    formula, reml, criterion, fixed, theta = smoke.EXPECTED[0]
    monkeypatch.setattr(smoke, "EXPECTED", [(formula, reml, criterion + 0.01, fixed, theta)])
    assert smoke.main() == 1


def test_sites_of_versions(tmp_path: Path) -> None:
    built, site = tmp_path / "html", tmp_path / "site"
    (built / "sub").mkdir(parents=True)
    site.mkdir()
    (built / "index.html").write_text("first", encoding="utf-8")
    assert publish_site.publish(built, site, "main") == ["dev"]
    assert publish_site.publish(built, site, "v0.2.0") == ["0.2", "dev"]
    (built / "index.html").write_text("second", encoding="utf-8")
    assert publish_site.publish(built, site, "v0.10.1") == ["0.10", "0.2", "dev"]
    publish_site.publish(built, site, "v0.10.2")
    assert json.loads((site / "versions.json").read_text(encoding="utf-8")) == ["0.10", "0.2", "dev"]
    assert 'url=0.10/index.html"' in (site / "index.html").read_text(encoding="utf-8")
    assert (site / "0.2/index.html").read_text(encoding="utf-8") == "first"
    assert (site / "0.10/index.html").read_text(encoding="utf-8") == "second"


def test_notes_of_a_release() -> None:
    text = "# Changelog\n\n## 0.3.0 (unreleased)\n\n- new\n\n## 0.2.0 (2026-01-02)\n\n- old\n"
    assert release_notes.notes(text, "0.2.0") == "- old\n"
    with pytest.raises(SystemExit, match=r"calls 0\.3\.0 unreleased"):
        release_notes.notes(text, "0.3.0")
    with pytest.raises(SystemExit, match=r"no heading for 0\.1\.0"):
        release_notes.notes(text, "0.1.0")


def test_wheels_of_one_commit_have_the_same_bytes(tmp_path: Path) -> None:
    """Of two lists of components only the number and the time differ."""
    pytest.importorskip("deflate")
    sums = set()
    for i in range(2):
        path = tmp_path / f"{i}.whl"
        sbom = {"serialNumber": f"urn:uuid:{i}", "metadata": {"timestamp": f"2026-01-0{i + 1}"}, "components": ["a"]}
        with zipfile.ZipFile(path, "w") as archive:
            for name, content in (
                ("x/code.py", "1"),
                ("x.dist-info/sboms/x.cyclonedx.json", json.dumps(sbom)),
                (
                    "x.dist-info/RECORD",
                    f"x/code.py,sha256=a,1\nx.dist-info/sboms/x.cyclonedx.json,sha256={i},99\nx.dist-info/RECORD,,\n",
                ),
            ):
                archive.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), content)
            archive.writestr(zipfile.ZipInfo("x/ä.txt", (2001, 2, 3, 4, 5, 6)), "long " * 1000)
        same_bytes.settle(path, 1_700_000_000)
        sums.add(hashlib.sha256(path.read_bytes()).hexdigest())
        with zipfile.ZipFile(path) as archive:
            assert archive.testzip() is None
            long = archive.getinfo("x/ä.txt")
            assert archive.read(long) == b"long " * 1000
            assert long.compress_size < 100
            assert long.date_time == (2001, 2, 3, 4, 5, 6)
            made = archive.read("x.dist-info/sboms/x.cyclonedx.json")
            record = archive.read("x.dist-info/RECORD").decode().splitlines()
        assert json.loads(made)["metadata"]["timestamp"] == "2023-11-14T22:13:20Z"
        assert record[1].endswith(f",{len(made)}")
        assert (record[0], record[2]) == ("x/code.py,sha256=a,1", "x.dist-info/RECORD,,")
    assert len(sums) == 1


@pytest.mark.parametrize(
    ("licence", "good"),
    [
        ("MIT", True),
        ("MIT OR GPL-3.0", True),
        ("Apache-2.0 WITH LLVM-exception", True),
        ("(MIT OR Apache-2.0) AND Unicode-3.0", True),
        ("MIT AND GPL-3.0", False),
        ("GPL-3.0", False),
        ("", False),
    ],
)
def test_licences(licence: str, good: bool) -> None:
    listed = [{"name": "a", "licenses": [{"expression": licence}] if licence else []}]
    assert (build_wheel.foreign_licences({"components": listed}) == []) is good


def test_the_suite_sees_no_compiler_and_no_sources(tmp_path: Path) -> None:
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "cargo").touch()
    found = suite.without_compilers({"PATH": str(folder), "CARGO_HOME": "x", "PYTHONPATH": "y", "HOME": "z"}, tmp_path)
    assert found == {"PATH": str(tmp_path), "HOME": "z"}
