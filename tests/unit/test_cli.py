"""The command line: what it prints, where, and with which exit code."""

import gzip
import io
import json
import re
import sys

import pytest

import ranef
from ranef.cli import main
from reference.store import load_case, load_data
from unit.command_line import runner

FORMULA = "Reaction ~ Days + (Days | Subject)"


@pytest.fixture
def run(capsys):
    return runner(capsys)


def test_version(run):
    result = run("--version")
    assert (result.exit_code, result.stdout) == (0, f"ranef {ranef.__version__}\n")


def test_datasets_are_listed_one_a_line(run):
    result = run("datasets")
    assert result.exit_code == 0
    rows = dict(line.split("\t")[:2] for line in result.stdout.splitlines())
    assert rows["sleepstudy"] == "180"
    assert rows["Exam"] == "4059"


def test_fit_prints_the_summary(run):
    result = run("fit", FORMULA, "SleepStudy", "--ddf", "none")
    assert result.exit_code == 0
    assert result.stderr == ""
    # Lines of lme4's summary; its variances differ in the fifth digit, where it stops earlier.
    lines = result.stdout.splitlines()
    for line in (
        "Linear mixed model fit by REML",
        f"Formula: {FORMULA}",
        "   Data: sleepstudy",
        "REML criterion at convergence: 1743.6",
        "-3.9536 -0.4634  0.0231  0.4634  5.1793 ",
        "(Intercept)  251.405      6.825  36.838",
        "Days          10.467      1.546   6.771",
        "Days -0.138",
    ):
        assert line in lines
    assert lines[-1].startswith("converged")
    assert "\x1b" not in result.stdout


@pytest.mark.parametrize("ddf", ["satterthwaite", "kenward-roger"])
def test_tests_have_the_degrees_of_freedom_asked_for(run, ddf):
    table = load_case("sleep_slope_reml")["derived"][f"summary_{ddf.replace('-', '_')}"]
    column = {name: [row[i] for row in table["values"]] for i, name in enumerate(table["colnames"])}
    asked = [] if ddf == "satterthwaite" else ["--ddf", ddf]
    document = json.loads(run("fit", FORMULA, "sleepstudy", "--json", *asked).stdout)
    assert document["ddf"] == ddf
    assert list(document["df"].values()) == pytest.approx(column["df"], rel=1e-5)
    assert list(document["pvalues"].values()) == pytest.approx(column["Pr(>|t|)"], rel=1e-4)
    assert "Pr(>|t|)" in run("fit", FORMULA, "sleepstudy", *asked).stdout


def test_digits(run):
    assert "251.40510    6.82456 36.83831" in run("fit", FORMULA, "sleepstudy", "--ddf", "none", "--digits", "6").stdout


def test_json_document(run):
    best = load_case("sleep_slope_reml")["best"]
    document = json.loads(run("fit", FORMULA, "sleepstudy", "--json").stdout)
    assert list(document) == [
        "ranef", "formula", "data", "rows_used", "coding", "method", "nobs", "n_missing", "missing", "npar", "df_resid",
        "ngroups", "objective", "reml_criterion", "ml_deviance", "llf", "aic", "bic", "fixef", "bse", "tvalues", "ddf",
        "df", "pvalues", "cov_params", "varcorr", "sigma", "theta", "convergence", "notes",
    ]  # fmt: skip
    assert document["method"] == "REML"
    assert document["nobs"] == 180
    assert document["ngroups"] == {"Subject": 18}
    assert document["objective"] == pytest.approx(best["objective"], rel=1e-9)
    assert document["ml_deviance"] == pytest.approx(best["MLdeviance"], rel=1e-9)
    assert document["aic"] == pytest.approx(best["AIC"], rel=1e-9)
    assert document["fixef"] == pytest.approx(best["beta"], rel=1e-6)
    assert document["bse"] == pytest.approx(best["se"], rel=1e-5)
    assert document["varcorr"]["Subject"]["names"] == ["(Intercept)", "Days"]
    assert document["varcorr"]["Subject"]["sd"] == pytest.approx(best["varcorr"]["Subject"]["sd"], rel=1e-5)
    assert document["sigma"] == pytest.approx(best["sigma"], rel=1e-6)
    assert document["theta"] == pytest.approx(best["theta"], rel=1e-4)
    assert document["convergence"]["ok"] is True
    assert document["convergence"]["is_singular"] is False


def test_maximum_likelihood_of_a_file_with_weights(run, tmp_path):
    case = load_case("sleep_weights_ml_int")
    path = tmp_path / "study.csv"
    load_data(case["data"]).to_csv(path, index=False)
    result = run("fit", "Reaction ~ Days + (1 | Subject)", str(path), "--ml", "--weights", "w", "--json")
    assert result.exit_code == 0, result.stderr
    document = json.loads(result.stdout)
    assert document["method"] == "ML"
    assert document["data"] == "study.csv"
    assert document["objective"] == pytest.approx(case["best"]["objective"], rel=1e-9)


def test_offset_and_subset(run, tmp_path):
    case = load_case("sleep_offset_arg")
    path = tmp_path / "study.csv"
    load_data(case["data"]).to_csv(path, index=False)
    result = run("fit", FORMULA, str(path), "--offset", "off")
    assert " Offset: off" in result.stdout
    assert "REML criterion at convergence: 1749.5" in result.stdout
    result = run("fit", FORMULA, "sleepstudy", "--subset", "Days > 1")
    assert " Subset: Days > 1" in result.stdout
    assert "REML criterion at convergence: 1404.1" in result.stdout


def test_missing_values_can_be_refused(run, tmp_path):
    path = tmp_path / "study.csv"
    load_data("sleepstudy_na").to_csv(path, index=False)
    assert "Number of obs: 169" in run("fit", FORMULA, str(path)).stdout
    result = run("fit", FORMULA, str(path), "--na-action", "error")
    assert result.exit_code == 2
    assert "missing" in result.stderr


def test_boundary_is_said_once(run):
    result = run("fit", "Yield ~ 1 + (1 | Batch)", "Dyestuff2")
    assert result.exit_code == 0
    assert (result.stdout + result.stderr).count("singular") == 1
    document = json.loads(run("fit", "Yield ~ 1 + (1 | Batch)", "Dyestuff2", "--json").stdout)
    assert document["convergence"]["is_singular"] is True
    assert document["convergence"]["boundary"] == {"Batch": 1}


def test_file_wins_over_a_bundled_data_set(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    load_data("Dyestuff").to_csv("sleepstudy", index=False)
    result = run("fit", "Yield ~ 1 + (1 | Batch)", "sleepstudy")
    assert "the bundled data set 'sleepstudy' has the same name and is not used" in result.stderr


def test_fit_without_convergence_ends_with_one(run, monkeypatch):
    lmer = ranef.lmer
    monkeypatch.setattr(ranef, "lmer", lambda *a, **k: lmer(*a, **k, control={"max_evaluations": 2}))
    result = run("fit", FORMULA, "sleepstudy")
    assert result.exit_code == 1
    assert "Fixed effects:" in result.stdout
    assert "did not converge (max_evaluations)" in result.stderr


def test_interrupted_fit(run, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(ranef, "lmer", interrupted)
    assert run("fit", FORMULA, "sleepstudy").exit_code == 130


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("fit", "Reaction ~ Days + (Days | Subject", "sleepstudy"), "(at '(', character 19)"),
        (("fit", "Reaction ~ Dayz + (1 | Subject)", "sleepstudy"), "Did you mean 'Days'?"),
        (("fit", "Reaction ~ Days", "sleepstudy"), "no random-effects term"),
        (("fit", FORMULA, "sleepstudi"), "Did you mean 'sleepstudy'?"),
        (("fit", FORMULA, "nowhere/at/all.csv"), "there is no file 'nowhere/at/all.csv'"),
        (("fit", FORMULA, "sleepstudy", "--weights", "w"), "'w'"),
        (("fit", FORMULA, "sleepstudy", "--digits", "0"), "--digits"),
        (("fit", FORMULA, "sleepstudy", "--na-action", "drop"), "--na-action"),
        (("fit", FORMULA), "DATA"),
        (("fit", FORMULA, "sleepstudy", "--nonsense"), "--nonsense"),
    ],
)
def test_bad_input_ends_with_two_and_a_message(run, arguments, message):
    result = run(*arguments)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert message.lower() in result.stderr.lower()
    assert "Traceback" not in result.stderr


def test_missing_extra_is_named(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "typer", None)
    with pytest.raises(SystemExit) as ending:
        main()
    assert ending.value.code == 2
    assert "pip install 'ranef[cli]'" in capsys.readouterr().err


@pytest.mark.usefixtures("undrawn")
def test_report(run, tmp_path):
    pytest.importorskip("jinja2")
    path = tmp_path / "sleep.html"
    result = run("report", FORMULA, "sleepstudy", "--output", str(path))
    assert (result.exit_code, result.stdout) == (0, ""), result.stderr
    assert result.stderr == f"ranef: the report is in {path}\n"
    assert "Where Days is higher by 1" in path.read_text(encoding="utf-8")
    generalized = ("use ~ age + (1 | district)", "Contraception", "--family", "binomial")
    assert run("report", *generalized, "-o", str(path)).exit_code == 0
    assert "the odds of use = Y" in path.read_text(encoding="utf-8")


@pytest.mark.usefixtures("undrawn")
def test_report_with_labels(run, tmp_path):
    path = tmp_path / "sleep.html"
    names = ("--title", "Short nights", "--author", "A. Author", "--label", "Days=Day of the study")
    assert run("report", FORMULA, "sleepstudy", "-o", str(path), *names).exit_code == 0
    page = path.read_text(encoding="utf-8")
    assert all(text in page for text in ("<h1>Short nights</h1>", "A. Author", "Day of the study"))
    for wrong, sentence in (("Days", "--label is NAME=TEXT"), ("Dose=mg", "'Dose'")):
        result = run("report", FORMULA, "sleepstudy", "-o", str(path), "--label", wrong)
        assert result.exit_code == 2
        assert sentence in result.stderr


def test_report_that_cannot_be_made(run, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "jinja2", None)
    result = run("report", FORMULA, "sleepstudy", "--output", str(tmp_path / "sleep.html"))
    assert result.exit_code == 2
    assert "pip install 'ranef[report]'" in result.stderr


@pytest.mark.parametrize(("command", "option"), [("report", "--output"), ("fit", "--save")])
def test_what_cannot_be_written_is_said_before_the_fit(run, tmp_path, monkeypatch, command, option):
    def fit(*_, **__):
        raise AssertionError("the model was fitted")

    monkeypatch.setattr(ranef, "lmer", fit)
    data = tmp_path / "study.csv"
    data.write_text("y,g\n")
    for name, message in (
        (tmp_path, "is a folder"),
        (tmp_path / "nowhere" / "x", "there is no folder"),
        (data, "is the file of the data"),
    ):
        result = run(command, FORMULA, str(data), option, str(name))
        assert (result.exit_code, result.stdout) == (2, "")
        assert message in result.stderr
        assert result.stderr.count("\n") == 1
    assert data.read_text() == "y,g\n"


def test_a_saved_model_can_be_loaded(run, tmp_path):
    path = tmp_path / "sleep.ranef"
    assert run("fit", FORMULA, "sleepstudy", "--save", str(path)).exit_code == 0
    assert ranef.load(path).objective == pytest.approx(load_case("sleep_slope_reml")["best"]["objective"], rel=1e-9)


# ---- data


def test_data_from_standard_input(run, monkeypatch):
    frame = ranef.load_dataset("sleepstudy")
    best = load_case("sleep_slope_reml")["best"]["objective"]
    parquet, text = io.BytesIO(), frame.to_csv(index=False, sep=";", decimal=",").encode("utf-8-sig")
    frame.to_parquet(parquet)
    for content in (frame.to_csv(index=False).encode(), text, gzip.compress(text), parquet.getvalue()):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))
        result = run("fit", FORMULA, "-", "--json")
        assert result.exit_code == 0, result.stderr
        assert json.loads(result.stdout)["objective"] == pytest.approx(best, rel=1e-9)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"")))
    result = run("fit", FORMULA, "-")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "standard input is empty" in result.stderr


def test_an_address_is_no_file(run):
    result = run("fit", FORMULA, "https://example.org/study.csv")
    assert result.exit_code == 2
    assert "curl https://example.org/study.csv | ranef" in result.stderr


def test_a_folder_is_no_data(run, tmp_path):
    result = run("fit", FORMULA, str(tmp_path))
    assert result.exit_code == 2
    assert "is a folder" in result.stderr


# ---- other commands


def test_anova_of_one_model(run):
    case = load_case("sleep_slope_reml")
    result = run("anova", FORMULA, "sleepstudy", "--json")
    assert result.exit_code == 0
    (row,) = json.loads(result.stdout)["rows"]
    # One effect: F is the square of lme4's t.
    assert row["term"] == "Days"
    assert row["f_value"] == pytest.approx((case["best"]["beta"]["Days"] / case["best"]["se"]["Days"]) ** 2, rel=1e-5)
    text = run("anova", FORMULA, "sleepstudy", "--ddf", "kenward-roger").stdout
    assert "Type III tests of fixed effects with Kenward-Roger's method" in text
    assert re.search(r"^Days .*\*\*\*$", text, re.MULTILINE)


def test_anova_of_several_models(run):
    smaller = "Reaction ~ Days + (1 | Subject)"
    result = run("anova", FORMULA, smaller, "sleepstudy", "--json")
    assert result.exit_code == 0
    document = json.loads(result.stdout)
    # anova(m1, m2) of lme4
    assert [row["npar"] for row in document["rows"]] == [4, 6]
    assert document["rows"][1]["chisq"] == pytest.approx(42.139, abs=5e-4)
    assert document["rows"][1]["p_value"] == pytest.approx(7.072e-10, rel=1e-3)
    assert any("refitted by ML" in note for note in document["notes"])
    assert "Likelihood-ratio tests" in run("anova", FORMULA, smaller, "sleepstudy").stdout


def test_anova_says_how_the_file_was_read_and_what_did_not_converge(run, tmp_path):
    path = tmp_path / "toy.csv"
    path.write_text("y;x;g\n1;0;a\n2;1;a\n3;2;a\n2;0;b\n3;1;b\n4;2;b\n")
    result = run("anova", "y ~ x + (1 | g)", "y ~ 1 + (1 | g)", str(path))
    assert result.exit_code == 1
    lines = result.stderr.splitlines()
    assert all(line.startswith("ranef: ") for line in lines)
    assert sum("separated by semicolons" in line for line in lines) == 1
    assert sum("nothing is left for the residual" in line for line in lines) == 1


def test_power(run):
    result = run("power", FORMULA, "sleepstudy", "Days", "--n", "60", "--seed", "1", "--fixef", "Days=5", "--json")
    assert result.exit_code == 0, result.stderr
    (row,) = json.loads(result.stdout)["rows"]
    m = ranef.lmer(FORMULA, ranef.load_dataset("sleepstudy"))
    assert row["power"] == ranef.power(m, "Days", 60, rng=1, fixef={"Days": 5}).power
    curve = run(
        "power", FORMULA, "sleepstudy", "Days", "--n", "20", "--seed", "1", "--extend", "Subject=6,12", "--json"
    )
    assert [row["Subject"] for row in json.loads(curve.stdout)["rows"]] == [6, 12]
    assert "Power for 'Days'" in run("power", FORMULA, "sleepstudy", "Days", "--n", "20").stdout


def test_power_of_a_plan(run):
    stated = ("--fixef", "(Intercept)=250", "--fixef", "Days=10", "--sd", "Subject=25", "--sd", "Subject:Days=6")
    plan = ("power", "~ Days + (Days | Subject)", "sleepstudy", "Days", "--n", "40", "--seed", "1", "--json")
    result = run(*plan, *stated, "--sigma", "25")
    assert result.exit_code == 0, result.stderr
    assert json.loads(result.stdout)["rows"][0]["power"] > 0.9
    result = run(*plan, *stated)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "sigma" in result.stderr


def test_translate(run, tmp_path, monkeypatch):
    path = tmp_path / "analysis.sps"
    path.write_text("MIXED y WITH größe /FIXED=größe /RANDOM=INTERCEPT | SUBJECT(g).", encoding="latin-1")
    assert run("translate", str(path)).stdout.startswith('lmer("y ~ größe + (1 | g)", data)\n')
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"mixed y x || g:")))
    result = run("translate", "-", "--from", "stata")
    assert result.stdout.startswith('lmer("y ~ x + (1 | g)", data, REML=False)\n')


@pytest.mark.parametrize(
    "arguments",
    [
        ("nonsense",),
        ("fit",),
        ("fit", FORMULA),
        ("fit", FORMULA, "sleepstudy", "--ddf", "kr"),
        ("fit", FORMULA, "sleepstudy", "--digits", "many"),
        ("report", FORMULA, "sleepstudy"),
        ("anova", "sleepstudy"),
        ("anova", FORMULA, "sleepstudy", "--type", "5"),
        ("anova", FORMULA, "sleepstudy", "--test", "pb"),
        ("anova", FORMULA, "Reaction ~ 1 + (1 | Subject)", "sleepstudy", "--type", "2"),
        ("anova", FORMULA, "sleepstudy", "--ml", "--ddf", "kenward-roger"),
        ("power", FORMULA, "sleepstudy"),
        ("power", FORMULA, "sleepstudy", "Day"),
        ("power", FORMULA, "sleepstudy", "Days", "--fixef", "Days"),
        ("power", FORMULA, "sleepstudy", "Days", "--fixef", "Days=five"),
        ("power", FORMULA, "sleepstudy", "Days", "--extend", "Subject=many"),
        ("power", FORMULA, "sleepstudy", "Days", "--sd", "Subject=x"),
        ("translate", "nowhere.sps"),
        ("datasets", "--nonsense"),
    ],
    ids=" ".join,
)
def test_every_error_is_one_line_and_two(run, arguments):
    result = run(*arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("ranef: ")
    assert result.stderr.count("\n") == 1
    assert "Value error" not in result.stderr


def test_help_has_examples(run):
    assert "ranef fit" in run().stdout
    for command in ("fit", "anova", "report", "power", "explain", "translate", "datasets"):
        shown = run(command, "--help").stdout
        assert f"  ranef {command} " in shown or f"    ranef {command}" in shown
