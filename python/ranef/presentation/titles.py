"""The first line of a printed model: what was fitted, how, and by which class lme4 and lmerTest would call it."""

from ranef.presentation.text_table import WIDTH, filled_lines, text_width

#: Titles longer than this are wrapped.
_WRAP = 77

_TEST_METHODS = {"satterthwaite": "Satterthwaite's", "kenward-roger": "Kenward-Roger's"}


def lmm_title(reml: bool, ddf: str | None = None) -> tuple[str, str]:
    """Return title and class of a linear mixed model.

    Parameters
    ----------
    reml : bool
        Whether it was fitted by REML.
    ddf : str, optional
        "satterthwaite", "kenward-roger" or "residual" when t-tests have such degrees of freedom.
    """
    title = f"Linear mixed model fit by {'REML' if reml else 'maximum likelihood '}"
    if ddf is None or ddf == "none":
        return title, "lmerMod"
    if ddf == "residual":
        return f"{title}. t-tests use residual degrees of freedom", "lmerMod"
    return f"{title}. t-tests use {_TEST_METHODS[ddf]} method", "lmerModLmerTest"


def glmm_title(n_quad: int = 1) -> tuple[str, str]:
    """Return title and class of a generalized linear mixed model fitted with `n_quad` quadrature points."""
    if n_quad != 1:
        method = f"Adaptive Gauss-Hermite Quadrature, nAGQ = {n_quad}"
    else:
        method = "Laplace Approximation"
    return f"Generalized linear mixed model fit by maximum likelihood ({method})", "glmerMod"


def title_lines(title: str, model_class: str, width: int = WIDTH) -> list[str]:
    """Lay out a title with the class in brackets: quoted where all fits on one line, else without quotes and wrapped."""
    quoted = f"{title} ['{model_class}']"
    if text_width(quoted) <= width:
        return [quoted]
    return filled_lines([*_wrap(title), " [", model_class, "]"], separator="", width=width)


def _wrap(text: str) -> list[str]:
    lines = [""]
    for word in text.split():
        blank = " " if lines[-1].strip() else ""
        if blank and text_width(lines[-1]) + 1 + text_width(word) > _WRAP:
            lines.append("  ")
            blank = ""
        lines[-1] += blank + word
    return lines
