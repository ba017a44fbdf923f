"""What stands on the diagnostic panel for pictures of rows that a model does not have."""

from ranef.design.model_sums import NO_ROWS
from ranef.diagnostics.check_part import CheckPart, Finding


def absent_part() -> CheckPart:
    """A part without a picture, and the sentence that says why and how to get them."""
    import pandas as pd

    sentence = "Residuals, influence and the distribution of the response are not drawn: " + NO_ROWS
    return CheckPart("rows", "Pictures of rows", "", pd.DataFrame(), Finding(sentence))
