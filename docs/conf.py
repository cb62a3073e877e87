"""The documentation site: `sphinx-build -W -c docs . build/site` makes it of the documents as they lie in the tree."""

project = "airpatch"
author = "The airpatch authors"
project_copyright = "The airpatch authors"
html_title = "airpatch"
html_theme = "furo"
extensions = ["myst_parser"]
root_doc = "docs/index"
include_patterns = ["docs/*.md", "spec/*.md", "spec/*/*.md", "*.md"]
exclude_patterns = ["CHANGELOG.md"]
source_suffix = {".md": "markdown"}
myst_heading_anchors = 3
