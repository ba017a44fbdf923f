"""One model in several programs' languages.

`describe` makes the neutral description of a model from a formula, `write` writes it in another
language, and `read` makes the call of this package from a text in another language. Each language
is one file that holds both directions.
"""

from ranef.translation.description import Categorical, ModelDescription, describe
from ranef.translation.languages import LANGUAGES, Translation, read, write

__all__ = ["LANGUAGES", "Categorical", "ModelDescription", "Translation", "describe", "read", "write"]
