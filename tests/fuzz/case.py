"""One random problem: data, formula and arguments, all from one number."""

import warnings
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from ranef import RanefWarning, clmm, glmer, lmer

VERBS = {"linear": lmer, "clmm": clmm}


@dataclass(frozen=True, slots=True)
class Case:
    """A problem.

    Attributes
    ----------
    model : {"linear", "generalized", "families", "clmm"}
    seed : int
        The number that the case is made from.
    kind : str
        What is difficult about it.
    formula : str
    data : DataFrame
    options : dict
        Other arguments of the verb.
    """

    model: str
    seed: int
    kind: str
    formula: str
    data: pd.DataFrame
    options: dict[str, Any] = field(default_factory=dict)

    def fit(self, formula: str | None = None, data: pd.DataFrame | None = None, **changed: Any) -> Any:
        """Fit the model, or the same with something changed.

        That it is singular or not converged is no news here.
        """
        verb = VERBS.get(self.model, glmer)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RanefWarning)
            return verb(
                formula or self.formula,
                self.data if data is None else data,
                **{"n_threads": 1, **self.options, **changed},
            )

    @property
    def call(self) -> str:
        """The call that fits it, as text, with the data called ``case.data``."""
        verb = VERBS.get(self.model, glmer).__name__
        options = "".join(f", {k}={v!r}" for k, v in self.options.items())
        return f"{verb}({self.formula!r}, case.data{options})"

    def snippet(self, better: list[float] | None = None) -> str:
        """Lines to run in the root of the repository.

        Parameters
        ----------
        better : list of float, optional
            Theta of a better point, to start from.
        """
        lines = [
            "from ranef import clmm, glmer, lmer",
            f"from tests.fuzz.{self.model}_cases import {self.model}_case",
            "",
            f"case = {self.model}_case({self.seed})  # kind: {self.kind}",
            f"m = {self.call}",
            "print(m.objective, m.convergence.status, m.theta.tolist())",
        ]
        if better is not None:
            lines.append(f"b = {self.call[:-1]}, start={better!r})")
            lines.append("print(b.objective, b.convergence.status, b.theta.tolist())")
        return "\n".join(lines)
