"""Resampling of a fitted model: other responses, bootstrap, and tests by it."""

import os
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal, Self

from ranef.errors import ArgumentTypeError, OptionError
from ranef.fit.control import parse_control
from ranef.fit.ending.warned import warn_once
from ranef.fit.progress import reported
from ranef.fit.record import MixedFit
from ranef.fit.refits.blocks import ResponseBlocks, response_blocks
from ranef.fit.refits.many import fit_to_blocks
from ranef.fit.refits.refit import Refits, fit_to_response
from ranef.fit.refits.responses import response_of_input, responses_for
from ranef.fit.threads import parse_n_threads
from ranef.results.model.fitted import FittedModel

if TYPE_CHECKING:
    from ranef.inference.bootstrap.likelihood_ratio import BootstrapLrt
    from ranef.results.bootstrap import Bootstrap


class ResamplingChapter(FittedModel):
    """Fits of a mixed model to other responses, its own draws among them."""

    def refit(
        self,
        y: Any,
        *,
        to: str | os.PathLike[str] | None = None,
        progress: bool | Literal["tqdm"] | Callable[[int, int], object] = False,
    ) -> "Self | Refits | None":
        """Fit the same model to other responses.

        Parameters
        ----------
        y : array-like
            A vector, or a matrix or frame with one response a column, in the form that ``simulate``
            gives: on the scale of the model's response, after any transformation on the left of the
            formula; for ``cbind(successes, failures)`` numbers of successes out of the same trials.
            As many rows as the fit used, or as its input had. Of a matrix each column is fitted to
            the rows in which it is not missing. Responses that do not fit into memory are read a
            block of columns at a time: a memory map, the path of a Parquet file, an Arrow table or
            dataset, a polars LazyFrame (a column for each response), or an iterator of matrices or
            frames, or a function that returns one.
        to : path, optional
            A Parquet file to write the table of a matrix to, a block at a time, instead of the
            record returned.
        progress : bool, "tqdm" or callable
            Of a matrix: True shows the number of responses that are fitted on standard error,
            ``"tqdm"`` in a bar of tqdm; a function is called with it and the number of all.

        Returns
        -------
        LinearMixedModel, GeneralizedLinearMixedModel, Refits or None
            A model of the same kind for a vector; for a matrix a record of arrays (``objective,
            fixef, bse, theta, sigma, dispersion, nobs, converged, status``) with ``to_frame()``,
            whose standard errors take the covariance parameters as known. Where a single response
            would be an error, a column of a matrix gets NaN and a status in words, and a warning
            names it. None with ``to``.

        Examples
        --------
        >>> from ranef import lmer, load_dataset
        >>> m = lmer("Reaction ~ Days + (Days | Subject)", load_dataset("sleepstudy"))
        >>> m.refit(load_dataset("sleepstudy")["Reaction"] / 1000).fixef.round(4).tolist()
        [0.2514, 0.0105]
        >>> m.refit(m.simulate(100, rng=1)).fixef.shape
        (100, 2)
        """
        control = parse_control(self._request.control)
        blocks = response_blocks(y, self._fit.nobs)
        if blocks is None:
            values, names = responses_for(self._fit, y)
            if values.ndim == 2:
                blocks = ResponseBlocks(iter([(values, names)]), values.shape[1])
        if blocks is not None:
            with reported(progress, "responses") as show:
                found, messages = fit_to_blocks(self._fit, blocks, control, to, show)
            warn_once(messages)
            return found
        if to is not None:
            raise OptionError("to= is for many responses; a vector has one, whose model is returned.")
        fit = fit_to_response(self._fit, values, control)
        warn_once(fit.messages)
        return self.__class__(fit, self._request.refitted(response_of_input(self._fit, values)))

    def bootstrap(
        self,
        n: int,
        *,
        type: Literal["parametric", "residual", "cases"] = "parametric",
        statistic: Callable[[Any], Any] | None = None,
        re: Literal["new", "conditional"] = "new",
        by: str | None = None,
        rng: Any = None,
        progress: bool | Literal["tqdm"] | Callable[[int, int], object] = False,
        n_threads: int | None = None,
    ) -> "Bootstrap":
        """Bootstrap the model: draw new data sets from it and refit it to each.

        Replicate i depends on the seed and on i only: it is the same for any ``n_threads`` and any
        ``n``. Fits begin at the estimates. An interrupt from the keyboard ends the run: the
        replicates that are finished are returned, with a warning that says so. A linear model with
        variances that are given by convention, as the data do not determine them, is drawn and
        fitted one by one like the model itself, on one thread.

        Parameters
        ----------
        n : int
            Number of replicates. Intervals want a thousand or more.
        type : {"parametric", "residual", "cases"}
            ``"parametric"``: random effects are normal with the estimated variances, and so are
            residuals of a linear model; responses of a generalized one are drawn from its family.
            ``"residual"``: they are drawn with replacement from the predicted effects and the
            residuals of the fit, centred and reflated to the estimated variances (Carpenter,
            Goldstein and Rasbash 2003); for linear models. ``"cases"``: whole groups are drawn with
            replacement, each copy as a group of its own; nothing of the model is presumed beyond
            the independence of the groups.
        statistic : callable, optional
            A function of a fitted model that returns a number, an array, a dict or a Series. By
            default the fixed effects, standard deviations, correlations and sigma (or the extra
            parameter of a family) are kept, and fitted in the core; a function is called in Python
            on one model after the other, which is slower, and sees other draws than the core makes
            of the same seed. It may call ``update`` of the model: with the same data and the drawn
            response, unless ``type`` is ``"cases"``.
        re : {"new", "conditional"}
            For ``"parametric"``: draw random effects anew, or keep the conditional modes of the
            fit.
        by : str, optional
            For ``"cases"``, and for intervals by ``"bca"``, which leave out groups: the grouping
            factor whose groups are taken. By default the one that contains the others; crossed
            factors have none, and it must be given.
        rng : int, numpy.random.Generator or None
            Seed or generator; None takes a fresh seed. The seed used is the ``seed`` of what is
            returned.
        progress : bool, "tqdm" or callable
            True shows the count on standard error, ``"tqdm"`` in a bar of tqdm; a function is
            called with the number of replicates finished and ``n``.
        n_threads : int, optional
            Threads to use at most; by default as many as the fit did.

        Returns
        -------
        Bootstrap
            With ``conf_int()``, ``bias``, ``std_error``, ``to_frame()`` and ``to_parquet()``.

        Warns
        -----
        RanefWarning
            At most once: how many replicates failed and why, with the first error of a statistic;
            that the run was interrupted.

        Examples
        --------
        >>> from ranef import lmer, load_dataset
        >>> m = lmer("Reaction ~ Days + (Days | Subject)", load_dataset("sleepstudy"))
        >>> b = m.bootstrap(1000, rng=1)
        >>> b.names[2:]
        ('sd_(Intercept)|Subject', 'cor_Days.(Intercept)|Subject', 'sd_Days|Subject', 'sigma')
        >>> b.n_failed, len(b.to_frame())
        (0, 6000)
        >>> bool(b.conf_int().loc["Days", "lower"] < 10.467 < b.conf_int().loc["Days", "upper"])
        True
        """
        from ranef.inference.bootstrap.arguments import checked_count, checked_type, is_drawn_in_python, seed_of
        from ranef.inference.bootstrap.draw import check_re, draw, jackknife_influence
        from ranef.inference.bootstrap.quantities import observed_values, quantities
        from ranef.inference.bootstrap.statistic import draw_statistic
        from ranef.results.bootstrap import Bootstrap

        def observed_of(model: ResamplingChapter) -> Any:
            return observed_values(model._fit)

        n = checked_count(n)
        checked_type(type)
        check_re(re, type)
        threads = self._fit.n_threads if n_threads is None else parse_n_threads(n_threads)
        control = parse_control(self._request.control)
        fit = self._fit
        like = self._of_drawn_groups if type == "cases" else self._like
        if statistic is not None and not callable(statistic):
            raise ArgumentTypeError(f"statistic must be a function of a fitted model, not {statistic!r}.")
        seed = seed_of(rng)
        if statistic is not None:
            try:
                own = statistic(self)
            except Exception as e:
                raise OptionError(f"statistic failed on the model itself: {e.__class__.__name__}: {e}") from e
            with reported(progress) as show:
                drawn, which, observed = draw_statistic(
                    fit, statistic, like, own, n, type, re, by, seed, control, threads, show
                )
            return Bootstrap.of_draws(
                drawn,
                type=type,
                n=n,
                seed=seed,
                re=re,
                quantities=which,
                observed=observed,
                theta_names=(),
                influence=None,
            )
        if is_drawn_in_python(fit, type):
            with reported(progress) as show:
                drawn, _, observed = draw_statistic(
                    fit, observed_of, like, observed_of(self), n, type, re, by, seed, control, threads, show
                )
            return Bootstrap.of_draws(
                drawn,
                type=type,
                n=n,
                seed=seed,
                re=re,
                quantities=quantities(fit),
                observed=observed,
                theta_names=(),
                influence=lambda: jackknife_influence(fit, by, control, threads),
            )
        with reported(progress) as show:
            drawn = draw(fit, n, type, re, by, seed, control, threads, show)
        return Bootstrap.of_draws(
            drawn,
            type=type,
            n=n,
            seed=seed,
            re=re,
            quantities=quantities(fit),
            observed=observed_values(fit),
            theta_names=fit.theta_names,
            influence=lambda: jackknife_influence(fit, by, control, threads),
        )

    def pb_lrt(
        self,
        smaller: "ResamplingChapter",
        n: int = 1000,
        *,
        rng: Any = None,
        progress: bool | Literal["tqdm"] | Callable[[int, int], object] = False,
        n_threads: int | None = None,
    ) -> "BootstrapLrt":
        """Test this model against a smaller one by parametric bootstrap of the likelihood ratio.

        Responses are drawn from the smaller model, both models are fitted to each, and the p-value
        is the share of likelihood-ratio statistics that are at least as large as that of the data.
        It needs no asymptotic distribution: neither for fixed effects with few groups nor for
        variances at their bound. The method is that of Halekoh and Højsgaard (2014), except that
        replicates whose statistic is zero count as they are.

        Parameters
        ----------
        smaller : LinearMixedModel or GeneralizedLinearMixedModel
            A model of the same kind and data whose fixed effects are among those of this one. REML
            fits of both are refitted by maximum likelihood; generalized models must have the same
            family, link and approximation of the likelihood.
        n : int
            Number of replicates.
        rng : int, numpy.random.Generator or None
            Seed or generator; None takes a fresh seed.
        progress : bool, "tqdm" or callable
            True shows the count on standard error, ``"tqdm"`` in a bar of tqdm; a function is
            called with the number of replicates finished and ``n``.
        n_threads : int, optional
            Threads to use at most; by default as many as the fit did.

        Returns
        -------
        BootstrapLrt
            With ``p_value``, ``statistic``, ``df``, ``reference`` and ``to_frame()``.

        Examples
        --------
        >>> from ranef import lmer, load_dataset
        >>> sleep = load_dataset("sleepstudy")
        >>> slopes = lmer("Reaction ~ Days + (Days | Subject)", sleep)
        >>> intercepts = lmer("Reaction ~ Days + (1 | Subject)", sleep)
        >>> t = slopes.pb_lrt(intercepts, 500, rng=1)
        >>> round(t.statistic, 3), t.df, round(t.p_value, 4)
        (42.139, 2, 0.002)
        """
        from ranef.inference.bootstrap.arguments import checked_count, seed_of
        from ranef.inference.bootstrap.likelihood_ratio import bootstrap_lrt
        from ranef.inference.reduced import comparison_control

        alike = isinstance(smaller, ResamplingChapter) and (
            (smaller._fit.both_criteria is None) == (self._fit.both_criteria is None)
        )
        if not alike:
            raise ArgumentTypeError(f"smaller must be a model fitted by {self._fit.verb}, not {smaller!r:.60}.")
        rest = (
            checked_count(n),
            seed_of(rng),
            comparison_control(self._request.control),
            self._fit.n_threads if n_threads is None else parse_n_threads(n_threads),
        )
        with reported(progress) as show:
            return bootstrap_lrt(self._fit, smaller._fit, *rest, show)

    def _like(self, fit: MixedFit) -> Self:
        """The model of a replicate with the same rows: ``update`` takes its response."""
        request = self._request.refitted(response_of_input(self._fit, fit.design.y))
        return self.__class__(fit, replace(request, progress=False))

    def _of_drawn_groups(self, fit: MixedFit) -> Self:
        """The model of a replicate that has rows of its own."""
        return self.__class__(fit, self._request.without_data("resampled"))
