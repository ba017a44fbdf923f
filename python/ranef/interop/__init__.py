"""Fitted models in other libraries: scikit-learn, marginaleffects, ArviZ.

Each module needs its library, and nothing else imports it.
"""
