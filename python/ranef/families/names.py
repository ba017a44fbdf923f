"""Families by name, in R's spelling and in others."""

import difflib
import re
from typing import Any

from ranef.errors import ArgumentTypeError, OptionError
from ranef.families.beta_binomial import BetaBinomial
from ranef.families.conway_maxwell_poisson import ConwayMaxwellPoisson
from ranef.families.counts import NegativeBinomial, Poisson
from ranef.families.family import Family
from ranef.families.gaussian import Gaussian
from ranef.families.genpois import GeneralizedPoisson
from ranef.families.lognormal import LogNormal
from ranef.families.ordered_beta import OrderedBeta
from ranef.families.positive import Gamma, InverseGaussian
from ranef.families.proportions import Beta, Binomial
from ranef.families.skew_normal import SkewNormal
from ranef.families.student_t import StudentT
from ranef.families.truncated import Truncated
from ranef.families.tweedie import Tweedie
from ranef.families.zero_one_inflated_beta import ZeroOneInflatedBeta

#: What is listed when a name is not known.
NAMES = (
    "binomial",
    "poisson",
    "nbinom2",
    "nbinom1",
    "Gamma",
    "inverse.gaussian",
    "gaussian",
    "beta",
    "betabinomial",
    "ordbeta",
    "zoib",
    "tweedie",
    "lognormal",
    "t",
    "skewnormal",
    "genpois",
    "compois",
)

_BY_NAME: dict[str, tuple[type[Family], dict[str, Any]]] = {
    "binomial": (Binomial, {}),
    "bernoulli": (Binomial, {}),
    "poisson": (Poisson, {}),
    "negativebinomial": (NegativeBinomial, {}),
    "nbinom2": (NegativeBinomial, {}),
    "negbinomial": (NegativeBinomial, {}),
    "nb2": (NegativeBinomial, {}),
    "nbinom1": (NegativeBinomial, {"type": 1}),
    "nb1": (NegativeBinomial, {"type": 1}),
    "gamma": (Gamma, {}),
    "inversegaussian": (InverseGaussian, {}),
    "gaussian": (Gaussian, {}),
    "normal": (Gaussian, {}),
    "beta": (Beta, {}),
    "betafamily": (Beta, {}),
    "zigamma": (Gamma, {"link": "log"}),
    "hurdlegamma": (Gamma, {"link": "log"}),
    "betabinomial": (BetaBinomial, {}),
    "ordbeta": (OrderedBeta, {}),
    "orderedbeta": (OrderedBeta, {}),
    "ordbetareg": (OrderedBeta, {}),
    "zoib": (ZeroOneInflatedBeta, {}),
    "zerooneinflatedbeta": (ZeroOneInflatedBeta, {}),
    "tweedie": (Tweedie, {}),
    "lognormal": (LogNormal, {}),
    "t": (StudentT, {}),
    "student": (StudentT, {}),
    "tfamily": (StudentT, {}),
    "skewnormal": (SkewNormal, {}),
    "genpois": (GeneralizedPoisson, {}),
    "compois": (ConwayMaxwellPoisson, {}),
    "compoisson": (ConwayMaxwellPoisson, {}),
}

#: What other programs put before a name, where zeros are a part of it.
_ZEROS = {"zeroinflated": False, "hurdle": True, "truncated": True}

#: What other names mean, when they are not those of a family.
_MEANT = {
    "logistic": "Logistic regression is family='binomial'",
    "logit": "A link stands in its family: family='binomial(logit)', or family='binomial' as it is the default",
    "probit": "A link stands in its family: family='binomial(probit)'",
    "cloglog": "A link stands in its family: family='binomial(cloglog)'",
    "log": "A link stands in its family, such as family='poisson(log)' or family='Gamma(log)'",
    "count": "Counts are family='poisson' or family='nbinom2'",
    "zip": "Extra zeros have a formula of their own: family='poisson' with zi_formula='~ 1'",
    "zinb": "Extra zeros have a formula of their own: family='nbinom2' with zi_formula='~ 1'",
    "multinomial": "A response of several categories is modelled as several binary ones, each against one category",
    "categorical": "A response of several categories is modelled as several binary ones, each against one category",
    "ordinal": "Categories in order have a verb of their own: clmm(formula, data, link='logit')",
    "cumulative": "Categories in order have a verb of their own: clmm(formula, data, link='logit')",
    "hurdle": "A hurdle names its counts: family='hurdle_poisson' or 'hurdle_nbinom2'",
    "truncated": "A truncated family names its counts: family='truncated_poisson' or 'truncated_nbinom2'",
    "zeroinflated": "Extra zeros have a formula of their own: family='poisson' with zi_formula='~ 1'",
    "exponential": "The exponential distribution is nearly family='Gamma(log)', which estimates its shape as well",
}

#: Links of statsmodels by the names of their classes, where they are not ours.
_LINKS_ELSEWHERE = {"inversepower": "inverse", "inversesquared": "1/mu^2", "cauchy": "cauchit"}

_CALL = re.compile(r"\s*([A-Za-z][\w.]*)\s*(?:\((.*)\))?\s*", re.DOTALL)


def parse_family(family: object) -> Family:
    """Read the ``family`` argument.

    Parameters
    ----------
    family : Family, or str
        A name such as ``"binomial"``, or R's call as text: ``'binomial(link = "probit")'``,
        ``"Gamma(log)"``.

    Raises
    ------
    OptionError
        For a name that is not known; all names are listed.
    """
    if isinstance(family, Family):
        return family
    if isinstance(family, type) and issubclass(family, Family) and family is not Family:
        try:
            return family()
        except TypeError:  # it has no defaults
            example = "Truncated(Poisson())" if family is Truncated else f"{family.__name__}(...)"
            raise ArgumentTypeError(
                f"family={family.__name__} is a class that needs arguments; give an object such as {example}."
            ) from None
    if not isinstance(family, str):
        raise ArgumentTypeError(
            f"family must be a name ({', '.join(map(repr, NAMES))}) or an object such as Binomial(link='probit'), not "
            f"{_other_object(family)}."
        )
    match = _CALL.fullmatch(family)
    name = match[1] if match else family
    for word, cuts in _ZEROS.items():
        plain = _plain(name)
        if plain not in _BY_NAME and plain.startswith(word) and plain[len(word) :] in _BY_NAME and match is not None:
            rest = f"{plain[len(word) :]}{'' if match[2] is None else f'({match[2]})'}"
            own = parse_family(rest)
            return Truncated(own) if cuts and own.support == "count" else own
    found = _BY_NAME.get(_plain(name))
    if match is None or found is None:
        raise OptionError(f"there is no family {family!r}; families are {', '.join(map(repr, NAMES))}.{_meant(name)}")
    made, fixed = found
    return made(**{**fixed, **_arguments(match[2], family, made)})


def has_zero_part(family: object) -> bool:
    """Whether the name of a family says that zeros have a part of their own."""
    if not isinstance(family, str):
        return False
    plain = _plain(family)
    return plain.startswith(("zeroinflated", "hurdle")) or plain.startswith("zigamma")


def _meant(name: str) -> str:
    """A sentence on a name that is not known; mostly empty."""
    plain = _plain(name)
    if plain in _MEANT:
        return f" {_MEANT[plain]}."
    if plain.startswith("quasi"):
        return (
            " Quasi-families have no likelihood; for overdispersed counts use 'nbinom2' or a random effect for each "
            "row."
        )
    close = difflib.get_close_matches(plain, _BY_NAME, n=1, cutoff=0.7)
    return f" Did you mean {_listed_name(close[0])!r}?" if close else ""


def _listed_name(known: str) -> str:
    """The name under which a known one is listed."""
    return next((n for n in NAMES if _BY_NAME[_plain(n)] == _BY_NAME[known]), known)


def _plain(name: str) -> str:
    return re.sub(r"[._\s-]", "", name).lower()


def _other_object(family: object) -> str:
    """An object that is not a family of ours, with what to write where another package's class says
    what it is.
    """
    kind = family if isinstance(family, type) else type(family)
    library = kind.__module__.partition(".")[0]
    name = next(
        (n for n in (kind.__name__.lower(), kind.__name__.lower().removesuffix("family")) if n in _BY_NAME), None
    )
    if library in ("builtins", "numpy") or name is None:
        return (
            repr(family)
            if library == "builtins" and not callable(family)
            else f"an object of {library}: {kind.__name__}"
        )
    ours = _listed_name(name)
    link = type(getattr(family, "link", None)).__name__.lower()
    link = _LINKS_ELSEWHERE.get(link, link)
    made = _BY_NAME[name][0]
    shown = f"{ours}({link})" if link in made.links and link != made.links[0] else ours
    return f"an object of {library}; write family={shown!r}"


def _arguments(text: str | None, family: str, made: type[Family]) -> dict[str, object]:
    """The arguments inside the brackets of R's call."""
    out: dict[str, object] = {}
    for position, part in enumerate(p.strip() for p in (text or "").split(",")):
        if not part:
            continue
        key, equals, value = (s.strip() for s in part.partition("="))
        if not equals:
            number = made is NegativeBinomial and re.fullmatch(r"[\d.eE+-]+", part)
            key, value = ("size" if number else "link" if position == 0 or number is None else ""), part
        value = value.strip("'\"")
        if key == "link":
            out["link"] = value
        elif key in ("theta", "size") and made is NegativeBinomial:
            try:
                out["size"] = float(value)
            except ValueError:
                raise OptionError(f"size in {family!r} must be a number, not {value!r}.") from None
        else:
            raise OptionError(
                f"{part!r} in family={family!r} cannot be understood; give a link, as in 'binomial(probit)'."
            )
    return out
