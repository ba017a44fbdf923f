"""A fit that was killed goes on from its checkpoint with the same bits; what can go wrong with the
file is an error, and what was done before is kept.
"""

import resource
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ranef import errors, lmer, scale
from ranef.data import batches
from ranef.scale import passes

FORMULA = "y ~ x + (x | g) + (x | h)"

#: Fits with a checkpoint after every batch, and is killed when so many rows of a stage are read, or
#: at an evaluation.
SCRIPT = """
import os, signal, sys
from ranef import scale
from ranef.data import batches
from ranef.scale import passes
passes.BATCHES, batches.BATCH = 1, 500
folder, file, stage, at = sys.argv[1:]
def show(count, of):
    now = "fit" if not isinstance(of, int) else "sums" if os.path.exists(file) else "survey"
    if now == stage and count >= int(at):
        os.kill(os.getpid(), signal.SIGKILL)
scale.fit("y ~ x + (x | g) + (x | h)", folder, checkpoint=file, progress=show)
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("parts")
    rng = np.random.default_rng(4)
    n = 6_000
    g, h, x = rng.integers(50, size=n), rng.integers(30, size=n), rng.normal(size=n)
    a, b = rng.normal(size=(50, 2)), rng.normal(size=(30, 2))
    y = a[g, 0] + a[g, 1] * x + b[h, 0] + b[h, 1] * x + rng.normal(size=n)
    data = pd.DataFrame({"y": y, "x": x, "g": g, "h": h})
    for i in range(3):
        data[i::3].to_parquet(made / f"part{i}.parquet")
    return made


def killed(folder: Path, file: Path, stage: str, at: int) -> int:
    """The code with which a process of its own ended."""
    arguments = [sys.executable, "-c", SCRIPT, str(folder), str(file), stage, str(at)]
    return subprocess.run(arguments, capture_output=True, check=False).returncode


def test_killed_and_resumed(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passes, "BATCHES", 1)
    monkeypatch.setattr(batches, "BATCH", 500)

    def bits(file: Path) -> tuple[list[str], list[tuple[int, float]]]:
        seen: list[tuple[int, float]] = []
        m = scale.fit(FORMULA, str(folder), checkpoint=file, progress=lambda count, of: seen.append((count, of)))
        return [float(v).hex() for v in (m.objective, *m.theta, *m.fixef)], seen

    whole, _ = bits(tmp_path / "whole")
    file = tmp_path / "killed"
    for stage, at in [("survey", 2_000), ("sums", 4_000), ("fit", 2)]:
        assert killed(folder, file, stage, at) == -signal.SIGKILL
        assert file.exists() == (stage != "survey")
    assert bits(file)[0] == whole
    # and with what is finished, without reading rows
    again, seen = bits(file)
    assert again == whole
    assert not any(isinstance(of, int) and count >= 1 for count, of in seen)
    m = lmer(FORMULA, pd.concat([pd.read_parquet(f) for f in sorted(folder.glob("*.parquet"))]))
    assert float.fromhex(whole[0]) == pytest.approx(m.objective, abs=1e-7)


def copied(folder: Path, to: Path) -> Path:
    to.mkdir()
    for file in folder.glob("*.parquet"):
        (to / file.name).write_bytes(file.read_bytes())
    return to


def test_another_fit_is_refused_by_name(folder: Path, tmp_path: Path) -> None:
    file, data = tmp_path / "fit.ranef", copied(folder, tmp_path / "data")
    scale.fit(FORMULA, str(data), checkpoint=file)
    with pytest.raises(errors.DataError, match=r"the formula was .*and is"):
        scale.fit("y ~ x + (1 | g)", str(data), checkpoint=file)
    with pytest.raises(errors.DataError, match="the arguments was"):
        scale.fit(FORMULA, str(data), subset="x > 0", checkpoint=file)
    part = data / "part1.parquet"
    pd.read_parquet(part)[:100].to_parquet(part)
    with pytest.raises(errors.DataError, match=r"part1\.parquet' was .*bytes"):
        scale.fit(FORMULA, str(data), checkpoint=file)
    part.unlink()
    with pytest.raises(errors.DataError, match="is gone"):
        scale.fit(FORMULA, str(data), checkpoint=file)


def test_frames_have_a_checksum(folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "fit.ranef"
    data = pd.read_parquet(folder / "part0.parquet")
    first = scale.fit(FORMULA, data, checkpoint=file)
    assert scale.fit(FORMULA, data.copy(), checkpoint=file).objective == first.objective
    data.loc[data.index[7], "y"] += 1e-9
    with pytest.raises(errors.DataError, match="checksum"):
        scale.fit(FORMULA, data, checkpoint=file)


def test_damaged_and_foreign_files(folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "fit.ranef"
    scale.fit(FORMULA, str(folder), checkpoint=file)
    content = file.read_bytes()
    for damaged in (content[:-20], content[:40], content[:200] + bytes([content[200] ^ 1]) + content[201:]):
        file.write_bytes(damaged)
        with pytest.raises(errors.DataError, match="damaged or cut"):
            scale.fit(FORMULA, str(folder), checkpoint=file)
    file.write_text("notes of mine")
    with pytest.raises(errors.DataError, match="not a checkpoint"):
        scale.fit(FORMULA, str(folder), checkpoint=file)
    assert file.read_text() == "notes of mine"


def test_places_that_cannot_be_written(folder: Path, tmp_path: Path) -> None:
    for place in (tmp_path / "absent" / "fit.ranef", Path("/proc/fit.ranef")):
        with pytest.raises(errors.DataError, match="cannot be written"):
            scale.fit(FORMULA, str(folder), checkpoint=place)
    with pytest.raises(errors.ArgumentTypeError, match="path"):
        scale.fit(FORMULA, str(folder), checkpoint=3)  # type: ignore[arg-type]


def test_full_disk_keeps_the_one_before(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "fit.ranef"
    monkeypatch.setattr(passes, "BATCHES", 1)
    written: list[bytes] = []
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)

    def show(count: int, of: float) -> None:
        if file.exists() and not written:
            written.append(file.read_bytes())
            resource.setrlimit(resource.RLIMIT_FSIZE, (1_000, limits[1]))

    try:
        with pytest.raises(errors.DataError, match="cannot be written: File too large"):
            scale.fit(FORMULA, str(folder), checkpoint=file, progress=show)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert file.read_bytes() == written[0]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["fit.ranef"]
    resumed = scale.fit(FORMULA, str(folder), checkpoint=file)
    assert resumed.objective == pytest.approx(scale.fit(FORMULA, str(folder)).objective, abs=1e-9)


def test_data_that_are_read_once_or_at_once(folder: Path, tmp_path: Path) -> None:
    frames = (pd.read_parquet(f) for f in sorted(folder.glob("*.parquet")))
    with pytest.raises(errors.OptionError, match="read again"):
        scale.fit(FORMULA, frames, checkpoint=tmp_path / "fit.ranef")
    with pytest.raises(errors.OptionError, match=r"scale\.fit"):
        lmer(FORMULA, str(folder), checkpoint=tmp_path / "fit.ranef")


def test_progress_of_passes(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    seen: list[tuple[int, float]] = []
    scale.fit(FORMULA, str(folder), progress=lambda count, of: seen.append((count, of)))
    rows = [s for s in seen if isinstance(s[1], int)]
    assert rows[:6] == [(2_000, 6_000), (4_000, 6_000), (6_000, 6_000)] * 2
    assert all(isinstance(of, float) for _, of in seen[6:])
    assert len(seen) > 8
    scale.fit(FORMULA, str(folder), progress=True)
    shown = capsys.readouterr().err
    for text in (
        "survey: 1 of 3 files, 2,000 of 6,000 rows",
        "sums: 3 of 3 files, 6,000 of 6,000 rows",
        "evaluation 2:",
    ):
        assert text in shown
