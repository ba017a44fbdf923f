"""Predictions of fits of any kind."""

from typing import Any

from ranef.estimates.glmm_predict import predict_glmm
from ranef.estimates.predict import Prediction, predict
from ranef.fit.glmm_record import GlmmFit
from ranef.fit.record import LmmFit, MixedFit


def predict_rows(fit: MixedFit, newdata: Any, **options: Any) -> Prediction:
    """Predict means on the scale of the response.

    Parameters
    ----------
    fit : MixedFit
    newdata : frame
    **options
        As ``predict`` of the model takes them.
    """
    if isinstance(fit, GlmmFit):
        return predict_glmm(fit, newdata, **options)
    assert isinstance(fit, LmmFit)
    return predict(fit, newdata, **options)
