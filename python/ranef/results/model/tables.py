"""What is shown of a fitted model: summary, frames, equations, other programs' syntax, report."""

import datetime
import os
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ranef.errors import ArgumentTypeError, DataError, RanefError, TranslationError
from ranef.estimates.intervals import normal_multiplier
from ranef.options import Ddf
from ranef.results.model.marginal_means import MarginalMeansChapter
from ranef.results.model.plots import PlotsChapter

if TYPE_CHECKING:
    import pandas as pd

    from ranef.presentation.equations import Equations
    from ranef.presentation.report.page import Subject
    from ranef.presentation.summary import Summary
    from ranef.translation import ModelDescription


class TablesChapter(PlotsChapter, MarginalMeansChapter):
    """Texts and tables of a mixed model. Neither its text nor its HTML makes tests, which may take
    long.
    """

    def __repr__(self) -> str:
        from ranef.presentation.model_summary import sketch_of
        from ranef.presentation.short_text import short_text

        return short_text(sketch_of(self._fit, self._request))

    def _repr_html_(self) -> str:
        from ranef.presentation.document import summary_document
        from ranef.presentation.html import html
        from ranef.presentation.model_summary import sketch_of

        return html(summary_document(sketch_of(self._fit, self._request)))

    # ---- frames

    def summary(
        self,
        ddf: Ddf | None = None,
        *,
        exponentiate: bool = False,
        cov: Any = None,
        cluster: Any = None,
        width: int | None = None,
    ) -> "Summary":
        """Summarise the fit as lme4 does: with t tests of the fixed effects as lmerTest adds them,
        z tests of a generalized model.

        Parameters
        ----------
        ddf : {"satterthwaite", "kenward-roger", "between-within", "residual", "none"}, optional
            Method of the degrees of freedom, the model's own by default. Generalized models have
            ``"none"``; where standard errors rest on clusters (sampling weights, or ``cov=`` of a
            generalized model) their number less one, ``"clusters"``, comes first. Another linear
            model has no tests with ``"none"``: estimate, standard error and t value, as lme4 prints
            them.
        exponentiate : bool
            Whether to show fixed effects as ratios, as in ``tidy``.
        cov, cluster : optional
            A cluster-robust covariance, as in ``cov_params``.
        width : int, optional
            Width of the lines of the text, 40 or more; by default that of the terminal that is
            printed to, and 80 elsewhere. Tables that are wider continue below.

        Returns
        -------
        Summary
            A record of numbers with ``str()``, ``to_markdown()``, ``to_latex()``, ``tables`` and an
            HTML form for notebooks.

        Examples
        --------
        >>> from ranef import lmer, load_dataset
        >>> m = lmer("Reaction ~ Days + (Days | Subject)", load_dataset("sleepstudy"))
        >>> summary = m.summary(ddf="kenward-roger")
        >>> print(summary)  # doctest: +ELLIPSIS
        Linear mixed model fit by REML. t-tests use Kenward-Roger's method...
        >>> summary.tables["random_effects"]["sd"].round(2).tolist()[:2]
        [24.74, 5.92]
        """
        from ranef.presentation.model_summary import summary_of
        from ranef.presentation.text_table import checked_width

        tests = self._tests_with(cov, cluster)
        method = self._ddf_with(ddf, cov, tests)
        return summary_of(self._fit, self._request, tests, method, checked_width(width), exponentiate)

    def tidy(
        self,
        effects: str | list[str] | tuple[str, ...] = ("fixed", "ran_pars"),
        *,
        ddf: Ddf | None = None,
        conf_int: bool = False,
        level: float = 0.95,
        exponentiate: bool = False,
        cov: Any = None,
        cluster: Any = None,
    ) -> "pd.DataFrame":
        """Terms as rows of a frame.

        Parameters
        ----------
        effects : str or list of str
            Of ``"fixed"`` (fixed effects), ``"ran_pars"`` (``sd__`` and ``cor__`` of the random
            effects and, of a linear model, the residual) and ``"ran_vals"`` (conditional modes,
            their standard errors given the fixed effects).
        ddf : {"satterthwaite", "kenward-roger", "between-within", "residual", "none"}, optional
            Method of the degrees of freedom of the fixed effects, the model's own by default;
            as in ``summary``. A linear model has no tests with ``"none"``.
        conf_int : bool
            Whether to add intervals ``conf_low, conf_high``: to fixed effects by the distributions
            of their tests (normal with ``ddf="none"``), so that intervals and p-values agree, and
            normal ones to conditional modes.
        level : float
            Level of the intervals.
        exponentiate : bool
            Whether to show fixed effects as ratios: odds ratios with the logit link, rate ratios of
            counts with the log link, hazard ratios with cloglog, else ratios of means with the log
            link or a response in logarithms. Intervals are exponentiated, standard errors are by
            the delta method, tests stay as they are; random effects are not changed.
        cov, cluster : optional
            A cluster-robust covariance, as in ``cov_params``.

        Returns
        -------
        DataFrame
            Columns ``effect, group, term, estimate, std_error, statistic, df, p_value``, with
            ``level`` before ``term`` if there are conditional modes, without ``df`` where tests are
            normal, and without ``df, p_value`` if there are no tests. With ``exponentiate`` what
            the ratios are is in ``attrs["notes"]``.

        Raises
        ------
        OptionError
            If effects are no logarithms of ratios (identity link, probit) and ``exponentiate`` is
            asked for.

        Examples
        --------
        >>> from ranef import lmer, load_dataset
        >>> m = lmer("Reaction ~ Days + (Days | Subject)", load_dataset("sleepstudy"))
        >>> m.tidy("fixed").set_index("term")[["estimate", "df"]].round(3).loc["Days"].tolist()
        [10.467, 17.0]
        >>> from ranef import glmer
        >>> formula = "cbind(incidence, size - incidence) ~ period + (1 | herd)"
        >>> g = glmer(formula, load_dataset("cbpp"), family="binomial")
        >>> odds = g.tidy("fixed", conf_int=True, exponentiate=True).set_index("term")
        >>> odds[["estimate", "conf_low", "conf_high"]].round(2).loc["period[T.2]"].tolist()
        [0.37, 0.2, 0.68]
        """
        from ranef.presentation.printed_frame import printed
        from ranef.presentation.tidy import tidy_frame

        tests = self._tests_with(cov, cluster)
        frame = tidy_frame(tests, effects, self._ddf_with(ddf, cov, tests), conf_int, level, exponentiate)
        return printed(frame)

    def glance(self) -> "pd.DataFrame":
        """Return the fit in one row.

        Returns
        -------
        DataFrame
            Columns ``nobs, n_missing, sigma, llf, aic, bic, reml_criterion, deviance, df_resid,
            npar, is_singular, converged``; ``n_missing`` is the number of rows left out because a
            value is missing. Of the two criteria of a linear model that which was not minimised is
            NaN. A generalized model has ``dispersion`` after ``sigma`` and no ``reml_criterion``.

        Examples
        --------
        >>> from ranef import lmer, load_dataset
        >>> m = lmer("Reaction ~ Days + (Days | Subject)", load_dataset("sleepstudy"))
        >>> m.glance()[["nobs", "sigma", "aic", "bic", "npar"]].round(1).values.tolist()
        [[180.0, 25.6, 1755.6, 1774.8, 6.0]]
        """
        from ranef.presentation.printed_frame import printed
        from ranef.presentation.tidy import glance_frame

        return printed(glance_frame(self._fit))

    def augment(self) -> "pd.DataFrame":
        """Return the observations with what the fit says of each.

        Returns
        -------
        DataFrame
            The columns named in the formula (if the data of the fit are at hand: a saved model has
            none), then rows as in ``fittedvalues`` of ``.fitted, .resid, .fixed`` (fitted value
            without random effects), ``.hat, .cooksd, .std_resid`` of a linear model; of ``.fitted``
            (conditional mean), ``.eta`` (linear predictor), ``.fixed`` (its part without random
            effects), ``.resid, .pearson, .deviance`` of a generalized one.

        Examples
        --------
        >>> from ranef import lmer, load_dataset
        >>> m = lmer("Reaction ~ Days + (Days | Subject)", load_dataset("sleepstudy"))
        >>> m.augment()[["Subject", "Days", ".fitted", ".resid"]].head(2).round(2).values.tolist()
        [['308', 0.0, 253.66, -4.1], ['308', 1.0, 273.33, -14.63]]
        """
        from ranef.presentation.printed_frame import printed
        from ranef.presentation.tidy import augment_frame

        return printed(augment_frame(self._fit, self._request.data))

    # ---- the model in words

    def _described(self, named: bool) -> "ModelDescription":
        from ranef.presentation.model_summary import data_name
        from ranef.translation.fitted import describe_fit

        return describe_fit(self._fit, self._request, data_name(self._request.data), named=named)

    def to_syntax(
        self,
        language: Literal["spss", "stata", "sas", "r", "nlme", "lme4", "glmmtmb", "ordinal", "brms", "julia"],
        *,
        notes: bool = True,
    ) -> str:
        """The same model in another program's language.

        Parameters
        ----------
        language : str
            ``"spss"``: ``MIXED`` or ``GENLINMIXED``; ``"stata"``: ``mixed`` and its kin; ``"sas"``:
            ``PROC MIXED`` or ``PROC GLIMMIX``; ``"nlme"``, ``"lme4"``, ``"glmmtmb"``, ``"ordinal"``
            (models of ordered categories) or ``"brms"``, packages of R, of which ``"r"`` takes the
            one that fits such a model; ``"julia"``: MixedModels.jl.
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
        from ranef.translation.fitted import why_unwritten

        if (why := why_unwritten(self._fit.design, str(language))) is not None:
            raise TranslationError(str(language), *why)
        if self._fit.columns_are_slopes:
            return self._curve_written(language, notes)
        if isinstance(language, str) and language.lower() == "brms":
            return self._written_for_brms(notes)
        if self._fit.mean_of_predictors:
            return self._parts_written(language, notes)
        return self._written(self._described(True), language, notes)

    def _curve_written(self, language: str, notes: bool) -> str:
        from ranef.presentation.model_summary import data_name
        from ranef.translation.fitted import named_arguments
        from ranef.translation.languages import language as known
        from ranef.translation.nonlinear import LANGUAGES, write_curve

        if not isinstance(language, str) or language.lower() not in LANGUAGES:
            known(language)
        arguments = named_arguments(self._request, data_name(self._request.data))
        return write_curve(self._fit, arguments, language, notes=notes)

    def _written_for_brms(self, notes: bool) -> str:
        from ranef.presentation.model_summary import data_name
        from ranef.translation.brms import write_brms
        from ranef.translation.fitted import named_arguments

        fit = self._fit
        given = named_arguments(self._request, data_name(self._request.data))
        family = None if fit.normal_responses else fit.family
        return write_brms(fit.design, family, fit.part_formulas, given, notes=notes)

    def _parts_written(self, language: str, notes: bool) -> str:
        from ranef.presentation.model_summary import data_name
        from ranef.translation.fitted import named_arguments
        from ranef.translation.glmmtmb import write_parts
        from ranef.translation.languages import language as known

        if language.lower() != "glmmtmb" and language.lower() != "r":
            known(language)
        arguments = named_arguments(self._request, data_name(self._request.data))
        fit = self._fit
        return write_parts(fit.design, fit.family, fit.part_formulas, arguments, fit.n_quad, language, notes=notes)

    def _written(self, described: "ModelDescription", language: str, notes: bool) -> str:
        from ranef.translation import write

        return write(described, language, notes=notes)

    @cached_property
    def _equations(self) -> "Equations":
        from ranef.presentation.equations import curve_equations, equations_of
        from ranef.translation.fitted import describe_parts

        if self._fit.columns_are_slopes:
            return curve_equations(self._fit)
        if self._fit.mean_of_predictors:
            return equations_of(describe_parts(self._fit, self._request))
        return equations_of(self._described(False))

    def equations(self) -> "Equations":
        """The model as equations, level by level.

        Predictors that do not vary within the levels of a grouping factor stand on its level, in
        the equations of the coefficients that they change.

        Returns
        -------
        Equations
            Text: LaTeX for amsmath. ``to_mathml()`` gives it for web pages, ``to_text()`` for
            reading as it is.

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

    def report(
        self,
        path: str | os.PathLike[str],
        *,
        title: str | None = None,
        author: str | None = None,
        labels: Mapping[str, str] | None = None,
        level: float = 0.95,
        rng: Any = 1,
    ) -> Path:
        """Write a report: one web page that says what was fitted, whether to trust it and what it
        means.

        It is a single HTML file with its pictures in it, which loads nothing and runs nothing,
        reads well on a screen (light or dark), a telephone and paper, and has the model in words
        and equations, the data in numbers, all tables, what variances and effects mean, diagnostic
        pictures each with a sentence, and the same model in other programs. Needs jinja2 and
        matplotlib, which ``pip install 'ranef[report]'`` brings.

        Parameters
        ----------
        path : path
            The file to write; one that is there is replaced.
        title : str, optional
            Heading of the page.
        author : str, optional
            Who made it, below the heading.
        labels : dict, optional
            Texts that people read in the place of names, in tables, sentences and pictures: of
            coefficients (``{"sex[T.M]": "Boys"}``), of variables with all that is made of them
            (``{"sex": "Sex"}`` makes ``Sex: M``), of the response and of grouping factors. Those of
            interactions are made from those of their parts. Formula, equations and the syntax of
            other programs keep the names of the data.
        level : float
            Level of the intervals.
        rng : int, numpy.random.Generator or None
            Seed or generator of what is simulated for the diagnostics. The default makes the same
            page of the same model every time; None takes a fresh seed.

        Returns
        -------
        Path
            Of the file.

        Examples
        --------
        >>> from ranef import lmer, load_dataset
        >>> m = lmer("Reaction ~ Days + (Days | Subject)", load_dataset("sleepstudy"))
        >>> m.report("sleep.html", labels={"Days": "days without sleep"})  # doctest: +SKIP
        PosixPath('sleep.html')
        """
        if not isinstance(path, str | os.PathLike):
            raise ArgumentTypeError(f"path must be a file name, not {path!r}.")
        if title is not None and not isinstance(title, str):
            raise ArgumentTypeError(f"title must be text, not {title!r}.")
        if author is not None and not isinstance(author, str):
            raise ArgumentTypeError(f"author must be text, not {author!r}.")
        normal_multiplier(level)
        from ranef.presentation.report.names import checked_report_labels
        from ranef.presentation.report.page import check_report_file, report_page, require_report_libraries
        from ranef.results.report_means import factor_means
        from ranef.results.report_pictures import report_pictures

        check_report_file(path)
        require_report_libraries()
        subject = self._subject(checked_report_labels(labels, self._fit))
        found = factor_means(self, subject, level)
        means, drawn = (None, []) if found is None else found
        page = report_page(
            subject,
            report_pictures(self, subject, drawn, level, rng),
            means=means,
            title=title,
            author=author,
            level=level,
            now=datetime.datetime.now(),
        )
        target = Path(path)
        try:
            target.write_text(page, encoding="utf-8")
        except OSError as problem:
            raise DataError(
                f"the report cannot be written to {str(target)!r}: {problem.strerror or problem}."
            ) from None
        return target

    def _subject(self, labels: Mapping[str, str]) -> "Subject":
        from ranef import __version__
        from ranef.datasets import registry
        from ranef.presentation.model_summary import data_name
        from ranef.presentation.report.page import Subject

        try:
            described, reason = self._described(True), ""
        except RanefError as problem:
            described, reason = None, str(problem)
        try:
            equations = self.equations()
        except RanefError:
            equations = None
        data = data_name(self._request.data)
        bundled = not isinstance(self._request.data, str | os.PathLike) and data is not None
        ddf = self.ddf
        return Subject(
            fit=self._fit,
            request=self._request,
            tests=self._tests,
            ddf=ddf,
            description=described,
            equations=equations,
            data=data,
            about=registry().get(data) if bundled and data is not None else None,
            version=__version__,
            labels=labels,
            reason=reason,
            programs=self._programs(),
        )

    def _programs(self) -> list[tuple[str, str, bool]]:
        """The model in other programs, where its description has no words for it."""
        from ranef.translation.fitted import why_unwritten

        if not self._fit.mean_of_predictors:
            why = why_unwritten(self._fit.design, "others")
            return [] if why is None else [("Other programs", f"{why[0]}: {why[1]}", False)]
        try:
            return [("R (glmmTMB)", self.to_syntax("r"), True)]
        except TranslationError as problem:
            return [("R (glmmTMB)", f"It cannot be written there: {problem.part}: {problem.reason}", False)]
