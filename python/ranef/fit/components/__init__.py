"""Models with several linear predictors: zeros, dispersion, shape."""
