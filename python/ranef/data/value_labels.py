"""Value labels of SPSS and Stata: columns of codes to factors, where every code has a label."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from ranef.data.sources import PandasSource

if TYPE_CHECKING:
    import pandas as pd

#: How many labels of a column that stays as it is are named.
MOST_NAMED = 3


class LabelledSource(PandasSource):
    """A frame of a file with value labels. What is said of a column is said when it is in use."""

    __slots__ = ("_about", "_used")

    def __init__(self, frame: "pd.DataFrame", about: Mapping[str, str]):
        super().__init__(frame)
        self._about = dict(about)
        self._used: dict[str, None] = {}

    def load(self, names: Iterable[str]) -> None:
        """Note which columns are in use."""
        self._used.update(dict.fromkeys(names))

    @property
    def notes(self) -> tuple[str, ...]:  # type: ignore[override]
        """What the user should know of the columns in use."""
        return tuple(self._about[name] for name in self._used if name in self._about)


def with_labels(frame: "pd.DataFrame", labels: Mapping[str, Mapping[Any, str]]) -> LabelledSource:
    """Make factors of the columns whose values all have a label, with levels in the order of the
    codes. A column with labels for some values only, such as a code for no answer among numbers,
    stays as it is, which is said.

    Parameters
    ----------
    frame : DataFrame
        With codes.
    labels : mapping
        By column the labels by code.
    """
    import pandas as pd

    made, about = {}, {}
    for name, by_code in labels.items():
        present = set(frame[name].dropna().unique())
        codes = sorted(by_code, key=lambda code: (isinstance(code, str), code))
        texts = [str(by_code[code]) for code in codes]
        if present <= set(codes) and len(set(texts)) == len(texts):
            place = {code: i for i, code in enumerate(codes)}
            of_rows = [place.get(value, -1) for value in frame[name]]
            made[name] = pd.Categorical.from_codes(of_rows, categories=pd.Index(texts, dtype=object))
        elif present & set(codes):
            about[name] = _left(name, {code: by_code[code] for code in codes if code in present})
    return LabelledSource(frame.assign(**made), about)


def without_partial_labels(frame: "pd.DataFrame", codes: "pd.DataFrame | None") -> LabelledSource:
    """The same for a frame whose columns have their labels already; ``codes`` has the columns in
    which labels stand beside numbers once more without labels.
    """
    made, about = {}, {}
    for name in [] if codes is None else codes.columns:
        made[name] = codes[name]  # type: ignore[index]
        pairs = zip(codes[name], frame[name], strict=True)  # type: ignore[index]
        about[name] = _left(name, {code: label for code, label in pairs if isinstance(label, str)})
    return LabelledSource(frame.assign(**made), about)


def partly_labelled(frame: "pd.DataFrame") -> list[str]:
    """Columns in which labels stand beside numbers."""
    import pandas as pd

    return [
        str(name)
        for name in frame.columns
        if isinstance(frame[name].dtype, pd.CategoricalDtype)
        and not all(isinstance(c, str) for c in frame[name].cat.categories)
    ]


def _left(name: str, labels: Mapping[Any, str]) -> str:
    codes = [f"{code:g}" if isinstance(code, float | int) else repr(code) for code in labels]
    shown = [f"{code} = {text!r}" for code, text in zip(codes, labels.values(), strict=True)]
    more = f" and {len(shown) - MOST_NAMED} more" if len(shown) > MOST_NAMED else ""
    return (
        f"the column {name} has labels for some of its values only ({', '.join(shown[:MOST_NAMED])}{more}), so that it "
        "is left as it is, with these values; if they stand for missing ones, leave them out with subset="
    )
