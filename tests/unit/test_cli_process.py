"""The command as a process of its own: on a terminal, in a pipe, interrupted, completed by a
shell.
"""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys

import pytest

import ranef

FORMULA = "Reaction ~ Days + (Days | Subject)"
SCRIPT = "import sys; from ranef.cli import main; sys.argv = ['ranef', *sys.argv[1:]]; main()"
#: Says when simulations begin.
BEGINS = """
import ranef
ranef_power = ranef.power
def power(*arguments, **options):
    print("begun", flush=True)
    return ranef_power(*arguments, **options)
ranef.power = power
"""


#: What is run on a terminal, by name: the arguments, and the columns that it has.
ON_A_TERMINAL = {
    "tables": (["fit", FORMULA, "sleepstudy"], 100),
    "narrow": (["fit", FORMULA, "sleepstudy", "--ddf", "none"], 40),
    "json": (["fit", FORMULA, "sleepstudy", "--json"], 100),
    "boundary": (["fit", "Yield ~ 1 + (1 | Batch)", "Dyestuff2"], 100),
}
#: Runs several commands, each as if it were alone, with a line and its exit code after each.
SEVERAL = """
import json, os, sys
from ranef.cli import main
for arguments, columns in json.loads(sys.argv[1]):
    sys.argv, os.environ["COLUMNS"] = ["ranef", *arguments], str(columns)
    try:
        main()
        code = 0
    except SystemExit as end:
        code = end.code or 0
    print(f"== end {code}", flush=True)
"""


@pytest.fixture(scope="module")
def on_a_terminal():
    """Run commands with standard output on a pseudo-terminal, in one process.

    Return what a reader sees and the exit code of each, by name.
    """
    pty = pytest.importorskip("pty", reason="pseudo-terminals are of Unix")
    master, slave = pty.openpty()
    environment = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "FORCE_COLOR")}
    environment |= {"TERM": "xterm-256color"}
    command = [sys.executable, "-c", SEVERAL, json.dumps(list(ON_A_TERMINAL.values()))]
    with subprocess.Popen(command, stdout=slave, stderr=subprocess.PIPE, env=environment):
        os.close(slave)
        seen = b""
        while True:
            try:
                piece = os.read(master, 65536)
            except OSError:  # the other end is closed
                break
            if not piece:
                break
            seen += piece
    os.close(master)
    shown = re.split(r"== end (\d+)\n", seen.decode().replace("\r\n", "\n"))
    return {name: (shown[2 * k], int(shown[2 * k + 1])) for k, name in enumerate(ON_A_TERMINAL)}


def test_a_terminal_gets_tables(on_a_terminal):
    shown, code = on_a_terminal["tables"]
    assert code == 0
    assert "\x1b[1m" in shown  # bold titles
    assert "\x1b[32mconverged" in shown
    plain = re.sub(r"\x1b\[[0-9;]*m", "", shown)
    lines = [re.sub(r"\s+", " ", line).strip() for line in plain.splitlines()]
    for line in (
        "Formula Reaction ~ Days + (Days | Subject)",
        "Random effects",
        "Subject (Intercept) 612.09 24.740",
        "Days 10.467 1.546 17.000 6.771 3.26e-06 ***",
        "Days -0.138",
    ):
        assert any(line in seen for seen in lines), plain
    assert max(map(len, plain.splitlines())) <= 100


def test_a_narrow_terminal_gets_the_text(on_a_terminal):
    shown, code = on_a_terminal["narrow"]
    assert code == 0
    assert "Days          10.467      1.546   6.771" in shown.splitlines()
    assert "\x1b" not in shown


def test_a_terminal_gets_plain_json(on_a_terminal):
    shown, code = on_a_terminal["json"]
    assert code == 0
    assert json.loads(shown)["nobs"] == 180


def test_a_terminal_colours_a_fit_on_the_boundary(on_a_terminal):
    shown, _ = on_a_terminal["boundary"]
    assert "\x1b[33mboundary" in shown


def test_the_package_is_the_command():
    done = subprocess.run([sys.executable, "-m", "ranef", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == f"ranef {ranef.__version__}\n"


@pytest.mark.parametrize("arguments", [("datasets",), ("fit", FORMULA, "sleepstudy", "--json"), ("--help",)])
def test_output_that_nobody_reads(arguments):
    pytest.importorskip("pty", reason="pipes that break are of Unix")
    with subprocess.Popen(
        [sys.executable, "-c", SCRIPT, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 141


def test_interrupted_simulations():
    pytest.importorskip("pty", reason="signals are of Unix")
    command = [sys.executable, "-c", BEGINS + SCRIPT, "power", FORMULA, "sleepstudy", "Days", "--n", "1000000"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"begun\n"
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=0.5)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert b"Traceback" not in said


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion(shell):
    environment = {
        **os.environ,
        "_RANEF_COMPLETE": f"complete_{shell}",
        "COMP_WORDS": "ranef fit y sle",
        "COMP_CWORD": "3",
        "_TYPER_COMPLETE_ARGS": "ranef fit y sle",
        "_TYPER_COMPLETE_FISH_ACTION": "get-args",
        "_TYPER_COMPLETE_WORD_TO_COMPLETE": "sle",
    }
    shown = subprocess.run([sys.executable, "-c", SCRIPT], env=environment, capture_output=True, text=True, check=False)
    assert "sleepstudy" in shown.stdout
    assert shown.stderr == ""
