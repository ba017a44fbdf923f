"""What every fitted model holds: its frozen record, what was asked for, and labels."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ranef.fit.record import MixedFit
from ranef.fit.request import ModelRequest
from ranef.known_arguments import known_members
from ranef.known_names import unknown_member

if TYPE_CHECKING:
    import pandas as pd


class FittedModel:
    """A fitted model: what the chapters, one a subject, are written on.

    Labelled results are made when first asked for and kept.
    """

    _fit: MixedFit
    _request: ModelRequest
    _of_the_other_kind: ClassVar[Mapping[str, str]] = {}

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        known_members(cls)

    def __init__(self, fit: MixedFit, request: ModelRequest):
        self._fit = fit
        self._request = request

    def __getstate__(self) -> tuple[MixedFit, ModelRequest]:
        return self._fit, self._request

    def __setstate__(self, state: tuple[MixedFit, ModelRequest]) -> None:
        self._fit, self._request = state

    # Type checkers are to see which members there are.
    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            raise unknown_member(self, name, self._of_the_other_kind.get(name))

    @property
    def formula(self) -> str:
        """The formula as given."""
        return self._request.formula

    # ---- labels

    def _named(self, values: NDArray[np.float64], name: str) -> "pd.Series[float]":
        import pandas as pd

        return pd.Series(values, index=pd.Index(self._fit.x_names), name=name, copy=True)

    def _square(self, values: NDArray[np.float64]) -> "pd.DataFrame":
        import pandas as pd

        names = pd.Index(self._fit.x_names)
        return pd.DataFrame(values, index=names, columns=names, copy=True)
