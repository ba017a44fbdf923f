"""Models written in other programs' languages."""

from typing import Literal

from ranef.known_arguments import known_arguments
from ranef.translation import Translation, read


@known_arguments
def translate(
    text: str,
    source: Literal["spss", "stata", "sas", "nlme", "lme4", "glmmtmb", "ordinal", "pscl", "julia"] | None = None,
) -> Translation:
    """The call of this package for a model in another program's language.

    Parameters
    ----------
    text : str
        Syntax that fits a mixed model, with what prepares the data for it. The first model counts.
    source : str, optional
        The language, which is recognised by its commands unless given: SPSS (``MIXED``,
        ``GENLINMIXED``), Stata (``mixed``, ``melogit``, ``meologit``, ``meglm``, ``zinb`` …), SAS
        (``PROC MIXED``, ``PROC GLIMMIX``), R's nlme (``lme``, ``gls``, ``nlme``), lme4 (``lmer``,
        ``glmer``, ``nlmer``), glmmTMB, ordinal (``clmm``, ``clmm2``) or pscl (``zeroinfl``,
        ``hurdle``), Julia's MixedModels: ``"spss"``, ``"stata"``, ``"sas"``, ``"nlme"``,
        ``"lme4"``, ``"glmmtmb"``, ``"ordinal"``, ``"pscl"``, ``"julia"``.

    Returns
    -------
    Translation
        With ``call, formula, method, family, link, n_quad, weights, subset, notes``; ``str()``
        gives the call and, as comments, what differs.

    Raises
    ------
    TranslationError
        If a part has no counterpart here; the message names the part and its line.
    OptionError
        If the language is not given and cannot be recognised.

    Examples
    --------
    >>> import ranef
    >>> t = ranef.translate("mixed normexam standLRT || school: standLRT, cov(un)")
    >>> t.source
    'stata'
    >>> t.call
    'lmer("normexam ~ standLRT + (standLRT | school)", data, REML=False)'
    >>> t.method, t.notes[0]
    ('ML', 'Stata fits by ML unless given reml, lmer by REML unless given REML=False.')
    """
    return read(text, source)
