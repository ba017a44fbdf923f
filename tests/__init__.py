"""Tests; a package so that ``python -m tests.fuzz`` finds it before packages
of that name that other programs install.
"""
