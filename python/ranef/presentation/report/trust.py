"""Whether to trust a fit, in words: how it ended, and what calls for caution."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ranef.fit.record import MixedFit
from ranef.presentation.report.phrases import listed, percent
from ranef.presentation.term_labels import label_of

#: With fewer levels than this a variance rests on too little to be known well.
FEW_LEVELS = 10

#: With fewer levels than this, maximum likelihood makes variances clearly too small.
FEW_FOR_ML = 30


@dataclass(frozen=True, slots=True)
class Trust:
    """The verdict on a fit.

    Attributes
    ----------
    mark : {"good", "caution", "bad"}
    headline : str
        One sentence.
    ending : str
        How the optimisation ended.
    cautions : tuple of str
        What calls for caution.
    """

    mark: str
    headline: str
    ending: str
    cautions: tuple[str, ...]


def trust(fit: MixedFit, labels: Mapping[str, str], seen: Sequence[str] = ()) -> Trust:
    """Judge a fit by what can be computed for it.

    Parameters
    ----------
    fit : MixedFit
    labels : mapping
        The user's labels of groups.
    seen : sequence of str
        What pictures showed that calls for caution.
    """
    cautions: list[str] = []
    if fit.convergence.ok:
        cautions += [
            f"{d[:1].upper()}{d[1:]}: the estimate lies on the edge of what is possible (a singular fit)."
            for d in fit.convergence.directions
        ]
    small = {label_of(t.group, labels): len(t.levels) for t in fit.terms if len(t.levels) < FEW_LEVELS}
    cautions += [
        f"There {'is only 1 level' if n == 1 else f'are only {n} levels'} of {g}: the variance between them is known "
        "very roughly. Profile or bootstrap intervals show how roughly."
        for g, n in small.items()
    ]
    fewest = min((len(t.levels) for t in fit.terms), default=FEW_FOR_ML)
    if fit.both_criteria and not fit.reml and fewest < FEW_FOR_ML:
        cautions.append(
            "The model was fitted by maximum likelihood to few groups: its variances are estimated somewhat too "
            "small. REML corrects this."
        )
    if fit.dropped:
        cautions.append(
            f"{listed(fit.dropped)} could not be estimated, as other predictors determine "
            f"{'it' if len(fit.dropped) == 1 else 'them'}, and {'was' if len(fit.dropped) == 1 else 'were'} left out."
        )
    lost = fit.design.n_input - fit.nobs
    if fit.design.n_missing and lost / fit.design.n_input > 0.05:
        cautions.append(
            f"{percent(lost / fit.design.n_input)} of the rows were left out; if not by chance, results describe the "
            "others only."
        )
    cautions += [_finished(n) for n in fit.design.notes]
    if fit.n_quad == 0:
        cautions.append("The fast penalised form was used, which is biased; report a fit with n_quad=1 or more.")
    if fit.convergence.ok:
        cautions += seen
    ok = fit.convergence.ok
    if not ok:
        mark, headline = (
            "bad",
            "Do not use these results: the fit did not converge, so the numbers below are not the estimates of this "
            "model.",
        )
    elif fit.singular:
        mark = "caution"
        headline = (
            "The fit converged, but some variance or correlation is estimated at the edge of what is possible. The "
            "fixed effects can be used; read the remarks on the variances."
        )
    elif cautions:
        mark, headline = (
            "caution",
            "The fit converged: the numbers are the estimates of this model. "
            f"{'One point calls' if len(cautions) == 1 else f'{len(cautions)} points call'} for caution.",
        )
    else:
        mark, headline = (
            "good",
            "The fit converged: the numbers are the estimates of this model. None of the automatic checks calls for "
            "caution.",
        )
    return Trust(mark, headline, fit.convergence.explanation, tuple(cautions))


def _finished(note: str) -> str:
    text = f"{note[:1].upper()}{note[1:]}"
    return text if text.endswith((".", "!", "?")) else f"{text}."
