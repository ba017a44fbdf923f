"""What a family is called, here and in other programs."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Spelling:
    """Names of one distribution of the core.

    Attributes
    ----------
    kernel : str
        The core's name.
    name : str
        As text in ``family=``, in the description of a model and in its translations.
    sentence : str
        In a sentence, before "family" or "distribution".
    symbol : str
        In an equation.
    links : tuple of str
        Links that other programs have for it; the first is their default.
    also : tuple of str
        Other texts that are understood, letters and digits in lower case.
    arguments : tuple of (str, int)
        What the descriptor is called with for this distribution.
    julia, sas : tuple of str
        Names in MixedModels.jl and in PROC GLIMMIX, the one to write first; empty where the program
        does not have it.
    spss : str or None
        Name in GENLINMIXED.
    stata : tuple of (str, int)
        Names in meglm, with the number of letters that are enough.
    lme4 : bool
        Whether glmer or glmer.nb has it.
    meaning : str
        What the extra parameter means, with its place ``{value}``; empty where its name says it.
    """

    kernel: str
    name: str
    sentence: str
    symbol: str
    links: tuple[str, ...]
    also: tuple[str, ...] = ()
    arguments: tuple[tuple[str, int], ...] = ()
    julia: tuple[str, ...] = ()
    sas: tuple[str, ...] = ()
    spss: str | None = None
    stata: tuple[tuple[str, int], ...] = ()
    lme4: bool = True
    meaning: str = ""


def plain(text: str) -> str:
    """Letters and digits of a name, in lower case: what names are compared by."""
    return "".join(c for c in text.lower() if c.isalnum())
