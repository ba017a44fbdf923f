"""Families of distributions and their links:
small frozen descriptors that name a kernel of the compiled core.
"""

from ranef.families.beta_binomial import BetaBinomial
from ranef.families.conway_maxwell_poisson import ConwayMaxwellPoisson
from ranef.families.counts import NegativeBinomial, Poisson
from ranef.families.custom import CustomFamily
from ranef.families.family import Family
from ranef.families.gaussian import Gaussian
from ranef.families.genpois import GeneralizedPoisson
from ranef.families.lognormal import LogNormal
from ranef.families.names import parse_family
from ranef.families.ordered_beta import OrderedBeta
from ranef.families.positive import Gamma, InverseGaussian
from ranef.families.proportions import Beta, Binomial
from ranef.families.skew_normal import SkewNormal
from ranef.families.student_t import StudentT
from ranef.families.truncated import Truncated
from ranef.families.tweedie import Tweedie
from ranef.families.zero_one_inflated_beta import ZeroOneInflatedBeta

__all__ = [
    "Beta",
    "BetaBinomial",
    "Binomial",
    "ConwayMaxwellPoisson",
    "CustomFamily",
    "Family",
    "Gamma",
    "Gaussian",
    "GeneralizedPoisson",
    "InverseGaussian",
    "LogNormal",
    "NegativeBinomial",
    "OrderedBeta",
    "Poisson",
    "SkewNormal",
    "StudentT",
    "Truncated",
    "Tweedie",
    "ZeroOneInflatedBeta",
    "parse_family",
]
