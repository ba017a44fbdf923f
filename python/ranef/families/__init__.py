"""Families of distributions and their links:
small frozen descriptors that name a kernel of the compiled core.
"""

from ranef.families.counts import NegativeBinomial, Poisson
from ranef.families.custom import CustomFamily
from ranef.families.family import Family
from ranef.families.gaussian import Gaussian
from ranef.families.names import parse_family
from ranef.families.positive import Gamma, InverseGaussian
from ranef.families.proportions import Beta, Binomial

__all__ = [
    "Beta",
    "Binomial",
    "CustomFamily",
    "Family",
    "Gamma",
    "Gaussian",
    "InverseGaussian",
    "NegativeBinomial",
    "Poisson",
    "parse_family",
]
