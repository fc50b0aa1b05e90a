"""Put the report together: sections of the enabled stages, figure files, methods text."""

from __future__ import annotations

from pathlib import Path

import neuro
from neuro.io.problems import InputProblem
from neuro.io.tables import read_tsv
from neuro.report import adhd, fmri, html, ntf, overview, record
from neuro.report.labels import Labels, without_machine
from neuro.report.methods import section as methods_section
from neuro.report.methods import write as write_methods

SECTIONS = {"fmri": fmri.sections, "adhd": adhd.sections, "ntf": ntf.sections}
"""Stage to the function that makes its sections, in the order of the chain."""

MAX_SUBJECT_FIGURES = 40


def build(
    results,
    out,
    config: dict,
    title: str = "neuro report",
    anonymous: bool = True,
    *,
    methods: list = (),
    max_subject_figures: int | None = None,
) -> Path:
    """Write the HTML report of a run from its result files.

    Parameters
    ----------
    results : path-like
        Folder that holds `participants.tsv` and one folder per stage.
    out : path-like
        Folder of the report; made if missing. `index.html` needs no other file; the figures
        are also written to `figures/<section>/<name>.png`.
    config : dict
        The resolved configuration; `<stage>.enabled` decides which stages appear.
    title : str
    anonymous : bool, default True
        Replace participant labels by numbers.
    methods : list of tuple, optional
        `(stage, sentences, citation keys)` of the enabled stages.
    max_subject_figures : int, optional
        Runs that get figures of their own; default `report.max_subject_figures`, else 40.

    Returns
    -------
    pathlib.Path
        `index.html`.

    Raises
    ------
    InputProblem
        When `results` is missing or a result file is broken.
    ValueError
        When the methods text cites an unknown key.
    """
    results, out = Path(results), Path(out)
    if not results.is_dir():
        raise InputProblem(f"{results}: no such folder; run the workflow first")
    if max_subject_figures is None:
        wanted = config.get("report", {}).get("max_subject_figures", MAX_SUBJECT_FIGURES)
        max_subject_figures = int(wanted)
    stages = [name for name in SECTIONS if config.get(name, {}).get("enabled", False)]
    labels = Labels(_participants(results), anonymous)
    sections = [overview.section(results, config, stages, labels)]
    for stage in stages:
        sections += SECTIONS[stage](results, config, labels, max_subject_figures)
    sections.append(record.section(results, config, stages, labels))
    if methods:
        sections.append(methods_section(methods))

    out.mkdir(parents=True, exist_ok=True)
    _write_figures(out / "figures", sections)
    title = without_machine(title)
    write_methods(methods, out)
    alone = html.page(f"{title}: methods", "", [methods_section(methods)], _footer())
    (out / "methods.html").write_text(alone, "utf-8")
    count = overview.participants(results)
    subtitle = f"neuro {neuro.__version__}"
    if count is not None:
        subtitle = f"{len(count)} participants · {subtitle}"
    page = out / "index.html"
    page.write_text(html.page(title, subtitle, sections, _footer()), "utf-8")
    return page


def _footer() -> str:
    return f"Written by neuro {neuro.__version__} from result files only."


def _participants(results: Path) -> set[str]:
    """Labels of everybody who is named in a result table."""
    found: set[str] = set()
    for name in ("participants.tsv", "fmri/runs.tsv", "fmri/group_qc.tsv", "adhd/graphs.tsv"):
        path = results / name
        if path.is_file() and path.stat().st_size:
            table = read_tsv(path, dtype={"participant_id": str})
            if "participant_id" in table:
                labels = table["participant_id"].dropna().astype(str)
                found |= set(labels.str.strip().str.removeprefix("sub-"))
    return found


def _write_figures(folder: Path, sections) -> None:
    """Figures as files; what an earlier report left in the same folders is removed."""
    wanted = {}
    for section in sections:
        for figure in section.figures():
            path = folder / section.slug / f"{figure.name}.png"
            if path in wanted:
                raise ValueError(f"report: figure '{section.slug}/{figure.name}' is made twice")
            wanted[path] = figure.png
    for name in {section.slug for section in sections} | set(SECTIONS):
        for path in (folder / name).glob("*.png"):
            if path not in wanted:
                path.unlink()
    for path, png in wanted.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(png)
