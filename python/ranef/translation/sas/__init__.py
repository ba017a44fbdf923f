"""SAS: ``PROC MIXED`` for linear models, ``PROC GLIMMIX`` for others."""

from ranef.translation.sas.reader import read
from ranef.translation.sas.writer import write

__all__ = ["read", "write"]
