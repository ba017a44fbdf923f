"""Equations of a fitted model, and its translations into the languages of other programs."""

from functools import cached_property
from typing import TYPE_CHECKING, Literal

from ranef.results.base import MixedModel

if TYPE_CHECKING:
    from ranef.presentation.equations import Equations
    from ranef.translation import ModelDescription


class TranslatedModel(MixedModel):
    """Equations and translations of a mixed model."""

    def _described(self, named: bool) -> "ModelDescription":
        from ranef.presentation.model_summary import data_name
        from ranef.translation.fitted import describe_fit

        return describe_fit(self._fit, self._request, data_name(self._request.data), named=named)

    def to_syntax(
        self, language: Literal["spss", "stata", "sas", "nlme", "lme4", "julia"], *, notes: bool = True
    ) -> str:
        """The same model in another program's language.

        Parameters
        ----------
        language : {"spss", "stata", "sas", "nlme", "lme4", "julia"}
            SPSS's ``MIXED`` or ``GENLINMIXED``, Stata's ``mixed`` and its kin, SAS's ``PROC MIXED`` or ``PROC GLIMMIX``, R's ``lme`` or ``lmer`` and
            ``glmer``, or MixedModels.jl.
        notes : bool
            Whether to say in comments before it what will print differently there.

        Returns
        -------
        str

        Raises
        ------
        TranslationError
            If the language cannot say it; the message names the part of the model.

        Examples
        --------
        >>> from ranef import lmer, load_dataset
        >>> m = lmer("normexam ~ standLRT + (standLRT | school)", load_dataset("exam"))
        >>> print(m.to_syntax("stata", notes=False))
        mixed normexam standLRT || school: standLRT, covariance(unstructured) reml
        """
        from ranef.translation import write

        return write(self._described(True), language, notes=notes)

    @cached_property
    def _equations(self) -> "Equations":
        from ranef.presentation.equations import equations_of

        return equations_of(self._described(False))

    def equations(self) -> "Equations":
        """The model as equations, level by level.

        Predictors that do not vary within the levels of a grouping factor stand on its level, in the equations of the coefficients that they change.

        Returns
        -------
        Equations
            Text: LaTeX for amsmath. ``to_mathml()`` gives it for web pages, ``to_text()`` for reading as it is.

        Examples
        --------
        >>> from ranef import lmer, load_dataset
        >>> m = lmer("normexam ~ standLRT * schavg + (standLRT | school)", load_dataset("exam"))
        >>> print(m.equations().to_text())
        Level 1 (rows)
          normexam_ij = β_0j + β_1j standLRT_ij + e_ij
          e_ij ~ N(0, σ²)
        Level 2 (school)
          β_0j = γ_00 + γ_01 schavg_j + u_0j
          β_1j = γ_10 + γ_11 schavg_j + u_1j
          [u_0j; u_1j] ~ N([0; 0], [σ²_u0, σ_u01; σ_u01, σ²_u1])
        """
        return self._equations
