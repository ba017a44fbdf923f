"""Configuration of the documentation; built by the README's command, with warnings as errors."""

import sys
from pathlib import Path

from numpydoc.xref import DEFAULT_LINKS

import ranef

sys.path.insert(0, str(Path(__file__).parent / "_extensions"))

import public_names

project = "ranef"
author = "the ranef authors"
copyright = "2026, the ranef authors"
version = release = ranef.__version__

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "numpydoc",
    "sphinx_design",
    "reference_pages",
    "agreement",
    "speed",
    "code_and_picture",
    "commands",
    "data_sets",
    "mathml",
    "mentions",
    "tutorial",
    "example_report",
]
exclude_patterns = ["_build", "jupyter_execute"]
source_suffix = {".md": "myst-nb"}

html_math_renderer = "mathml"
html_theme = "furo"
html_title = "ranef"
html_show_sourcelink = False
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_js_files = ["versions.js"]

myst_enable_extensions = ["dollarmath", "colon_fence", "deflist"]
myst_heading_anchors = 3
# Links of pages that are also read in a checkout: what is not part of the site stays text.
suppress_warnings = ["myst.xref_missing"]

nb_execution_mode = "force"
nb_execution_raise_on_error = True
nb_execution_timeout = 120
nb_merge_streams = True

add_module_names = False
toc_object_entries_show_parents = "hide"
autodoc_typehints = "none"
numpydoc_show_class_members = False
numpydoc_xref_param_type = True
numpydoc_xref_ignore = "all"
# Our own classes are links; Python's words stay text.
numpydoc_xref_aliases = {name: name for name in DEFAULT_LINKS} | public_names.documented_names()
