"""The REPEATED statement of PROC MIXED: the covariance of the visits of a subject."""

from ranef.errors import TranslationError
from ranef.translation.composition import Columns, Reading
from ranef.translation.effects import read_effect
from ranef.translation.repeated import Repeated
from ranef.translation.sas.vocabulary import LANGUAGE
from ranef.translation.scanner import Reader, Token

#: Structures by the values of TYPE=.
_TYPES = {
    "un": "us",
    "unr": "us",
    "cs": "cs",
    "csh": "csh",
    "ar(1)": "ar1",
    "arh(1)": "ar1h",
    "ante(1)": "adh",
    "toep": "toep",
    "toeph": "toeph",
}
_SPATIAL = {"sp(exp)": "sp_exp", "sp(pow)": "sp_exp", "sp(gau)": "sp_gau"}
_WRITTEN = {
    **{ours: theirs for theirs, ours in _TYPES.items() if theirs != "unr"},
    "vc": "vc",
    "arma11": "arma(1,1)",
    "sp_exp": "sp(exp)",
    "sp_gau": "sp(gau)",
    "sp_sph": "sp(sph)",
    "sp_lin": "sp(lin)",
    "sp_mat": "sp(matern)",
}

#: Options that ask for output only.
_SILENT = ("r", "rcorr", "rc", "rci", "ri", "hlm", "hlps")


def read_repeated(reader: Reader, reading: Reading, columns: Columns, verb: Token) -> None:
    """The structure term of ``mmrm``."""
    visit: tuple[str, ...] = ()
    if not reader.done and not reader.sees("/"):
        visit = tuple(map(columns.name, read_effect(reader, columns)))
    structure, subject, group = "vc", "", ""
    times: list[str] = []
    reader.accept("/")
    while not reader.done:
        key = reader.word("an option")
        if key.lower in ("subject", "sub") and reader.accept("="):
            subject = ":".join(map(columns.name, read_effect(reader, columns)))
        elif key.lower == "group" and reader.accept("="):
            group = ":".join(map(columns.name, read_effect(reader, columns)))
        elif key.lower == "type" and reader.accept("="):
            structure = reader.take().lower
            if reader.sees("("):
                structure += f"({reader.inside().take().lower})"
            if reader.sees("("):
                inner = reader.inside()
                while not inner.done:
                    times.append(columns.name(inner.word("a coordinate").value))
        elif key.lower not in _SILENT:
            reader.fail("this option of REPEATED has no translation.", key, key.value)
        elif reader.accept("="):
            reader.take()
    if structure in ("vc", "simple") and group:
        reading.variance = f"by_group({group.replace(':', ', ')})"
        return
    spatial = structure in _SPATIAL
    name = _SPATIAL.get(structure) or _TYPES.get(structure)
    if name is None:
        raise TranslationError(
            LANGUAGE,
            f"TYPE={structure.upper()}",
            f"the structures of visits are {', '.join(t.upper() for t in (*_TYPES, *_SPATIAL))}.",
            verb.line,
        )
    if not subject:
        raise TranslationError(LANGUAGE, "REPEATED", "SUBJECT= is missing, by which rows belong together.", verb.line)
    where = ", ".join(times) if spatial else ":".join(visit)
    if not where and name == "cs":
        where = "1"
    if not where:
        raise TranslationError(LANGUAGE, "REPEATED", "name the visit: repeated visit / subject=id type=un;", verb.line)
    reading.repeated = f"{name}({where} | {f'{group}/' if group else ''}{subject})"
    if structure == "sp(pow)":
        reading.note("SP(POW) is the same model as sp_exp, with exp(-1/range) as its parameter.")


def repeated_statement(repeated: Repeated) -> str:
    """The statement of a model."""
    if repeated.structure not in _WRITTEN:
        raise TranslationError(LANGUAGE, f"the structure {repeated.structure}", "PROC MIXED does not have it.")
    kind = _WRITTEN[repeated.structure]
    if repeated.structure.startswith("sp_"):
        if not repeated.visits:
            raise TranslationError(LANGUAGE, "the positions", "SP() types need a column of the position; add one.")
        kind += f"({' '.join(repeated.visits)})"
        visits = ""
    else:
        visits = f" {'*'.join(repeated.visits)}" if repeated.visits else ""
    subject = f" subject={'*'.join(repeated.subject) if repeated.subject else 'intercept'}"
    if repeated.structure == "vc" and not repeated.subject:
        subject = ""
    group = f" group={'*'.join(repeated.group)}" if repeated.group else ""
    return f"  repeated{visits} /{subject} type={kind}{group};"
