"""Stata: ``mixed`` for linear models, ``melogit`` and its kin, ``meglm``."""

from ranef.translation.stata.reader import read
from ranef.translation.stata.writer import write

__all__ = ["read", "write"]
