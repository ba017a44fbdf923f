"""Arrays that the core refuses, in our words."""

import numpy as np

from ranef.design.record import Design
from ranef.errors import DataError, RanefError

#: Numbers above this have squares whose sums are not finite.
LARGEST = 1e150


def cannot_be_set_up(design: Design, problem: ValueError) -> RanefError:
    """The error for arrays that the core does not take."""
    if isinstance(problem, RanefError):
        return problem
    see_that_squares_are_numbers(design)
    return DataError(f"the model cannot be set up: {problem}.")


def see_that_squares_are_numbers(design: Design) -> None:
    """Refuse numbers so large that sums of their squares are not finite."""
    response = design.formula.response
    columns = [
        ("the response" if response is None else f"the response {response.name!r}", np.atleast_2d(design.y.T)[0])
    ]
    columns += [(f"the fixed effect {name!r}", design.x[:, j]) for j, name in enumerate(design.x_names)]
    columns += [
        (f"the effect {name!r} of ({t.text})", t.z[:, j]) for t in design.random for j, name in enumerate(t.names)
    ]
    for what, values in columns:
        largest = float(np.abs(values).max(initial=0.0))
        if largest > LARGEST:
            raise DataError(
                f"{what} has values up to {largest:.2g}, too large to be squared and summed; rescale the variables."
            )
