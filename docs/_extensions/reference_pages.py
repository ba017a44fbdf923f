"""Writes the reference when the site is built: a page for each public function, class and family,
and the members of fitted models by chapter.
"""

from collections.abc import Iterable, Iterator
from enum import Enum
from pathlib import Path
from typing import Any

import public_names as public

FUNCTION_GROUPS = {
    "Fitting models": ["lmer", "glmer", "glmer_nb", "nlmer", "clmm", "gls", "mmrm"],
    "Comparing and planning": ["anova", "table", "power", "power_curve", "simulate"],
    "Other programs": ["translate"],
    "Files, data and options": ["load", "load_bootstrap", "load_dataset", "list_datasets", "options"],
}
"""Where functions stand; those named nowhere come under "More functions"."""

INTRODUCTION = """# API reference

Every public name, with what it does in one line. A *function* such as `ranef.lmer` fits a model;
everything else is a method of the *fitted model*, grouped here as in a manual. What these return
are pandas frames, or *results* that print and draw themselves and become a frame by `to_frame()`.
"""


def directive(name: str, target: str, *lines: str) -> str:
    """A directive of autodoc inside Markdown."""
    return "\n".join(["```{eval-rst}", f".. {name}:: {target}", *(f"   {line}" for line in lines), "```", ""])


def class_directive(target: str, members: dict[str, Any]) -> str:
    """A class with the members that the package defines for it."""
    lines = [f".. {documenter(member)}:: {target}.{name}" for name, member in members.items()]
    return directive("autoclass", target, *(["", *lines] if lines else []))


def documenter(member: Any) -> str:
    """The directive for a member."""
    return "automethod" if public.is_method(member) else "autoproperty"


def full_name(kind: type, name: str = "") -> str:
    """Module, class and member, as references need them."""
    return ".".join([kind.__module__, kind.__qualname__, *([name] if name else [])])


def cell(text: str) -> str:
    """Text in a cell of a table."""
    return text.replace("|", "\\|")


def table(heads: tuple[str, str], lines: Iterable[tuple[str, str]]) -> str:
    """A table of names and summaries."""
    rows = "".join(f"| {name} | {cell(about)} |\n" for name, about in lines)
    return f"\n:::{{div}} names\n\n| {heads[0]} | {heads[1]} |\n| --- | --- |\n{rows}\n:::\n"


def toctree(pages: Iterable[str]) -> str:
    """The pages below a page, which its tables show."""
    return "\n```{toctree}\n:hidden:\n\n" + "\n".join(pages) + "\n```\n"


def link(text: str, page: str) -> str:
    """A link to a page of the reference from its root."""
    return f"{{doc}}`{text} </reference/{page}>`"


# ---- pages


def function_pages() -> Iterator[tuple[str, str]]:
    """A page for each function."""
    for name in public.functions():
        yield f"functions/{name}", f"# {name}\n\n{directive('autofunction', f'ranef.{name}')}"


def function_groups() -> dict[str, list[str]]:
    """Names of the functions by group."""
    names = list(public.functions())
    groups = {title: [name for name in group if name in names] for title, group in FUNCTION_GROUPS.items()}
    placed = {name for group in groups.values() for name in group}
    groups["More functions"] = [name for name in names if name not in placed]
    return {title: group for title, group in groups.items() if group}


def function_tables(level: str) -> str:
    """The functions with their summaries, by group."""
    every = public.functions()
    return "".join(
        f"\n{level} {title}\n"
        + table(("Function", ""), ((link(name, f"functions/{name}"), public.summary(every[name])) for name in names))
        for title, names in function_groups().items()
    )


def member_lines(kind: type, members: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Links to members with their summaries."""
    for name, member in members.items():
        owner = public.MixedModel if hasattr(public.MixedModel, name) else kind
        yield f"{{py:obj}}`{name} <{full_name(owner, name)}>`", public.summary(member)


def member_directives(kind: type, members: dict[str, Any]) -> str:
    """The members documented."""
    return "\n".join(directive(documenter(member), full_name(kind, name)) for name, member in members.items())


def chapter_pages() -> Iterator[tuple[str, str]]:
    """A page for each chapter of the fitted model."""
    for chapter in public.chapters():
        yield (
            f"models/{chapter.name}",
            f"# {chapter.title}\n\n{chapter.about} `m` is a fitted model of any kind.\n"
            + table(("Member", ""), member_lines(public.MixedModel, chapter.members))
            + "\n"
            + member_directives(public.MixedModel, chapter.members),
        )


def chapter_tables(level: str) -> str:
    """The members of every chapter."""
    return "".join(
        f"\n{level} {link(chapter.title, f'models/{chapter.name}')}\n"
        + table(("Member", ""), member_lines(public.MixedModel, chapter.members))
        for chapter in public.chapters()
    )


def model_pages() -> Iterator[tuple[str, str]]:
    """A page for each kind of fitted model: what it alone has, and the members by chapter."""
    for kind in public.fitted_models():
        own = public.own_members(kind)
        yield (
            f"models/{kind.__name__}",
            f"# {kind.__name__}\n\n"
            + directive("autoclass", full_name(kind))
            + "\n## What this kind alone has\n"
            + table(("Member", ""), member_lines(kind, own))
            + "\n"
            + member_directives(kind, own)
            + "\n## What all kinds have\n"
            + chapter_tables("###"),
        )


def giver(owner: type | None, name: str) -> str:
    """A link to what returns an object."""
    if owner is None:
        return link(f"ranef.{name}()", f"functions/{name}")
    model = owner in public.fitted_models() or owner is public.MixedModel
    shown = f"m.{name}" if model else f"{owner.__name__}{'' if name.startswith('[') else '.'}{name}"
    if model:
        holder = public.MixedModel if hasattr(public.MixedModel, name) else owner
        return f"{{py:obj}}`{shown} <{full_name(holder, name)}>`"
    return link(shown, f"results/{owner.__name__}")


def result_pages() -> Iterator[tuple[str, str]]:
    """A page for each class of what functions and models return."""
    for entry in public.returned_classes():
        members = public.public_members(entry.kind)
        givers = list(dict.fromkeys(giver(owner, name) for owner, name in entry.givers))
        yield (
            f"results/{entry.kind.__name__}",
            f"# {entry.kind.__name__}\n\nGiven by {', '.join(givers)}.\n\n"
            + class_directive(full_name(entry.kind), members)
            + values(entry.kind),
        )


def values(kind: type) -> str:
    """The values of an enumeration, with their explanations."""
    if not issubclass(kind, Enum):
        return ""
    explained = ((f"`{value.name}`", str(getattr(value, "explanation", value.value))) for value in kind)
    return "\n## Values\n" + table(("Value", ""), explained)


def result_tables(level: str) -> str:
    """The classes that are returned: of functions and models, and parts of those."""
    models = [None, public.MixedModel, *public.fitted_models()]
    first = [e for e in public.returned_classes() if any(owner in models for owner, _ in e.givers)]
    parts = [e for e in public.returned_classes() if e not in first]
    text = ""
    for title, entries in (("What functions and models return", first), ("Parts of these", parts)):
        lines = ((link(e.kind.__name__, f"results/{e.kind.__name__}"), public.summary(e.kind)) for e in entries)
        text += f"\n{level} {title}\n" + table(("Class", ""), lines)
    return text


def family_pages() -> Iterator[tuple[str, str]]:
    """A page for each family: its parameters, links and extra parameter."""
    for name, kind in public.families().items():
        names = ", ".join(f'`"{known}"`' for known in public.family_names(kind))
        facts = [f"- **By name:** `family=` {names}."] if names else []
        known_links = getattr(kind, "links", ())
        if isinstance(known_links, tuple) and known_links:
            links = ", ".join(f"`{known}`" for known in known_links)
            facts.append(f"- **Links:** {links}; the first is the default.")
        extra = getattr(kind, "dispersion_name", None)
        if isinstance(extra, str):
            facts.append(f"- **Extra parameter:** {extra}, in `m.dispersion`.")
        yield (
            f"families/{name}",
            f"# {name}\n\n"
            + directive("autoclass", f"ranef.{name}")
            + "\n".join(facts)
            + f"\n\nMeans, variances and draws are methods of every {link('Family', 'results/Family')}.\n",
        )


def class_table(kinds: dict[str, type], folder: str) -> str:
    """Classes with their summaries."""
    lines = ((link(name, f"{folder}/{name}"), public.summary(kind)) for name, kind in kinds.items())
    return table(("Class", ""), lines)


def class_pages(kinds: dict[str, type], folder: str) -> Iterator[tuple[str, str]]:
    """A page for each class."""
    for name, kind in kinds.items():
        members = public.public_members(kind)
        bases = [f"`{base.__name__}`" for base in kind.__mro__[1:] if base not in (object, BaseException)]
        yield (
            f"{folder}/{name}",
            f"# {name}\n\n{class_directive(f'ranef.{name}', members)}\nA subclass of {', '.join(bases)}.\n",
        )


def pages() -> dict[str, str]:
    """The text of every page of the reference, by its place."""
    sections = {
        "functions": ("Functions", function_tables, dict(function_pages())),
        "models": (
            "Fitted models",
            lambda level: (
                class_table({kind.__name__: kind for kind in public.fitted_models()}, "models") + chapter_tables(level)
            ),
            {**dict(model_pages()), **dict(chapter_pages())},
        ),
        "results": ("Results", result_tables, dict(result_pages())),
        "families": ("Families", lambda _: class_table(public.families(), "families"), dict(family_pages())),
        "errors": (
            "Errors and warnings",
            lambda _: class_table(public.errors(), "errors"),
            dict(class_pages(public.errors(), "errors")),
        ),
    }
    if public.other_classes():
        others = public.other_classes()
        sections["classes"] = (
            "Other classes",
            lambda _: class_table(others, "classes"),
            dict(class_pages(others, "classes")),
        )
    text = {"index": INTRODUCTION}
    for folder, (title, tables, below) in sections.items():
        text |= below
        text[f"{folder}/index"] = f"# {title}\n" + tables("##") + toctree(f"/reference/{page}" for page in below)
        text["index"] += f"\n## {link(title, f'{folder}/index')}\n" + tables("###")
    text["index"] += toctree(f"{folder}/index" for folder in sections)
    return text


def write_pages(app: Any) -> None:
    """Write what has changed, and remove pages of names that are gone."""
    folder = Path(app.srcdir) / "reference"
    written = {folder / f"{page}.md": text for page, text in pages().items()}
    for path in folder.rglob("*"):
        if path.is_file() and path not in written:
            path.unlink()
    for path, text in written.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")


def shorten_names(app: Any, tree: Any) -> None:
    """Members of a fitted model as they are written: ``m.anova``, ``m.plot.caterpillar``."""
    from sphinx import addnodes

    owners = {f"{kind.__name__}." for kind in [public.MixedModel, *public.fitted_models()]}
    for node in tree.findall(addnodes.desc_addname):
        if node.astext() in owners:
            node.children[:] = [type(node.children[0])("m.")] if node.children else []


def hide_constructors(app: Any, what: str, name: str, thing: Any, options: Any, signature: str, returns: str) -> Any:
    """No arguments of classes that users do not make."""
    made = {*public.families().values(), *public.errors().values(), *public.other_classes().values()}
    return ("", None) if what == "class" and thing not in made else None


def setup(app: Any) -> dict[str, bool]:
    """Register with Sphinx."""
    app.connect("builder-inited", write_pages)
    app.connect("doctree-read", shorten_names)
    app.connect("autodoc-process-signature", hide_constructors)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
