"""The parameters of a mixed model that intervals are given for, under lme4's names."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from ranef.errors import ArgumentTypeError, OptionError
from ranef.fit.record import MixedFit

Kind = Literal["sd", "cor", "positive", "share", "number", "sigma", "beta"]


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter.

    Attributes
    ----------
    name : str
        ``sd_(Intercept)|Subject``, ``cor_Days.(Intercept)|Subject``, ``sigma`` or the extra
        parameter of a family, or the name of a fixed effect.
    kind : {"sd", "cor", "positive", "share", "number", "sigma", "beta"}
        Parameters of covariance structures that are no standard deviations or correlations are
        positive (a range, a ratio of standard deviations), a share (a nugget) or any number.
    core : int
        Its place in the core's list: theta in the core's order, sigma (also where there is none),
        fixed effects, parameters of the rows' structure.
    """

    name: str
    kind: Kind
    core: int


def parameters_of(fit: MixedFit) -> tuple[Parameter, ...]:
    """Standard deviations and correlations in lme4's order of theta, sigma or a family's extra
    parameter where it is estimated, fixed effects, parameters of the rows' structure.
    """
    out: list[Parameter] = []
    core = iter(fit.order.theta_of_core)
    for span, term in zip(fit.order.spans, fit.terms, strict=True):
        for kind, places in span.core.parameters:
            name = f"{kind}_{'.'.join(term.names[i] for i in places)}" if places else kind
            out.append(Parameter(f"{name}|{term.group}", kind_of(kind), int(next(core))))
    m = len(out)
    if fit.spread_name is not None:
        out.append(Parameter(fit.spread_name, "sigma", m))
    out.extend(Parameter(name, "beta", m + 1 + j) for j, name in enumerate(fit.x_names))
    first = m + 1 + len(fit.x_names)
    out.extend(Parameter(name, kind_of(name), first + j) for j, name in enumerate(fit.structure_parameters))
    return tuple(out)


def kind_of(name: str) -> Kind:
    """The kind of a natural parameter of a covariance structure: ``rho``, ``cor(8, 10)``,
    ``correlation_lag2``, ``range``...
    """
    stem = name.split("(")[0].split("[")[0].split("_lag")[0]
    if stem == "sd":
        return "sd"
    if stem in ("rho", "cor", "correlation"):
        return "cor"
    if stem in ("range", "smoothness", "sd_ratio", "constant"):
        return "positive"
    return "share" if stem == "nugget" else "number"


def chosen_parameters(parameters: Sequence[Parameter], parm: object) -> tuple[Parameter, ...]:
    """The parameters that ``parm`` names.

    Parameters
    ----------
    parameters : sequence of Parameter
    parm : str, list of str or None
        Names; ``"theta_"`` stands for standard deviations, correlations and sigma, ``"beta_"`` for
        the fixed effects; None is all.

    Returns
    -------
    tuple of Parameter
        In the order in which they are named.
    """
    if parm is None:
        return tuple(parameters)
    wanted = [parm] if isinstance(parm, str) else parm
    if not isinstance(wanted, Sequence) or not wanted or not all(isinstance(w, str) for w in wanted):
        raise ArgumentTypeError(f"parm must be the name of a parameter or a list of names, not {parm!r}.")
    out: list[Parameter] = []
    for w in wanted:
        if w in ("theta_", "beta_"):
            found = [p for p in parameters if (p.kind == "beta") == (w == "beta_")]
        else:
            found = [p for p in parameters if p.name == w]
            if not found:
                names = ", ".join(dict.fromkeys(p.name for p in parameters))
                raise OptionError(
                    f"parm names no parameter: {w!r}. They are {names}; or 'theta_' for all of the random part, "
                    "'beta_' for all fixed effects."
                )
        out.extend(p for p in found if p not in out)
    return tuple(out)
