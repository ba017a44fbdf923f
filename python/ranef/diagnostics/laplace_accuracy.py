"""How far Laplace's approximation is from the likelihood, by quadrature at the same parameters."""

import numbers

from ranef.errors import ArgumentTypeError, OptionError
from ranef.fit.quadrature import check_quadrature
from ranef.fit.record import MixedFit

#: Fewer nodes can be worse than one.
FEWEST_NODES = 5


def laplace_error(fit: MixedFit, n_quad: int) -> float:
    """-2 log-likelihood by quadrature minus that by Laplace's approximation, both at the estimates.

    Parameters
    ----------
    fit : MixedFit
    n_quad : int
        Number of nodes.
    """
    if isinstance(n_quad, bool) or not isinstance(n_quad, numbers.Integral):
        raise ArgumentTypeError(f"n_quad must be a whole number of quadrature nodes, not {n_quad!r}.")
    if n_quad < FEWEST_NODES:
        raise OptionError(
            f"n_quad must be at least {FEWEST_NODES} here, not {n_quad}: fewer nodes can be worse than one."
        )
    check_quadrature(int(n_quad), *fit.integrated)
    return fit.objective_at(int(n_quad)) - fit.objective_at(1)
