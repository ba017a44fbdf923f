"""Display of a fitted model in a console and in a notebook."""

from typing import TYPE_CHECKING

from ranef.results.base import MixedModel

if TYPE_CHECKING:
    from ranef.presentation.summary import Summary


class ShownModel(MixedModel):
    """The short text and the short HTML of a mixed model. Neither makes tests, which may take long."""

    def _sketch(self) -> "Summary":
        raise NotImplementedError

    def __repr__(self) -> str:
        from ranef.presentation.short_text import short_text

        return short_text(self._sketch())

    def _repr_html_(self) -> str:
        from ranef.presentation.document import summary_document
        from ranef.presentation.html import html

        return html(summary_document(self._sketch()))
