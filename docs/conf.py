"""Sphinx's settings of the documentation site: ``make docs``.

The source folder is the whole repository, so that links between the README, the guides and the
model cards are the same paths on the site as where the repository is read.
"""

from __future__ import annotations

import os
import sys
from importlib.metadata import version as installed_version
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(REPOSITORY / "docs"))
# Nothing of a build may ask a network, whatever weights are missing on this machine.
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["COLUMNS"] = "90"  # argparse breaks lines of usage by it

project = "affect-pipe"
author = "the authors of affect-pipe"
project_copyright = "the authors of affect-pipe, Apache-2.0"
version = release = installed_version("affect-pipe")

extensions = [
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "site_pages.extension",
]
root_doc = "docs/index"
include_patterns = [
    "README.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "docs/*.md",
    "docs/api/*.md",
    "samples/README.md",
    "fusion/weights/*/README.md",
]
# Folders that need not be searched: build folders, environments, a link that leads back up.
exclude_patterns = [
    folder.name
    for folder in REPOSITORY.iterdir()
    if folder.is_dir() and folder.name not in ("docs", "samples", "fusion")
]
language = "en"
highlight_language = "none"
# A page names a command and its output more often than a language.
pygments_style = "a11y-high-contrast-light"

nitpicky = True
nitpick_ignore_regex = [
    # What is not ours is not linked: an inventory of it would have to be fetched.
    (r"py:.*", r"(?!affect_pipe\b).*"),
]

myst_heading_anchors = 4

autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
default_role = "py:obj"
numpydoc_show_class_members = False
numpydoc_xref_param_type = False

templates_path = ["site_pages/templates"]
html_theme = "pydata_sphinx_theme"
html_title = "affect-pipe"
html_static_path = ["site_pages/static"]
html_css_files = ["wide.css"]
html_additional_pages = {"index": "start.html"}
html_context = {"default_mode": "auto"}
# Summaries of pages are fetched by a script, which browsers refuse in files on a disk.
html_show_search_summary = False
html_copy_source = False
html_show_sourcelink = False
html_show_sphinx = False
html_sidebars = {"docs/index": [], "docs/ethics": []}
html_theme_options = {
    "logo": {"text": "affect-pipe"},
    "navbar_align": "left",
    "header_links_before_dropdown": 8,
    "show_nav_level": 2,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": [],
}
