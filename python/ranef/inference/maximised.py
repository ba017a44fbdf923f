"""What rests on a likelihood that was maximised, and is refused where it was not."""

from ranef.errors import OptionError
from ranef.fit.record import MixedFit


def need_maximised(fit: MixedFit, what: str, penalized: bool = False) -> None:
    """Refuse a likelihood ratio, a profile or a criterion of a fit with priors or sampling weights.

    Parameters
    ----------
    fit : MixedFit
    what : str
        What was asked for.
    penalized : bool
        Whether priors are to be passed over.
    """
    why = fit.why_no_likelihood
    if why is None or (penalized and fit.design.sampling is None):
        return
    anyway = "" if fit.design.sampling is not None else "; penalized=True of anova and information_criteria has it"
    raise OptionError(f"{what} is not given: {why}{anyway}.")


def need_draws(fit: MixedFit, what: str) -> None:
    """Refuse what draws or leaves out data of a fit with sampling weights."""
    if fit.design.sampling is not None:
        raise OptionError(
            f"{what} is not for fits with sampling weights: their data are no random draws of the model. Standard "
            "errors are robust as they are."
        )
