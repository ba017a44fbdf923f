"""One picture of the diagnostic panel, as numbers and a sentence."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True, eq=False)
class CheckPart:
    """One picture of the panel.

    Attributes
    ----------
    kind : str
        ``"residuals"``, ``"scale"``, ``"residual_quantiles"``, ``"effect_quantiles"``,
        ``"influence"`` or ``"distribution"``; of generalized models also ``"uniform_quantiles"``,
        ``"residuals_along"``, ``"simulated_statistic"``, ``"calibration"`` or ``"laplace"``.
    title, label : str
        The title, and what the picture's sample or factor is called.
    frame : DataFrame
        The numbers drawn; without rows where there is nothing to draw.
    sentence : str
    """

    kind: str
    title: str
    label: str
    frame: "pd.DataFrame"
    sentence: str
