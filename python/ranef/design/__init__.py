"""Formula and data to the arrays of a model, and new data to the same columns.

`build_design` gives a `Design`; its `encoder` makes `NewRows`.
"""

from ranef.design.build import build_design
from ranef.design.record import Design, NewRandom, NewRows, RandomTerm

__all__ = ["Design", "NewRandom", "NewRows", "RandomTerm", "build_design"]
