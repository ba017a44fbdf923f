"""The same models here, in R's lme4 and in other Python packages, in one run; see ``README.md``."""
