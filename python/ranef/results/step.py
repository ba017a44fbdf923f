"""The outcome of a backward elimination."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

    from ranef.results.generalized import GeneralizedLinearMixedModel
    from ranef.results.linear import LinearMixedModel


@dataclass(frozen=True, slots=True, eq=False)
class StepResult:
    """What ``step`` did and what is left.

    Attributes
    ----------
    random : DataFrame
        Tests of the random effects. ``eliminated`` numbers those that went, in order; it is 0 for
        those that stayed, whose tests are in the model that is left.
    fixed : DataFrame
        The same of the fixed terms.
    model : LinearMixedModel or GeneralizedLinearMixedModel
        The model that is left.
    notes : tuple of str
        What should be known: singular fits, and a random effect that could not go because it is the
        last.
    """

    random: "pd.DataFrame"
    fixed: "pd.DataFrame"
    model: "LinearMixedModel | GeneralizedLinearMixedModel"
    notes: tuple[str, ...]

    def __str__(self) -> str:
        lines = [str(self.random), "", str(self.fixed), "", f"Model found: {self.model.formula}"]
        return "\n".join([*lines, *(f"Note: {note}" for note in self.notes)])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        from html import escape

        from ranef.presentation.html import fragment

        parts = [str(table._repr_html_()) for table in (self.random, self.fixed)]  # type: ignore[operator]
        found = [f"<p>Model found: <code>{escape(self.model.formula)}</code></p>"]
        found += [f"<p>{escape(note)}</p>" for note in self.notes]
        return "\n".join([*parts, fragment("step", found)])
