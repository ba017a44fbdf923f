"""Linear mixed models of data beyond memory: one look for levels and means (`survey`), sums that
can be merged (`Statistic`), and a fit from these; and very many small ones at once (`fit_each`).
"""

from ranef.scale.each import fit_each
from ranef.scale.fitting import fit
from ranef.scale.merging import merge_statistics, merge_surveys
from ranef.scale.plan import Plan, Route, plan
from ranef.scale.recipe import Recipe
from ranef.scale.record_batches import partition_statistic, partition_survey
from ranef.scale.statistic import Statistic
from ranef.scale.survey import Survey, survey

__all__ = [
    "Plan",
    "Recipe",
    "Route",
    "Statistic",
    "Survey",
    "fit",
    "fit_each",
    "merge_statistics",
    "merge_surveys",
    "partition_statistic",
    "partition_survey",
    "plan",
    "survey",
]
