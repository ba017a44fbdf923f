"""What SAS asks of a fitted model as calls of ours: means, differences, degrees of freedom."""

from ranef.translation.composition import Columns, Reading
from ranef.translation.effects import read_effect
from ranef.translation.scanner import Reader, Token

DEGREES_OF_FREEDOM = {
    "kr": "kenward-roger", "kr2": "kenward-roger", "kenwardroger": "kenward-roger", "kenwardroger2": "kenward-roger",
    "sat": "satterthwaite", "satterth": "satterthwaite", "satterthwaite": "satterthwaite",
    "residual": "residual", "resid": "residual", "res": "residual", "none": "none",
}  # fmt: skip
_ADJUSTMENTS = {
    "tukey": "tukey", "bon": "bonferroni", "bonferroni": "bonferroni", "sidak": "sidak", "scheffe": "scheffe",
    "dunnett": "mvt", "simulate": "mvt", "none": "none", "t": "none",
}  # fmt: skip
_BY_DEFAULT = {"pairwise": "tukey", "trt.vs.ctrl": "mvt"}
_DIFFERENCES = {"all": "pairwise", "control": "trt.vs.ctrl", "controll": "trt.vs.ctrl", "controlu": "trt.vs.ctrl",
                "anom": "eff"}  # fmt: skip


def read_ddf(setting: list[Token], reading: Reading) -> None:
    """The degrees of freedom of ``ddfm=``; those that are not here are named."""
    asked = setting[0].lower if setting else ""
    ddf = DEGREES_OF_FREEDOM.get(asked)
    if ddf is None:
        reading.note(
            f"ddfm={asked} is not here; ddf= has Satterthwaite's, Kenward and Roger's, and residual degrees of freedom."
        )
    elif ddf != "satterthwaite":
        linear = any(t.lower == "linear" for t in setting)
        reading.ddf = "kenward-roger-linear" if ddf == "kenward-roger" and linear else ddf
    if asked in ("kr2", "kenwardroger2"):
        reading.note("the second form of Kenward and Roger's covariance is not here; it is the first.")


def read_means(reader: Reader, reading: Reading, columns: Columns) -> None:
    """The calls for an ``LSMEANS`` statement, as notes."""
    effects = []
    while not reader.done and not reader.sees("/"):
        effects.append(tuple(map(columns.name, read_effect(reader, columns))))
    means: list[str] = []
    values: list[str] = []
    method: str | None = None
    control: list[str] = []
    adjust = "none"
    slices: list[tuple[str, ...]] = []
    unread: list[str] = []
    reader.accept("/")
    while not reader.done:
        key = reader.word("an option")
        if key.lower in ("diff", "diffs", "pdiff", "pdiffs"):
            asked = reader.take().lower if reader.accept("=") else "all"
            method = _DIFFERENCES.get(asked, "pairwise")
            if reader.sees("("):
                control = [t.value for t in reader.inside().tokens if t.kind in ("string", "word", "number")]
            if asked in ("controll", "controlu"):
                unread.append(f"diff={asked} (one-sided: alternative= of contrast)")
        elif key.lower in ("adjust", "adj") and reader.accept("="):
            asked = reader.take().lower
            if reader.sees("("):
                reader.inside()
            adjust = _ADJUSTMENTS.get(asked, "none")
            if asked not in _ADJUSTMENTS:
                unread.append(f"adjust={asked}")
        elif key.lower == "at" and not reader.sees("(") and not reader.sees("means"):
            name = columns.name(reader.word("a column").value)
            reader.expect("=")
            sign = "-" if reader.accept("-") else ""
            values.append(f"{_quoted(name)}: {sign}{reader.take().value}")
        elif key.lower in ("om", "obsmargins"):
            means.append('weights="proportional"')
            if reader.accept("="):
                reader.take()
        elif key.lower == "ilink":
            means.append('type="response"')
        elif key.lower == "alpha" and reader.accept("="):
            means.append(f"level={1 - float(reader.take().value):.10g}")
        elif key.lower == "slice" and reader.accept("="):
            inner = reader.inside() if reader.sees("(") else reader
            slices.append(tuple(map(columns.name, read_effect(inner, columns))))
            while inner is not reader and not inner.done:
                slices.append(tuple(map(columns.name, read_effect(inner, columns))))
        else:
            written = key.value
            if reader.accept("="):
                written += f"={reader.take().value}"
            if reader.sees("("):
                reader.inside()
            if key.lower not in (
                "cl",
                "e",
                "corr",
                "cov",
                "df",
                "stderr",
                "adjdfe",
                "singular",
                "lines",
                "plots",
                "plot",
            ):
                unread.append(written)
    if values:
        means.insert(0, f"at={{{', '.join(values)}}}")
    for effect in effects:
        call = f"m.emmeans({', '.join([_names(effect), *means])})"
        if method is not None:
            arguments = [f'"{method}"']
            if method == "trt.vs.ctrl" and control:
                arguments.append(f"ref={_quoted(_label(effect, control))}")
            if adjust != _BY_DEFAULT.get(method):
                arguments.append(f'adjust="{adjust}"')
            call += f".contrast({', '.join(arguments)})"
        reading.note(f"LSMEANS: {call}")
    for by in slices:
        reading.note(f"LSMEANS, SLICE: m.joint_tests(by={_names(by)})")
    if unread:
        reading.note(f"LSMEANS: {', '.join(unread)} was not translated.")


def _names(effect: tuple[str, ...]) -> str:
    names = ", ".join(map(_quoted, effect))
    return names if len(effect) == 1 else f"[{names}]"


def _quoted(text: str) -> str:
    return repr(text) if '"' in text else f'"{text}"'


def _label(effect: tuple[str, ...], levels: list[str]) -> str:
    """The label of a mean: a level that is a number has the name of its variable before it."""
    pairs = zip(effect, levels, strict=False)
    return " ".join(f"{n}{v}" if v.replace(".", "", 1).isdigit() else v for n, v in pairs)
