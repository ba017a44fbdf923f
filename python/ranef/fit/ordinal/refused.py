"""What is for models of a mean and is refused for ordered categories, in one sentence each."""

from ranef.errors import OptionError
from ranef.fit.record import MixedFit


def refuse_categories(fit: MixedFit, what: str, instead: str) -> None:
    """Raise where the response is one of ordered categories.

    Parameters
    ----------
    fit : MixedFit
    what : str
        What was asked for.
    instead : str
        What to do.

    Raises
    ------
    OptionError
    """
    if fit.categories:
        raise OptionError(f"{what} is for models of a mean, and an ordinal response has probabilities: {instead}.")
