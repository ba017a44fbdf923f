"""One picture of the diagnostic panel, as numbers and a sentence."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import pandas as pd


class Finding(NamedTuple):
    """What is said of a picture.

    Attributes
    ----------
    sentence : str
    p_value : float or None
        Chance of what is seen in data from the model; None where nothing was tested.
    concern : bool
        Whether it calls for caution: more than chance gives, and large enough to matter.
    """

    sentence: str
    p_value: float | None = None
    concern: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class CheckPart:
    """One picture of the panel.

    Attributes
    ----------
    kind : str
        ``"residuals"``, ``"scale"``, ``"residual_quantiles"``, ``"effect_quantiles"``,
        ``"influence"`` or ``"distribution"``; of generalized models also ``"uniform_quantiles"``,
        ``"simulated_statistic"``, ``"calibration"`` or ``"laplace"``.
    title, label : str
        The title, and what the picture's sample or factor is called.
    frame : DataFrame
        The numbers drawn; without rows where there is nothing to draw.
    finding : Finding
        The sentence and what it rests on.
    along : str
        Name of the x axis where it is not always the same.
    """

    kind: str
    title: str
    label: str
    frame: "pd.DataFrame"
    finding: Finding
    along: str = ""

    @property
    def sentence(self) -> str:
        """What is said of the picture."""
        return self.finding.sentence
