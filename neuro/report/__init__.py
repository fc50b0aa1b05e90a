"""Figures and pages, made from the result files of the stages."""

from __future__ import annotations

__all__ = ["build"]


def build(results, out, config, title="neuro report", anonymous=True, **settings):
    """Write the report of a run from its result files: a first page, and one page per stage.

    Parameters
    ----------
    results : path-like
        Folder that holds one folder per stage.
    out : path-like
        Folder of the report.
    config : dict
        The resolved configuration; `<stage>.enabled` decides which stages appear.
    title : str
    anonymous : bool, default True
        Replace participant labels by numbers.
    **settings
        See :func:`neuro.report.site.page.build`.

    Returns
    -------
    pathlib.Path
        `index.html`.
    """
    from neuro.report.site import page

    return page.build(results, out, config, title=title, anonymous=anonymous, **settings)
