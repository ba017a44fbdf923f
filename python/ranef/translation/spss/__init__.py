"""SPSS: ``MIXED`` for linear models, ``GENLINMIXED`` for others."""

from ranef.translation.spss.reader import read
from ranef.translation.spss.writer import write

__all__ = ["read", "write"]
