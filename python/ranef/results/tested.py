"""Tests of the fixed effects, with the covariance of the model or one that is robust."""

from functools import cached_property
from typing import Any, ClassVar

from ranef.errors import OptionError
from ranef.inference.fixed_effect_tests import FixedEffectTests
from ranef.options import Ddf
from ranef.results.base import MixedModel


class TestedModel(MixedModel):
    """What the tests of all kinds of mixed models go by: a covariance and a method of degrees of freedom."""

    _usual_robust: ClassVar[str]

    @cached_property
    def _tests(self) -> FixedEffectTests:
        return FixedEffectTests(self._fit)

    def _tests_with(self, cov: Any, cluster: Any) -> FixedEffectTests:
        """Tests with the covariance that is asked for: the model's, or a cluster-robust one. The last robust one is kept."""
        if cov is None:
            if cluster is not None:
                raise OptionError(f"cluster= is for a robust covariance; say which: cov={self._usual_robust!r}.")
            return self._tests
        key = (cov, cluster) if isinstance(cov, str) and isinstance(cluster, str) else None
        kept = self.__dict__.get("_robust")
        if key is not None and kept is not None and kept[0] == key:
            found: FixedEffectTests = kept[1]
            return found
        found = self._robust_tests(cov, cluster)
        self.__dict__["_robust"] = (key, found)
        return found

    def _robust_tests(self, cov: Any, cluster: Any) -> FixedEffectTests:
        raise NotImplementedError

    def _method(self, ddf: Any, default: Ddf) -> Ddf:
        """The method of degrees of freedom that is asked for, once it is seen that the model can have it."""
        raise NotImplementedError
