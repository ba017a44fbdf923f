"""Mixed models as scikit-learn estimators: MixedModelRegressor and MixedModelClassifier.

Importing this module needs scikit-learn (extra ``interop``).
"""

from ranef.interop.requirement import require

require("sklearn", "scikit-learn", "the estimators of ranef.interop.sklearn")

from ranef.interop.sklearn_classifier import MixedModelClassifier  # noqa: E402
from ranef.interop.sklearn_regressor import MixedModelRegressor  # noqa: E402

__all__ = ["MixedModelClassifier", "MixedModelRegressor"]
