"""Members that only one kind of model has, and why the other has them not."""

#: Members that only a linear model has: what a generalized one has instead.
LINEAR = {
    "tvalues": "estimates divided by their standard errors are its zvalues",
    "reml_criterion": "it is fitted by maximum likelihood: ml_deviance",
    "cooks_distance": "influence().cooks_distance is by fits without each observation or group",
    "residual_cov": "its responses have no residuals of their own that could be correlated",
    "structure": "its responses have no residuals of their own that could be correlated",
    "information_criteria": "other programs count its parameters as aic and bic do",
}

#: Members that only a generalized model has: why a linear one has no need of them.
GENERALIZED = {
    "zvalues": "its tests are t tests: tvalues",
    "family_params": "the normal family has no parameters of its shape",
    "n_quad": "its likelihood is exact and needs no quadrature",
    "laplace_error": "its likelihood is exact and not Laplace's approximation",
    "overdispersion": "its sigma takes any dispersion; simulated_residuals() show what it does not",
    "zero_inflation": "a normal response is never exactly zero; simulated_residuals() show whether this one is",
}
