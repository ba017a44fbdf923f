"""The option residuals() of mixed: the covariance of the rows of a subject."""

from ranef.translation.composition import Columns, Reading
from ranef.translation.scanner import Reader, Token

#: Structures, with the letters that are enough to write them, by their names in ``mmrm``.
_TYPES = {
    "independent": (3, ""),
    "exchangeable": (2, "cs"),
    "unstructured": (2, "us"),
    "exponential": (3, "sp_exp"),
    "toeplitz": (3, "toep"),
    "ar": (2, "ar1"),
    "ma": (2, "arma"),
}


def read_residuals(body: Reader, token: Token, reading: Reading, columns: Columns, subject: str) -> None:
    """The structure term of ``mmrm``, or a variance for each group.

    Parameters
    ----------
    subject : str
        The groups of the innermost equation; empty where there are none.
    """
    kind = body.word("a structure")
    full = next((k for k, (n, _) in _TYPES.items() if len(kind.lower) >= n and k.startswith(kind.lower)), None)
    if full is None:
        body.fail(f"the structures here are {', '.join(_TYPES)}.", token, f"residuals({kind.value})")
    order = None
    if not body.done and not body.sees(","):
        order = body.whole_number(1000)
    body.accept(",")
    time, group = "", ""
    while not body.done:
        option = body.word("t() or by()")
        value = columns.name(body.inside().take().value)
        if option.lower == "t":
            time = value
        elif option.lower == "by":
            group = value
        else:
            body.fail("the options here are t() and by().", option, "residuals()")
    name = _TYPES[full][1]
    if not name:
        reading.variance = f"by_group({group})" if group else None
        return
    if not subject:
        body.fail("rows need a group in which they are correlated: || group:, noconstant.", token, "residuals()")
    where = time or ("1" if name == "cs" else "")
    if not where:
        body.fail("name the column of the position, t().", token, f"residuals({full})")
    blocks = f"{group}/{subject}" if group else subject
    if name == "arma" or (name == "ar1" and (order or 1) > 1):
        by = f", by={group}" if group else ""
        p, q = (0, order or 1) if name == "arma" else (order or 1, 0)
        reading.correlation = f"arma({where} | {subject}, p={p}, q={q}{by})"
        return
    if name == "toep" and order is not None:
        reading.note(
            f"toeplitz {order} has correlations up to lag {order}, and zero beyond; here all lags have correlations."
        )
    reading.repeated = f"{name}({where} | {blocks})"
