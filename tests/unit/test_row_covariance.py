"""Covariance matrices of rows as Python sees them: R from natural parameters."""

import numpy as np
import pytest

from ranef import _core


def test_covariance_from_natural_parameters():
    r = _core.RowCovariance("ar1", {"levels": 4, "most": 3}, variances=[("by_group", 2), ("power", 1)])
    assert [(p[0], p[2]) for p in r.parameters] == [
        ("correlation", "rho"),
        ("variance", "sd_ratio"),
        ("variance", "power"),
    ]
    natural = np.array([0.5, 2.0, 0.25])
    z = r.from_natural(natural)
    at, ones = np.array([[0.0], [1.0], [3.0]]), np.ones(3)
    x = np.array([1.0, 16.0, 81.0])
    covariates = [(ones, np.array([0.0, 1.0, 1.0])), (x, np.zeros(3))]
    sd = x**0.25 * [1.0, 2.0, 2.0]
    lag = np.abs(at - at.T)
    np.testing.assert_allclose(r.matrix(z, at, 0, covariates), np.outer(sd, sd) * 0.5**lag, rtol=1e-14)
    values, slopes = r.natural(z)
    np.testing.assert_allclose(values, natural, rtol=1e-14)
    np.testing.assert_allclose(slopes, np.diag([1 - 0.25, 2.0, 1.0]), rtol=1e-14)
    active, value, first, second = r.derivatives(z, at, 0, covariates)
    assert active == [0, 1, 2]
    assert (first.shape, second.shape) == ((3, 3, 3), (3, 3, 3, 3))
    np.testing.assert_allclose(first[0], value * lag / 0.5 * (1 - 0.25), rtol=1e-13)


def test_no_matrix_without_positive_definiteness():
    r = _core.RowCovariance("us", {"levels": 3, "most": 3})
    assert r.from_natural(np.array([1.0, 1.0, 0.9, 0.9, -0.9])) is None
    with pytest.raises(ValueError, match="5 parameters"):
        r.natural(np.zeros(3))
    assert _core.variance_refuses("power", np.array([1.0, 0.0])) == (1, "zero")
