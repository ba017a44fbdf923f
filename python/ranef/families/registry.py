"""The families of the package: a new one is a descriptor file and its line here."""

from ranef.families.beta import Beta
from ranef.families.binomial import Binomial
from ranef.families.family import Family
from ranef.families.gamma import Gamma
from ranef.families.gaussian import Gaussian
from ranef.families.inverse_gaussian import InverseGaussian
from ranef.families.negative_binomial import NegativeBinomial
from ranef.families.poisson import Poisson
from ranef.families.spelling import Spelling, plain

FAMILIES: tuple[type[Family], ...] = (
    Binomial,
    Poisson,
    NegativeBinomial,
    Gamma,
    InverseGaussian,
    Gaussian,
    Beta,
)

#: Descriptor and names of every distribution of the core, by our name.
SPELLINGS: dict[str, tuple[type[Family], Spelling]] = {
    spelling.name: (family, spelling) for family in FAMILIES for spelling in family.spellings
}

#: Our name by what is understood.
UNDERSTOOD: dict[str, str] = {
    plain(text): spelling.name for _, spelling in SPELLINGS.values() for text in (spelling.name, *spelling.also)
}
