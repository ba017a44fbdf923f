"""Random effects of a model with extra zeros can have several modes; the fuzzer met one whose
modes, looked for from zero, were lower ones than those of the fit.
"""

from tests.fuzz.families_cases import families_case
from tests.fuzz.run import run_case


def test_modes_of_a_zero_inflated_model_are_found_again():
    case = families_case(641)
    fit = case.fit()._fit
    again = fit.whole.system().evaluate(fit.whole_theta, fit.whole_beta, None, 1, "observed", 1)
    assert abs(again.objective - fit.objective) < 1e-6
    assert not run_case(case, ("dense",)).findings
