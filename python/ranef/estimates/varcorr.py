"""Variances and correlations of the random effects."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ranef.errors import UnknownKeyError
from ranef.fit.order import TermSpan, natural_parameters
from ranef.fit.record import MixedFit

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]

#: Effects of a term that are printed where the parameters of its structure imply all others, and
#: most effects of which all are.
FEW, MOST = 5, 10


@dataclass(frozen=True, slots=True, eq=False)
class VarCorrBlock:
    """Covariance of the random effects of one term.

    Attributes
    ----------
    group : str
        The grouping factor.
    names : tuple of str
        The k effects.
    sd : (k,) array
    cov : (k, k) array
    corr : (k, k) array
        NaN beside an effect without variance.
    diagonal : bool
        Whether the effects are independent by assumption, so that correlations are not parameters.
    parameters : dict of str to float
        What was estimated where the covariance matrix has a structure: ``sd`` of all effects or
        ``sd__`` and the effect, ``correlation``, ``correlation_lag1``, ``range``, ``smoothness``.
        Empty where the matrix is free.
    """

    group: str
    names: tuple[str, ...]
    sd: Floats
    cov: Floats
    corr: Floats
    diagonal: bool
    parameters: Mapping[str, float]

    def __repr__(self) -> str:
        import pandas as pd

        k = len(self.names)
        shown = FEW if k > MOST and 0 < len(self.parameters) < k else k
        frame = pd.DataFrame({"sd": self.sd[:shown]}, index=pd.Index(self.names[:shown]))
        if not self.diagonal:
            for j, name in enumerate(self.names[: shown - 1]):
                below = np.arange(shown) > j
                frame[f"with {name}"] = np.where(below, self.corr[:shown, j], np.nan)
        what = (
            "standard deviations" if self.diagonal or len(self.names) == 1 else "standard deviations and correlations"
        )
        rows = frame.to_string(float_format=lambda v: f"{v:.4g}", na_rep="", line_width=100)
        more = [f"… ({k - shown} more)"] if shown < k else []
        found = ", ".join(f"{name} {value:.4g}" for name, value in self.parameters.items())
        return "\n".join([f"Random effects of {self.group}, {what}:", rows, *more, *([found] if found else [])])


class VarCorr(Mapping[str, VarCorrBlock]):
    """Blocks of the random-effects covariance by grouping factor, in lme4's order;
    a second term on the factor ``g`` is ``g.1``.

    Attributes
    ----------
    sigma : float or None
        Residual standard deviation; None for families without one.
    """

    __slots__ = ("_blocks", "sigma")

    def __init__(self, blocks: Mapping[str, VarCorrBlock], sigma: float | None):
        self._blocks = dict(blocks)
        self.sigma = sigma

    def __getitem__(self, key: str) -> VarCorrBlock:
        try:
            return self._blocks[key]
        except KeyError:
            names = ", ".join(map(repr, self._blocks))
            raise UnknownKeyError(f"varcorr has no term {key!r}; its terms are {names}.") from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._blocks)

    def __len__(self) -> int:
        return len(self._blocks)

    def __repr__(self) -> str:
        return self.to_frame().fillna("").to_string(index=False)

    def to_frame(self) -> "pd.DataFrame":
        """Return one row for every parameter.

        Returns
        -------
        DataFrame
            Columns ``group, name1, name2, variance, sd``. A row with one name holds the variance
            and standard deviation of that effect, a row with two names their covariance and
            correlation; the last row is ``Residual``, unless the family has no scale.
        """
        import pandas as pd

        rows: list[tuple[str, str | None, str | None, float, float]] = []
        for key, b in self._blocks.items():
            k = len(b.names)
            rows.extend((key, b.names[i], None, float(b.cov[i, i]), float(b.sd[i])) for i in range(k))
            if not b.diagonal:
                rows.extend(
                    (key, b.names[j], b.names[i], float(b.cov[i, j]), float(b.corr[i, j]))
                    for j in range(k)
                    for i in range(j + 1, k)
                )
        if self.sigma is not None:
            rows.append(("Residual", None, None, self.sigma**2, self.sigma))
        return pd.DataFrame(rows, columns=["group", "name1", "name2", "variance", "sd"])


def varcorr(fit: MixedFit, own: bool = False) -> VarCorr:
    """Compute the covariance of every random term, or with ``own`` of those of the first linear
    predictor alone: the relative covariance times the square of its scale.
    """
    blocks = {}
    for key, _, term, span, factor, theta in fit.own_blocks() if own else fit.covariance_blocks():
        scaled = factor * fit.random_scale
        cov = scaled @ scaled.T
        sd = np.sqrt(np.diagonal(cov))
        with np.errstate(divide="ignore", invalid="ignore"):
            corr = cov / np.outer(sd, sd)
        np.fill_diagonal(corr, 1.0)
        for a in (cov, sd, corr):
            a.flags.writeable = False
        named = {} if span.core.is_free else _parameters(fit, span, theta, tuple(term.names))
        blocks[key] = VarCorrBlock(term.group, tuple(term.names), sd, cov, corr, span.diagonal, named)
    return VarCorr(blocks, fit.residual_sd)


def _parameters(fit: MixedFit, span: TermSpan, theta: Floats, names: tuple[str, ...]) -> dict[str, float]:
    """What a structure is described by, in the units of the response where they are standard
    deviations.
    """
    values = natural_parameters(span, theta[None])[0].tolist()
    out = {}
    for (kind, places), value in zip(span.core.parameters, values, strict=True):
        label = f"{kind}__{'.'.join(names[i] for i in places)}" if places else kind
        out[label] = value * fit.random_scale if kind == "sd" else value
    return out
