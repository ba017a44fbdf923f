"""Marginal means: the fixed effects of a fit averaged over a grid of its predictors,
and contrasts of them.
"""
