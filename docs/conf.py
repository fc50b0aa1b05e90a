"""Settings of the documentation site, which `make docs` builds without the network."""

import re
import shutil
import sys
import warnings
from pathlib import Path

warnings.filterwarnings("ignore", message="Dip test is not valid")  # of a package, in examples

HERE = Path(__file__).parent
ROOT = HERE.parent
for place in (ROOT, HERE):
    sys.path.insert(0, str(place))

project = "neuro"
author = "the authors of neuro"
copyright = "the authors of neuro, BSD-3-Clause"
release = re.search(r'^version = "(.*)"', (ROOT / "pyproject.toml").read_text("utf-8"), re.M)[1]

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "numpydoc",
    "sphinx_gallery.gen_gallery",
]
source_suffix = {".md": "markdown", ".rst": "restructuredtext"}
exclude_patterns = ["_templates", "generated/gallery/**/*.ipynb", "generated/gallery/**/*.py"]
templates_path = ["_templates"]
suppress_warnings = ["config.cache"]  # the gallery's settings hold functions

# Pages are read by people in the repository too, so links are plain Markdown.
myst_enable_extensions = ["attrs_inline"]
myst_heading_anchors = 4
myst_links_external_new_tab = False

autosummary_generate = True
autosummary_ignore_module_all = False
autodoc_typehints = "none"
autodoc_member_order = "bysource"
autodoc_default_options = {"members": True}
numpydoc_show_class_members = False
numpydoc_xref_param_type = False
add_module_names = False
default_role = "literal"
highlight_language = "none"  # of blocks that do not say theirs

html_theme = "pydata_sphinx_theme"
html_title = f"neuro {release}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_sourcelink = False
html_copy_source = False
html_theme_options = {
    "logo": {"text": "neuro"},
    "navbar_align": "left",
    "header_links_before_dropdown": 8,
    "show_prev_next": True,
    "show_toc_level": 2,
    "navigation_depth": 3,
    "footer_start": ["copyright"],
    "footer_end": [],
    "secondary_sidebar_items": ["page-toc"],
    "pygments_light_style": "tango",
    "pygments_dark_style": "monokai",
}
html_sidebars = {"index": [], "changes": []}

sphinx_gallery_conf = {
    "examples_dirs": [str(ROOT / "examples")],
    "gallery_dirs": ["generated/gallery"],
    "filename_pattern": r"/plot_",
    "ignore_pattern": r"__init__\.py",
    "within_subsection_order": "FileNameSortKey",
    "subsection_order": [
        str(Path("..", "examples", name))
        for name in ("fmri", "adhd", "demovae", "ntf", "hmmglm", "mds", "braindive")
    ],
    "abort_on_example_error": True,
    "download_all_examples": False,
    "capture_repr": (),
    "thumbnail_size": (480, 300),
    "write_computation_times": False,
    "show_memory": False,
    "show_signature": False,
    "remove_config_comments": True,
    "min_reported_time": 1,
    "reset_modules": ("matplotlib",),
    "matplotlib_animations": False,
}

BEYOND = (
    (re.compile(r"\]\((?:\.\./)+benchmarks/results/(\w+)\.md"), r"](/generated/results/\1.md"),
    (re.compile(r"\]\((?:\.\./)+(README|CHANGELOG)\.md"), r"](/generated/\1.md"),
)
"""Links that leave this folder, and the copies on the site that they lead to."""

CHART = re.compile(r"^```mermaid\n(.*?)^```$", re.M | re.S)


def outer_pages() -> None:
    """Copy what lies outside of this folder to where the site reads pages."""
    place = HERE / "generated" / "results"
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    names = []
    for path in sorted((ROOT / "benchmarks" / "results").glob("*.md")):
        text = path.read_text("utf-8")
        if not text.startswith("# "):
            text = f"# {path.stem.replace('_', ' ')}\n\n{text}"
        (place / path.name).write_text(text, "utf-8")
        names.append(f"{path.stem} <{path.stem}>")
    listed = "\n".join(["# Tables of results", "", "```{toctree}", "", *names, "```", ""])
    (place / "index.md").write_text(listed, "utf-8")
    for name in ("README.md", "CHANGELOG.md"):
        text = (ROOT / name).read_text("utf-8").replace("](docs/", "](/")
        text = text.replace("](examples)", "](/generated/gallery/index)")
        text = re.sub(r"\]\((benchmarks/|configs/|CITATION)", r"](../../\1", text)
        (HERE / "generated" / name).write_text(text, "utf-8")


def as_on_the_site(app, docname: str, source: list[str]) -> None:
    """Links to copies lead there; charts become pictures."""
    import charts

    text = source[0]
    for link, page in BEYOND:
        text = link.sub(page, text)
    place = HERE / "generated" / "charts"
    place.mkdir(parents=True, exist_ok=True)

    def picture(found) -> str:
        name = f"{docname.replace('/', '_')}_{found.start()}.svg"
        large = found[1].count("\n") > 60
        charts.draw(found[1], place / name, reduce=large)
        if not large:
            return f"![chart](/generated/charts/{name}){{.chart}}\n"
        words = "Arrows that a longer way implies are left out; the picture scrolls to the right."
        return f"![chart](/generated/charts/{name}){{.chart .wide}}\n\n{words}\n"

    source[0] = CHART.sub(picture, text)


def without_routing(app, what, name, item, skip, options):
    """Leave out what scikit-learn adds to every estimator (`set_fit_request` and its like)."""
    return True if re.fullmatch(r"[sg]et_\w*(request|routing)", name) else skip


def setup(app) -> None:
    """What Sphinx calls before it looks for pages."""
    outer_pages()
    app.connect("autodoc-skip-member", without_routing)
    app.connect("source-read", as_on_the_site)
