"""The fitted cumulative link mixed model: what it alone has."""

from functools import cached_property
from typing import TYPE_CHECKING

from ranef.errors import TranslationError
from ranef.fit.ordinal.record import OrdinalFit
from ranef.fit.ordinal.request import OrdinalRequest
from ranef.results.generalized import GeneralizedLinearMixedModel

if TYPE_CHECKING:
    import pandas as pd

    from ranef.translation.description import ModelDescription


class CumulativeLinkMixedModel(GeneralizedLinearMixedModel):
    """A cumulative link mixed model fitted by ``ranef.clmm``."""

    _fit: OrdinalFit
    _request: OrdinalRequest  # type: ignore[assignment]

    @cached_property
    def thresholds(self) -> "pd.Series[float]":
        """Thresholds between neighbouring categories, named as in ``"low|mid"``."""
        import pandas as pd

        fit, places = self._fit, self._fit.places
        made = fit.threshold_map
        return pd.Series(
            made.matrix @ fit.extras[places["thresholds"]], index=pd.Index(made.thresholds), name="thresholds"
        )

    def nominal_test(self, scope: str | None = None) -> "pd.DataFrame":
        """Test whether effects are the same at every threshold: of proportional odds, where the
        link is logit.

        Each term of the formula is given an effect on every threshold, and the two models are
        compared by the likelihood ratio.

        Parameters
        ----------
        scope : str, optional
            One term; all by default.

        Returns
        -------
        DataFrame
            Columns ``npar, llf, aic, chisq, df, p_value``, the first row being the model itself.

        Examples
        --------
        >>> from ranef import clmm, load_dataset
        >>> m = clmm("rating ~ temp + contact + (1 | judge)", load_dataset("wine"))
        >>> m.nominal_test().loc["contact", ["chisq", "df"]].round(2).tolist()
        [0.5, 3.0]
        """
        return self._part_tests("nominal", scope)

    def scale_test(self, scope: str | None = None) -> "pd.DataFrame":
        """Test whether terms of the formula act on the scale of the latent variable as well.

        Parameters
        ----------
        scope : str, optional
            One term; all by default.

        Returns
        -------
        DataFrame
            As `nominal_test` gives it.

        Examples
        --------
        >>> from ranef import clmm, load_dataset
        >>> m = clmm("rating ~ temp + contact + (1 | judge)", load_dataset("wine"))
        >>> m.scale_test("contact").loc["contact", ["chisq", "df"]].round(4).tolist()
        [0.0018, 1.0]
        """
        return self._part_tests("scale", scope)

    def _written(self, described: "ModelDescription", language: str, notes: bool) -> str:
        from ranef.translation.ordinal import write_ordinal

        return write_ordinal(described, self._request, language, notes=notes)

    def _programs(self) -> list[tuple[str, str, bool]]:
        out = []
        for title, language in (("R (ordinal)", "r"), ("Stata", "stata"), ("SAS", "sas")):
            try:
                out.append((title, self.to_syntax(language), True))  # type: ignore[arg-type]
            except TranslationError as problem:
                out.append((title, f"It cannot be written there: {problem.part}: {problem.reason}", False))
        return out

    def _part_tests(self, name: str, scope: str | None) -> "pd.DataFrame":
        from ranef.inference.part_tests import part_tests
        from ranef.inference.reduced import comparison_control
        from ranef.presentation.anova_table import part_tests_table

        control = comparison_control(self._request.control)
        return part_tests_table(part_tests(self._fit, name, scope, control), self.formula, name)
