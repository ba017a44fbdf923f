"""Families of distributions and their links: small frozen descriptors, one a file.

Each names a distribution of the compiled core (:mod:`ranef.families.registry` lists them).
"""

from ranef.families.beta import Beta
from ranef.families.binomial import Binomial
from ranef.families.custom import CustomFamily
from ranef.families.family import Family
from ranef.families.gamma import Gamma
from ranef.families.gaussian import Gaussian
from ranef.families.inverse_gaussian import InverseGaussian
from ranef.families.names import parse_family
from ranef.families.negative_binomial import NegativeBinomial
from ranef.families.poisson import Poisson

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
