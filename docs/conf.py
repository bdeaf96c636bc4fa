"""Builds the documentation: `python -m sphinx -W docs docs/_build/html`; warnings are errors."""

import pfiq_jax

project = "pfiq_jax"
author = "the pfiq_jax contributors"
copyright = author  # the name that Sphinx reads
release = version = pfiq_jax.__version__

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.coverage",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "sphinx_click",
    "sphinx_copybutton",
    "sphinx_design",
    "sphinx_llms_txt",
]
exclude_patterns = ["_build"]

# Pages
myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3
suppress_warnings = ["config.cache"]

# Tutorials run while the site is built. An error, or a minute without an answer, stops the build.
nb_execution_mode = "cache"
nb_execution_cache_path = "docs/_build/cache"
nb_execution_timeout = 120
nb_execution_raise_on_error = True
nb_merge_streams = True

# Reference
autosummary_generate = True
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_preserve_defaults = True
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True  # fields are rows of a list, not entries of their own
napoleon_attr_annotations = False

# Look
html_theme = "sphinx_book_theme"
html_title = "pfiq_jax"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_theme_options = {
    "navbar_persistent": [],
    "show_navbar_depth": 1,
    "show_toc_level": 2,
    "use_download_button": False,
    "use_fullscreen_button": False,
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
}


def is_skipped(app, what, name, obj, skip, options):
    """Whether a member gets no entry: the fields of named tuples, which their classes describe."""
    return skip or type(obj).__name__ == "_tuplegetter"


def shorten_types(app, what, name, obj, options, signature, return_annotation):
    """Signatures with the names of types that the code has, not with what they stand for."""
    names = {
        "Array | ndarray | bool | number | bool | int | float | complex | Forward": "ArrayLike | Forward",
        "Array | ndarray | bool | number | bool | int | float | complex": "ArrayLike",
        "jaxlib._jax.Array": "Array",
    }
    for long, short in names.items():
        signature = signature and signature.replace(long, short)
        return_annotation = return_annotation and return_annotation.replace(long, short)
    return signature, return_annotation


def setup(app):
    """Called by Sphinx."""
    app.connect("autodoc-skip-member", is_skipped)
    app.connect("autodoc-process-signature", shorten_types)
