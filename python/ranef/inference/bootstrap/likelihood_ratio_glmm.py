"""Likelihood-ratio test of nested generalized models by parametric bootstrap."""

from ranef.errors import OptionError
from ranef.families.custom import CustomFamily
from ranef.fit.control import FitControl
from ranef.fit.core import core_options, core_point
from ranef.fit.generalized import GlmmFit
from ranef.inference.bootstrap.arguments import Counter
from ranef.inference.bootstrap.draw_glmm import check_glmm_type
from ranef.inference.bootstrap.likelihood_ratio import BootstrapLrt, compared
from ranef.inference.likelihood_ratio import check_same_data
from ranef.inference.variance_tests import columns_within


def bootstrap_glmm_lrt(
    larger: GlmmFit,
    smaller: GlmmFit,
    n: int,
    seed: int,
    control: FitControl,
    n_threads: int,
    progress: Counter | None,
    names: tuple[str, str] = ("the model", "the smaller model"),
) -> BootstrapLrt:
    """Compare two nested fits of the same family by the same approximation.

    Parameters
    ----------
    larger, smaller : GlmmFit
    n : int
    seed : int
    control : FitControl
    n_threads : int
    progress : callable or None
    names : tuple of str
        For messages.

    Raises
    ------
    DataError
        When the models are not of the same data.
    OptionError
        When they are not nested, or their likelihoods cannot be compared.
    """
    from ranef import _core

    check_same_data([larger, smaller], list(names))
    for name, f in zip(names, (larger, smaller), strict=True):
        if isinstance(f.family, CustomFamily):
            raise OptionError(
                f"{name} has a family of Python functions, of which the core has no random numbers: pb_lrt is for the families of the package."
            )
    a, b = larger.family, smaller.family
    if (a.name, a.link, a.kernel, a.fixed_dispersion) != (b.name, b.link, b.kernel, b.fixed_dispersion):
        raise OptionError(f"pb_lrt compares models of one family and link: {names[0]} has {a}, {names[1]} {b}.")
    if (larger.n_quad, larger.curvature) != (smaller.n_quad, smaller.curvature):
        raise OptionError(
            f"the likelihoods were approximated differently (n_quad={larger.n_quad} and {smaller.n_quad}, curvature {larger.curvature!r} and {smaller.curvature!r}); "
            "fit both the same way."
        )
    if larger.npar <= smaller.npar:
        raise OptionError(
            f"{names[0]} has {larger.npar} parameters and {names[1]} {smaller.npar}: a test of nested models needs more in the first."
        )
    if not columns_within(smaller.x, larger.x):
        raise OptionError(
            f"the models are not nested: the fixed effects of {names[1]} are not among those of {names[0]}."
        )
    check_glmm_type(smaller, "parametric")
    notes = [
        f"{name} did not converge ({f.convergence.status.value}): the test cannot be relied on"
        for name, f in zip(names, (larger, smaller), strict=True)
        if not f.convergence.ok
    ]
    members = [
        (f.system.get(f.n_threads), core_point(f), core_options(f, control, f.convergence.ok and not f.singular))
        for f in (larger, smaller)
    ]
    out = _core.bootstrap_glmm_nested(
        smaller.system.get(smaller.n_threads), core_point(smaller), members, n, seed, n_threads, progress
    )
    statistic = smaller.objective - larger.objective
    return compared(statistic, larger.npar - smaller.npar, out, n, seed, notes, names)
