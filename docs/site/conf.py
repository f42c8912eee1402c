"""Sphinx settings of the site. ``make site`` builds it; nothing is imported or executed."""

import tomllib
from pathlib import Path

from astroid import nodes
from astroid.brain import brain_dataclasses
from astroid.manager import AstroidManager
from docutils.nodes import SkipNode
from latex2mathml.converter import convert

ROOT = Path(__file__).resolve().parents[2]
LAYERS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))[
    "tool"]["importlinter"]["contracts"][0]["layers"]
ANALYSES = next(layer for layer in LAYERS if " : " in layer).split(" : ")

project = "How contrastive learning shapes category selectivity"
language = "en"
extensions = ["myst_nb", "sphinx.ext.napoleon", "autoapi.extension"]
nb_execution_mode = "off"
nb_ipywidgets_js = {}
myst_enable_extensions = ["colon_fence", "dollarmath", "amsmath", "attrs_inline"]
myst_heading_anchors = 4

autoapi_dirs = [str(ROOT / "helpers")]
autoapi_root = "api"
autoapi_add_toctree_entry = False
autoapi_member_order = "bysource"
autoapi_options = ["members", "undoc-members", "show-module-summary"]
autoapi_python_use_implicit_namespaces = False
autoapi_ignore = [f"*/helpers/{path.name}/*" for path in (ROOT / "helpers").iterdir()
                  if path.is_dir() and f"helpers.{path.name}" not in ANALYSES]
# Fields of dataclasses are documented as attributes; inferring their types takes half a minute.
AstroidManager().unregister_transform(nodes.ClassDef, brain_dataclasses.dataclass_transform,
                                      brain_dataclasses.is_decorated_with_dataclass)
napoleon_google_docstring = False
napoleon_use_ivar = True
napoleon_use_param = False
napoleon_use_rtype = False

# What other packages define is not read; names of arguments resemble names of attributes; code in
# a language that Pygments does not know (CSV) has no colours.
suppress_warnings = ["autoapi.python_import_resolution", "ref.python",
                     "misc.highlighting_failure"]

html_theme = "pydata_sphinx_theme"
html_title = "Category selectivity"
html_static_path = ["site.css"]
html_css_files = ["site.css"]
html_math_renderer = "mathml"
html_copy_source = False
html_show_sourcelink = False
html_show_search_summary = False  # it is fetched, which file:// refuses
html_use_index = html_domain_indices = False
html_context = {"default_mode": "auto"}
html_theme_options = {
    "collapse_navigation": True,
    "header_links_before_dropdown": 7,
    "navbar_align": "left",
    "navbar_end": ["theme-switcher"],
    "navbar_persistent": ["search-button"],  # the one with a field has another name than its text
    "secondary_sidebar_items": ["page-toc"],
}
html_sidebars = {page: [] for page in ("index", "README", "docs/replicates", "notebooks/COURSE",
                                       "notebooks/GLOSSARY")}


def _mathml(display):
    def visit(translator, node):
        translator.body.append(convert(node.astext(), display=display))
        raise SkipNode
    return visit, None


def _name_toggles(app, error):
    """Give the buttons that open a branch of the side bar a name: the theme gives them none."""
    button = '<summary><span class="toctree-toggle"'
    named = button.replace("<summary>", '<summary aria-label="Pages of this package">')
    for page in () if error else Path(app.outdir).rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        if button in text:
            page.write_text(text.replace(button, named), encoding="utf-8")


def setup(app):
    """Write formulas as MathML, which browsers show without a script; name all buttons."""
    app.add_html_math_renderer("mathml", _mathml("inline"), _mathml("block"))
    app.connect("build-finished", _name_toggles)
