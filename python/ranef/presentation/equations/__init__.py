"""A model as equations, level by level: LaTeX, MathML and plain text from one tree."""

from ranef.presentation.equations.curves import curve_equations
from ranef.presentation.equations.document import Equations, equations_of
from ranef.presentation.equations.levels import Level, levels_of

__all__ = ["Equations", "Level", "curve_equations", "equations_of", "levels_of"]
