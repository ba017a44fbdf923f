"""Likelihood profiles of a fitted model."""

from typing import TYPE_CHECKING, Any

from ranef.fit.progress import in_whole_numbers, reported
from ranef.fit.request import warn_once
from ranef.results.base import MixedModel

if TYPE_CHECKING:
    import pandas as pd

    from ranef.results.profile import Profile


class ProfiledModel(MixedModel):
    """Likelihood profiles of a mixed model."""

    def profile(self, parm: str | list[str] | None = None, level: float = 0.99, *, progress: Any = False) -> "Profile":
        """Profile the likelihood: for each parameter a curve of values, all others estimated anew at each.

        ``zeta`` is the signed root of the rise of -2 log-likelihood above its minimum; were the likelihood quadratic, it would be a straight line. A REML fit
        is fitted again by ML for this. Of a generalized model the likelihood is the approximation that the fit has maximised (Laplace's, or quadrature).

        Parameters
        ----------
        parm : str or list of str, optional
            The parameters, all by default, as in ``conf_int``.
        level : float
            The curves end at the joint confidence region of this level, whose chi-square has as many degrees of freedom as the model has parameters.
        progress : bool, "tqdm" or callable
            True writes the number of finished curves to standard error, ``"tqdm"`` shows a bar of tqdm; a function is called with that number and the number of all.

        Returns
        -------
        Profile
            With ``to_frame()``, ``conf_int(level)``, ``zeta(parameter, values)`` and ``notes``.

        Examples
        --------
        >>> from ranef import lmer, load_dataset
        >>> m = lmer("Reaction ~ Days + (Days | Subject)", load_dataset("sleepstudy"))
        >>> p = m.profile(["sigma", "Days"])
        >>> p.conf_int(0.9).round(2)
               lower  upper
        sigma   23.3  28.29
        Days     7.9  13.03
        >>> p.zeta("Days", [0.0, 10.5]).round(2)
        array([ nan, 0.02])
        """
        from ranef.inference.profile import profile_curves
        from ranef.inference.reduced import comparison_control
        from ranef.results.profile import Profile

        control = comparison_control(self._request.control)
        with reported(progress, "profiles") as show:
            record = profile_curves(self._fit, parm, level, control, in_whole_numbers(show))
        warn_once(record.problems)
        return Profile(record)

    def _profile_intervals(self, level: object, parm: object, progress: object) -> "pd.DataFrame":
        import pandas as pd

        from ranef.inference.profile import interval_limits, profile_intervals
        from ranef.inference.reduced import comparison_control

        control = comparison_control(self._request.control)
        with reported(progress, "profiles") as show:
            record = profile_intervals(self._fit, parm, level, control, in_whole_numbers(show))
        warn_once(record.problems)
        limits = [interval_limits(c) for c in record.curves]
        frame = pd.DataFrame(limits, index=pd.Index([c.name for c in record.curves]), columns=["lower", "upper"])
        frame.attrs["notes"] = record.notes + record.problems
        return frame
