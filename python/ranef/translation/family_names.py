"""Families by their names in several programs, and their links."""

from ranef.errors import OptionError

FAMILY_LINKS = {
    "binomial": ("logit", "probit", "cloglog", "cauchit", "log"),
    "poisson": ("log", "identity", "sqrt"),
    "nbinom2": ("log", "identity", "sqrt"),
    "nbinom1": ("log", "identity", "sqrt"),
    "Gamma": ("inverse", "log", "identity"),
    "inverse.gaussian": ("1/mu^2", "inverse", "log", "identity"),
    "gaussian": ("identity", "log", "inverse"),
    "beta": ("logit", "probit", "cloglog", "log"),
}
"""The families that have a name in other programs, and their links; the first is the default."""
_FAMILY_NAMES = {
    "bernoulli": "binomial",
    "negativebinomial": "nbinom2",
    "nb2": "nbinom2",
    "inversegaussian": "inverse.gaussian",
    "normal": "gaussian",
}


def family_and_link(family: str | None, link: str | None) -> tuple[str | None, str | None]:
    """The family by its name here, and its link; both None for a linear model."""
    if family is None:
        return None, None
    name, _, rest = family.partition("(")
    if rest:
        link = link or rest.rstrip(") ").removeprefix("link").lstrip(" =").strip("'\" ") or None
    key = "".join(c for c in name.lower() if c.isalnum())
    names = {"".join(c for c in n.lower() if c.isalnum()): n for n in FAMILY_LINKS} | _FAMILY_NAMES
    if key not in names:
        raise OptionError(
            f"there is no family {name!r} to translate; families are {', '.join(map(repr, FAMILY_LINKS))}."
        )
    found = names[key]
    if link is not None and link not in FAMILY_LINKS[found]:
        raise OptionError(
            f"the {found} family has no link {link!r}; its links are {', '.join(map(repr, FAMILY_LINKS[found]))}."
        )
    return found, link or FAMILY_LINKS[found][0]
