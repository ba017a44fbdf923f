"""Surveys and sums of parts, from bytes that came from elsewhere."""

from collections.abc import Iterable

from ranef.errors import DataError
from ranef.scale.statistic import Statistic
from ranef.scale.survey import Survey


def merge_surveys(parts: Iterable[bytes | Survey]) -> Survey:
    """What was seen of all parts.

    Parameters
    ----------
    parts : iterable of bytes or Survey
        What `Survey.to_bytes` or `partition_survey` gave.

    Returns
    -------
    Survey

    Raises
    ------
    DataError
        If the models differ, a column holds other things in one of them, or bytes are damaged.

    Examples
    --------
    >>> from ranef import load_dataset, scale
    >>> data = load_dataset("sleepstudy")
    >>> formula = "Reaction ~ Days + (Days | Subject)"
    >>> parts = [scale.survey(formula, data[i::2]).to_bytes() for i in range(2)]
    >>> scale.merge_surveys(parts).freeze()
    Recipe('Reaction ~ Days + (Days | Subject)', 2 fixed effects; levels: Subject 18)
    """
    out: Survey | None = None
    for part in parts:
        one = part if isinstance(part, Survey) else Survey.from_bytes(part)
        if out is None:
            out = one.copy()
        else:
            out.merge(one)
    if out is None:
        raise DataError("there are no surveys to merge.")
    return out


def merge_statistics(parts: Iterable[bytes | Statistic]) -> Statistic:
    """The sums of all parts, in their order.

    Parameters
    ----------
    parts : iterable of bytes or Statistic
        What `Statistic.to_bytes` or `partition_statistic` gave.

    Returns
    -------
    Statistic

    Raises
    ------
    DataError
        If a part is in two of them, recipes differ, or bytes are damaged.

    Examples
    --------
    >>> from ranef import load_dataset, scale
    >>> data = load_dataset("sleepstudy")
    >>> recipe = scale.survey("Reaction ~ Days + (Days | Subject)", data).freeze()
    >>> files = []
    >>> for i in range(2):
    ...     c = scale.Statistic(recipe)
    ...     c.update(data[i::2], part=f"half {i}")
    ...     files.append(c.to_bytes())
    >>> scale.merge_statistics(files).n
    180
    """
    out: Statistic | None = None
    for part in parts:
        one = part if isinstance(part, Statistic) else Statistic.from_bytes(part)
        if out is None:
            out = Statistic(one.recipe, one.by_level)
        out.merge(one)
    if out is None:
        raise DataError("there are no sums to merge.")
    return out
