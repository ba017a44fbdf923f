"""Links every mention of a method or function in the pages, such as ``m.ranova()`` or
``ranef.table(m1, m2)``, to its place in the reference.
"""

import re
from functools import cache
from typing import Any

import public_names as public
from docutils import nodes
from sphinx import addnodes

from ranef.results.model_plots import ModelPlots

MENTION = re.compile(r"(?P<owner>m\.plot|m|ranef)\.(?P<name>[a-z]\w*)")
"""In the pages ``m`` is a fitted model of any kind, also with a number."""


@cache
def targets() -> dict[str, str]:
    """What can be mentioned → the name that it is documented by."""
    shared = public.public_members(public.MixedModel)
    found = {f"m.{name}": f"{public.MixedModel.__module__}.MixedModel.{name}" for name in shared}
    for kind in public.fitted_models():
        full = f"{kind.__module__}.{kind.__name__}"
        found |= {f"m.{name}": f"{full}.{name}" for name in public.own_members(kind)}
    plots = f"{ModelPlots.__module__}.{ModelPlots.__name__}"
    found |= {f"m.plot.{name}": f"{plots}.{name}" for name in public.public_members(ModelPlots)}
    return found | {f"ranef.{name}": f"ranef.{name}" for name in public.functions()}


def mentioned(text: str) -> str | None:
    """The target of a piece of code that begins with a mention."""
    found = MENTION.match(re.sub(r"^m\d+\.", "m.", text))
    return None if found is None else targets().get(found[0])


def link_mentions(app: Any, tree: Any) -> None:
    """Wrap the pieces of code of a page that are no links and in no heading."""
    for literal in list(tree.findall(nodes.literal)):
        target = mentioned(literal.astext())
        if target is None or isinstance(literal.parent, nodes.reference | addnodes.pending_xref | nodes.title):
            continue
        link = addnodes.pending_xref(
            "", refdomain="py", reftype="obj", reftarget=target, refexplicit=True, refdoc=app.env.docname
        )
        literal.parent.replace(literal, link)
        link += literal


def setup(app: Any) -> dict[str, bool]:
    """Register with Sphinx."""
    app.connect("doctree-read", link_mentions)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
