"""Figures and pages, made from the result files of the stages."""

from __future__ import annotations

__all__ = ["build"]


def build(results, out, config, title="neuro report", anonymous=True, **settings):
    """Write the HTML report; see :func:`neuro.report.page.build` for all parameters."""
    from neuro.report import page

    return page.build(results, out, config, title=title, anonymous=anonymous, **settings)
