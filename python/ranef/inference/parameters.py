"""The parameters of a mixed model that intervals are given for, under lme4's names."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
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
        parameter of a family, or the name of a fixed effect; of other linear predictors than the
        first with their name before a colon.
    kind : {"sd", "cor", "positive", "share", "number", "sigma", "beta"}
        Parameters of covariance structures that are no standard deviations or correlations are
        positive (a range, a ratio of standard deviations), a share (a nugget) or any number.
    core : int
        Its place in the core's list: theta in the core's order, sigma (also where there is none),
        fixed effects, parameters of the rows' structure.
    component : str
        The linear predictor whose coefficient it is, ``"theta"`` for all others.
    label : str
        Its name within the component.
    is_log : bool
        Whether the core has its logarithm.
    """

    name: str
    kind: Kind
    core: int
    component: str
    label: str
    is_log: bool = False


def parameters_of(fit: MixedFit) -> tuple[Parameter, ...]:
    """Standard deviations and correlations in lme4's order of theta, sigma or a family's extra
    parameter where it is estimated, fixed effects, parameters of the rows' structure.
    """
    out: list[Parameter] = []

    def add(
        name: str, kind: Kind, core: int, component: str = "theta", label: str | None = None, is_log: bool = False
    ) -> None:
        out.append(Parameter(name, kind, core, component, name if label is None else label, is_log))

    of_core = fit.whole_order.theta_of_core
    for block in fit.covariance_blocks():
        for i, (kind, places) in enumerate(block.span.core.parameters):
            name = f"{kind}_{'.'.join(block.term.names[j] for j in places)}" if places else kind
            add(f"{name}|{block.group}", kind_of(kind), int(of_core[block.span.theta_start + i]))
    m = len(out)
    if fit.spread_name is not None:
        place = fit.log_spread_place
        add(fit.spread_name, "sigma", m if place is None else m + 1 + place, is_log=place is not None)
    for component, label, place in fit.coefficient_names:
        plain = component in ("cond", "thresholds", "nominal")
        add(label if plain else f"{component}:{label}", "beta", m + 1 + place, component, label)
    after = fit.structure_places
    for j, name in enumerate(fit.structure_parameters):
        kind = kind_of(name)
        if after is None:
            add(name, kind, m + 1 + len(fit.x_names) + j)
        else:
            add(name, kind, m + 1 + after[j], is_log=kind == "positive")
    return tuple(out)


def of_component(parameters: Sequence[Parameter], component: str | None) -> tuple[Parameter, ...]:
    """The parameters of a component, which are called by their names within it; None is the first
    one, and what is not of any.
    """
    if component is None or component == "cond":
        return tuple(p for p in parameters if p.component in ("cond", "theta"))
    known = dict.fromkeys(p.component for p in parameters if p.component != "theta")
    if component != "all" and component not in known:
        raise OptionError(
            f"the model has no component {component!r}; its components are {', '.join(map(repr, known))}."
        )
    found = [p for p in parameters if component in (p.component, "all")]
    # as tables of all components have them: effects first
    found.sort(key=lambda p: p.component == "theta")
    return tuple(replace(p, name=p.label) for p in found)


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
