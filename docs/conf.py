"""Configuration of the documentation; built by the README's command, with warnings as errors."""

import sys
from pathlib import Path

import ranef

sys.path.insert(0, str(Path(__file__).parent / "_extensions"))

project = "ranef"
author = "the ranef authors"
copyright = "2026, the ranef authors"
version = release = ranef.__version__

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "numpydoc",
    "agreement",
    "tutorial",
    "example_report",
]
exclude_patterns = ["_build", "jupyter_execute"]
source_suffix = {".md": "myst-nb"}

html_theme = "furo"
html_title = "ranef"
html_show_sourcelink = False
html_static_path = ["_static"]
html_css_files = ["site.css"]

myst_enable_extensions = ["dollarmath", "colon_fence", "deflist"]
myst_heading_anchors = 3
# Links of pages that are also read in a checkout: what is not part of the site stays text.
suppress_warnings = ["myst.xref_missing"]

nb_execution_mode = "force"
nb_execution_raise_on_error = True
nb_execution_timeout = 120
nb_merge_streams = True

autosummary_generate = True
autodoc_default_options = {"inherited-members": True}
autodoc_member_order = "bysource"
autodoc_typehints = "none"
numpydoc_show_class_members = False
numpydoc_xref_param_type = False
