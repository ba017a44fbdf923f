"""Grouping factors by the names that users give them."""

from ranef.fit.record import MixedFit


def group_called(fit: MixedFit, name: str) -> str | None:
    """The grouping factor that a user names, with or without back-quotes; None if there is none."""
    groups = {t.group for t in fit.terms}
    if name in groups:
        return name
    written = {
        bar.group_label: term.group for bar, term in zip(fit.design.formula.random, fit.design.random, strict=True)
    }
    return written.get(name)
