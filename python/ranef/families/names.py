"""Families by name, in R's spelling and in others."""

import re

from ranef.errors import ArgumentTypeError, OptionError
from ranef.families.counts import NegativeBinomial, Poisson
from ranef.families.family import Family
from ranef.families.gaussian import Gaussian
from ranef.families.positive import Gamma, InverseGaussian
from ranef.families.proportions import Beta, Binomial

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
)

_BY_NAME: dict[str, tuple[type[Family], dict[str, int]]] = {
    "binomial": (Binomial, {}),
    "bernoulli": (Binomial, {}),
    "poisson": (Poisson, {}),
    "negativebinomial": (NegativeBinomial, {}),
    "nbinom2": (NegativeBinomial, {}),
    "nb2": (NegativeBinomial, {}),
    "nbinom1": (NegativeBinomial, {"type": 1}),
    "nb1": (NegativeBinomial, {"type": 1}),
    "gamma": (Gamma, {}),
    "inversegaussian": (InverseGaussian, {}),
    "gaussian": (Gaussian, {}),
    "normal": (Gaussian, {}),
    "beta": (Beta, {}),
    "betafamily": (Beta, {}),
}

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
        return family()
    if not isinstance(family, str):
        raise ArgumentTypeError(
            f"family must be a name ({', '.join(map(repr, NAMES))}) or an object such as Binomial(link='probit'), not "
            f"{family!r}."
        )
    match = _CALL.fullmatch(family)
    name = match[1] if match else family
    found = _BY_NAME.get(re.sub(r"[._\s-]", "", name).lower())
    if match is None or found is None:
        quasi = (
            " Quasi-families have no likelihood; for overdispersed counts use 'nbinom2' or a random effect for each "
            "row."
            if name.lower().startswith("quasi")
            else ""
        )
        raise OptionError(f"there is no family {family!r}; families are {', '.join(map(repr, NAMES))}.{quasi}")
    made, fixed = found
    return made(**_arguments(match[2], family, made), **fixed)


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
