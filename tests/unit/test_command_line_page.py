"""The page on the command line shows what the commands print."""

import doctest
import re
import shlex
from pathlib import Path

import pytest

from unit.command_line import runner

PAGE = (Path(__file__).parents[2] / "docs" / "command_line.md").read_text(encoding="utf-8")
SHOWN = re.findall(r"^```console\n\$ ranef ([^\n]*)\n(.*?)^```$", PAGE, flags=re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize(("line", "expected"), SHOWN, ids=[line for line, _ in SHOWN])
def test_what_is_shown_is_printed(capsys, monkeypatch, tmp_path, line, expected):
    monkeypatch.chdir(tmp_path)
    if line.startswith("report"):
        pytest.importorskip("jinja2")
    Path("analysis.sps").write_text(
        "MIXED score WITH age\n /FIXED=age\n /RANDOM=INTERCEPT age | SUBJECT(id) COVTYPE(UN)."
    )
    result = runner(capsys)(*shlex.split(line))
    assert result.exit_code == (2 if expected.startswith("ranef: there is no") else 0)
    printed = result.stdout + result.stderr
    assert doctest.OutputChecker().check_output(expected, printed, doctest.ELLIPSIS), printed


def test_every_command_and_option_of_the_page_is_there(capsys):
    run = runner(capsys)
    for command in re.findall(r"^## .*?(?=^## |\Z)", PAGE, flags=re.MULTILINE | re.DOTALL):
        for name, line in re.findall(r"^(?:\$ |.*\| )?ranef (\w+)([^\n]*)$", command, flags=re.MULTILINE):
            known = run(name, "--help").stdout
            for option in re.findall(r"(--[a-z-]+)", line):
                assert option in known, f"ranef {name} {option}"
    options = run("fit", "--help").stdout
    for option in re.findall(r"`(--[a-z-]+)", PAGE.split("| option | is |")[1].split("\n\n")[0]):
        assert option in options, option
