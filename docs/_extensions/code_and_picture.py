"""A piece of code beside the picture that it draws, on the home page."""

from pathlib import Path
from typing import Any, ClassVar

from docutils import nodes
from sphinx.util.docutils import SphinxDirective

FOLDER = "_pictures"
"""Where pictures are kept among the sources."""


class CodeAndPicture(SphinxDirective):
    """Show the code of its body, run it, and show its last figure.

    The argument is the name of the picture's file. Options: ``alt``, what is seen in it; ``shell``,
    a line to type before; ``size``, inches across and up.
    """

    required_arguments = 1
    has_content = True
    option_spec: ClassVar[dict[str, Any]] = {"alt": str, "shell": str, "size": str}

    def run(self) -> list[Any]:
        """Run the code."""
        import matplotlib

        matplotlib.use("agg")
        from matplotlib import pyplot as plt

        code = "\n".join(self.content)
        exec(compile(code, self.env.docname, "exec"), {"print": lambda *shown: None})
        folder = Path(self.env.srcdir) / FOLDER
        folder.mkdir(exist_ok=True)
        figure = plt.gcf()
        figure.set_size_inches([float(length) for length in self.options.get("size", "5.2 3").split()])
        figure.savefig(folder / f"{self.arguments[0]}.svg", transparent=True)
        plt.close("all")
        blocks = [nodes.literal_block(code, code, language="python")]
        if "shell" in self.options:
            line = self.options["shell"]
            blocks.insert(0, nodes.literal_block(line, line, language="bash"))
        picture = nodes.image(uri=f"/{FOLDER}/{self.arguments[0]}.svg", alt=self.options.get("alt", ""))
        columns = [nodes.container("", *blocks), nodes.container("", picture, classes=["picture"])]
        return [nodes.container("", *columns, classes=["code-and-picture"])]


def setup(app: Any) -> dict[str, bool]:
    """Register with Sphinx."""
    app.add_directive("code-and-picture", CodeAndPicture)
    return {"parallel_read_safe": True}
