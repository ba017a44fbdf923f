"""Nonlinear models."""
