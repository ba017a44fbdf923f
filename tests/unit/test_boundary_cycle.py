"""A fit whose criterion is the same,
to nine digits after the point, on the boundary and beside it.
"""

from typing import Any

import numpy as np

from ranef import lmer, load_dataset


def test_the_boundary_is_not_left_and_entered_for_ever() -> None:
    """Of these responses without slopes one has its optimum 1e-9 below that of the boundary:
    zero was tried and left until the evaluations were used up.
    """
    data = load_dataset("sleepstudy")
    large: Any = lmer("Reaction ~ poly(Days, 2) + (Days | Subject)", data, REML=False)
    small: Any = lmer("Reaction ~ Days + (1 | Subject)", data, REML=False)
    y = small.simulate(1500, rng=2)
    fits = large.refit(y)
    assert fits.converged.all()
    one = large.refit(y["sim_104"])
    assert one.convergence.evaluations < 100 * one.convergence.search.runs
    np.testing.assert_allclose(one.objective, 1787.3119267, atol=1e-6)
