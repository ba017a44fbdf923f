"""Cluster-robust (sandwich) covariances of the fixed effects, and tests with them."""
