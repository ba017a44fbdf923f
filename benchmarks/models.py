"""The models that are timed: formula, data, criterion, and what was promised for each."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Method:
    """How a model is fitted:
    a linear one by REML or ML, or a generalized one of a family with quadrature nodes.
    """

    reml: bool = True
    family: str | None = None
    n_quad: int = 1


@dataclass(frozen=True, slots=True)
class BenchmarkModel:
    """One model of the table.

    ``limit_ms`` is the whole-call time promised for this package, ``core_limit_ms`` the share of
    the compiled core; ``peer_formula`` spells the same model, with columns that hold what the
    formula computes, for the other Python packages, of which none knows the whole formula language.
    ``peers`` names those that are tried (None: all): a fit of the largest models by the others
    would take very long. glmmTMB is timed on generalized models. ``slow_in_r`` marks fits of R that
    take long enough to be left out of a quick run.
    """

    name: str
    data: str
    formula: str
    reml: bool = True
    limit_ms: float | None = None
    core_limit_ms: float | None = None
    peer_formula: str | None = None
    peers: tuple[str, ...] | None = None
    slow_in_r: bool = False
    family: str | None = None
    n_quad: int = 1

    @property
    def method(self) -> Method:
        """How it is fitted."""
        return Method(self.reml and self.family is None, self.family, self.n_quad)


R_PACKAGES = ("lme4", "glmmTMB")
GLMM = ("glmm", "glmm, no df")


def _factorial(factors: str) -> str:
    """Random intercepts for every factor and every pair of factors."""
    pairs = [f"{a}:{b}" for i, a in enumerate(factors) for b in factors[i + 1 :]]
    return "y ~ 1 + " + " + ".join(f"(1 | {group})" for group in [*factors, *pairs])


MODELS = (
    BenchmarkModel("sleepstudy", "sleepstudy", "Reaction ~ Days + (Days | Subject)", limit_ms=1.5, core_limit_ms=0.1),
    BenchmarkModel("Exam 1", "exam", "normexam ~ 1 + (1 | school)", limit_ms=2.5),
    BenchmarkModel("Exam 2", "exam", "normexam ~ standLRT + (1 | school)", limit_ms=2.5),
    BenchmarkModel("Exam 3", "exam", "normexam ~ standLRT + (standLRT | school)", limit_ms=2.5, core_limit_ms=0.3),
    BenchmarkModel("Exam 3 (ML)", "exam", "normexam ~ standLRT + (standLRT | school)", reml=False, limit_ms=2.5),
    BenchmarkModel("Exam 4", "exam", "normexam ~ standLRT + schavg + (1 + standLRT | school)", limit_ms=2.5),
    BenchmarkModel("Exam 5", "exam", "normexam ~ standLRT * schavg + (1 + standLRT | school)", limit_ms=2.5),
    BenchmarkModel("Penicillin", "penicillin", "diameter ~ 1 + (1 | plate) + (1 | sample)"),
    BenchmarkModel("Pastes", "pastes", "strength ~ 1 + (1 | batch/cask)"),
    BenchmarkModel("egsingle", "egsingle", "math ~ year * size + female + (1 | childid) + (1 | schoolid)"),
    BenchmarkModel("Chem97", "chem97", "score ~ gcsecnt + (1 | school) + (1 | lea)", limit_ms=25),
    BenchmarkModel(
        "InstEval",
        "insteval",
        "y ~ service + (1 | s) + (1 | d) + (1 | dept:service)",
        limit_ms=400,
        slow_in_r=True,
    ),
    BenchmarkModel("factorial 3x4x5x6x7", "factorial_small", _factorial("abcde")),
    BenchmarkModel("factorial 4x6x8x10x12", "factorial_large", _factorial("abcde"), slow_in_r=True),
    BenchmarkModel(
        "kb07, 20 thetas", "kb07", "RTtrunc ~ S * P * C + (S + P + C | subj) + (S + P + C | item)", limit_ms=40
    ),
    BenchmarkModel(
        "kb07, 72 thetas",
        "kb07",
        "RTtrunc ~ S * P * C + (S * P * C | subj) + (S * P * C | item)",
        peer_formula="RTtrunc ~ S + P + C + SP + SC + PC + SPC + (S + P + C + SP + SC + PC + SPC | subj)"
        " + (S + P + C + SP + SC + PC + SPC | item)",
        slow_in_r=True,
    ),
    BenchmarkModel(
        "kwdyz11", "kwdyz11", "rt ~ c1 + c2 + c3 + (c1 + c2 + c3 | subj) + (1 | item)", reml=False, slow_in_r=True
    ),
    BenchmarkModel("d3", "d3", "y ~ u + (u | g) + (u | h) + (u | i)", reml=False, peers=GLMM, slow_in_r=True),
    BenchmarkModel(
        "poems",
        "poems",
        "Y ~ U + V + W + (1 | G) + (1 + U + V + W | H) + (1 | I)",
        reml=False,
        peers=GLMM,
        slow_in_r=True,
    ),
)

GENERALIZED_PEERS = ("glmm", "mixedlm", "lme-python")
CONTRACEPTION = "use ~ age + I(age^2) + urban + livch + (1 | district)"
CONTRACEPTION_PLAIN = "use_yes ~ age + age_squared + urban + livch + (1 | district)"

MODELS += (
    BenchmarkModel(
        "cbpp",
        "cbpp",
        "cbind(incidence, size - incidence) ~ period + (1 | herd)",
        peer_formula="cbind(incidence, healthy) ~ period + (1 | herd)",
        limit_ms=2,
        family="binomial",
        peers=GENERALIZED_PEERS,
    ),
    BenchmarkModel(
        "VerbAgg",
        "verbagg",
        "r2 ~ Anger + Gender + btype + situ + (1 | id) + (1 | item)",
        peer_formula="r2_yes ~ Anger + Gender + btype + situ + (1 | id) + (1 | item)",
        limit_ms=80,
        family="binomial",
        peers=GENERALIZED_PEERS,
    ),
    BenchmarkModel(
        "Contraception",
        "contraception",
        CONTRACEPTION,
        peer_formula=CONTRACEPTION_PLAIN,
        limit_ms=9,
        family="binomial",
        peers=GENERALIZED_PEERS,
    ),
    BenchmarkModel(
        "Contraception, 9 nodes",
        "contraception",
        CONTRACEPTION,
        peer_formula=CONTRACEPTION_PLAIN,
        family="binomial",
        n_quad=9,
        peers=GENERALIZED_PEERS,
    ),
    BenchmarkModel(
        "grouseticks",
        "grouseticks",
        "TICKS ~ YEAR + HEIGHT + (1 | BROOD) + (1 | INDEX) + (1 | LOCATION)",
        limit_ms=65,
        family="poisson",
        peers=GENERALIZED_PEERS,
    ),
    BenchmarkModel(
        "Bernoulli, 1e6 rows",
        "bernoulli",
        "y ~ x + (1 | g)",
        limit_ms=10_000,
        family="binomial",
        peers=(),
        slow_in_r=True,
    ),
)

SCALING_FORMULA = "y ~ x + (x | g)"
SCALING_ROWS = (1_000, 10_000, 100_000, 1_000_000, 10_000_000)
ROWS_PER_GROUP = 100
