"""Linear mixed models of data beyond memory: one look for levels and means (`survey`), sums that
can be merged (`Statistic`), and a fit from these; and very many small ones at once (`fit_each`).
"""

from ranef.scale.each import fit_each
from ranef.scale.fitting import fit
from ranef.scale.plan import Plan, Route, plan
from ranef.scale.recipe import Recipe
from ranef.scale.statistic import Statistic
from ranef.scale.survey import Survey, survey

__all__ = ["Plan", "Recipe", "Route", "Statistic", "Survey", "fit", "fit_each", "plan", "survey"]
