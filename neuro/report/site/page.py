"""Put the report together: pages of the enabled stages, figure files, methods text."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import neuro
from neuro.io.formats.tables import read_tsv
from neuro.io.problems import InputProblem
from neuro.report.pages import (
    adhd,
    braindive,
    demovae,
    exclusions,
    fmri,
    hmmglm,
    mds,
    ntf,
    overview,
    record,
    verdicts,
)
from neuro.report.pages.methods import TITLES
from neuro.report.pages.methods import section as methods_section
from neuro.report.pages.methods import write as write_methods
from neuro.report.site import menu as site
from neuro.report.site import model
from neuro.report.site.labels import Labels, without_machine
from neuro.report.site.tables import participants

SECTIONS = {
    "fmri": fmri.sections,
    "adhd": adhd.sections,
    "demovae": demovae.sections,
    "ntf": ntf.sections,
    "hmmglm": hmmglm.sections,
    "mds": mds.sections,
    "braindive": braindive.sections,
}
"""Stage to the function that makes its sections from its result files, in the order of the chain.

Each takes the results folder, the configuration, the :class:`Labels` of participants and how many
participants may have figures of their own (only `fmri` draws single participants), and returns a
list of :class:`neuro.report.site.model.Section`.
"""

MAX_SUBJECT_FIGURES = 40


def build(
    results,
    out,
    config: dict,
    title: str = "neuro report",
    anonymous: bool = True,
    *,
    methods: Sequence[tuple] = (),
    max_subject_figures: int | None = None,
) -> Path:
    """Write the report of a run from its result files: a first page, and one page per stage.

    Parameters
    ----------
    results : path-like
        Folder that holds `participants.tsv` and one folder per stage.
    out : path-like
        Folder of the report; made if missing. Every page holds its pictures and style;
        pages of single participants stand in `pages/`. The figures are also written to
        `figures/<section>/<name>.png`, the table of what is drawn as `.tsv`.
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
    stages = [name for name in TITLES if config.get(name, {}).get("enabled", False)]
    labels = Labels(_participants(results), anonymous)
    pages = []
    for stage in stages:
        make = SECTIONS.get(stage)
        sections = make(results, config, labels, max_subject_figures) if make else []
        pages.append(_stage_page(stage, sections))
    pages += [
        _about(exclusions.section(results, stages, labels), exclusions.PAGE),
        _about(methods_section(methods), "methods.html"),
        _about(record.section(results, config, stages, labels), "record.html"),
    ]
    cards = verdicts.cards(results, stages, pages)
    overall = overview.section(results, config, stages, cards, [_contents(pages)])
    pages.insert(0, site.Page("index.html", "Overview", [overall]))

    out.mkdir(parents=True, exist_ok=True)
    sections = [section for page in pages for section in page.sections]
    _write_figures(out / "figures", sections, labels.without_names)
    write_methods(methods, out)
    subtitle = _subtitle(results, config)
    site.write(out, without_machine(title), subtitle, pages, _footer(), labels.without_names)
    for stage in set(TITLES) - set(stages):
        (out / f"{stage}.html").unlink(missing_ok=True)
    return out / "index.html"


def _stage_page(stage: str, sections: list) -> site.Page:
    if not sections:
        note = model.Text("The stage has run and left nothing to show.", "note")
        sections = [model.Section(stage, TITLES.get(stage, stage), [note])]
    title = sections[0].title if len(sections) == 1 else TITLES.get(stage, stage)
    return site.Page(f"{stage}.html", title, sections, "Stages")


def _about(section: model.Section, path: str) -> site.Page:
    return site.Page(path, section.title, [section], "About this run")


def _contents(pages) -> model.Links:
    """Links to all pages, with what there is to see on each."""
    items = []
    for page in pages:
        n_figures = sum(len(section.figures()) for section in page.sections)
        n_parts = sum(len(section.subpages()) for section in page.sections)
        words = [f"{n_figures} figure{'s' * (n_figures > 1)}"] if n_figures else []
        words += [f"{n_parts} page{'s' * (n_parts > 1)} of single participants"] if n_parts else []
        items.append((model.Link(page.title, page.path), ", ".join(words)))
    return model.Links(items)


def _subtitle(results: Path, config: dict) -> str:
    words = ["simulated data"] if config.get("data", {}).get("kind") == "simulated" else []
    count = participants(results)
    words += [f"{len(count)} participants"] if count is not None else []
    return " · ".join([*words, f"neuro {neuro.__version__}"])


def _footer() -> str:
    from neuro.base import verify

    return (
        f"Written by neuro {neuro.__version__} from result files only. {verify.sentence()}".strip()
    )


def _participants(results: Path) -> set[str]:
    """Labels of everybody who is named in a result table."""
    labels_found: set[str] = set()
    for name in ("participants.tsv", "fmri/runs.tsv", "fmri/group_qc.tsv", "adhd/graphs.tsv"):
        path = results / name
        if path.is_file() and path.stat().st_size:
            table = read_tsv(path, dtype={"participant_id": str})
            if "participant_id" in table:
                labels = table["participant_id"].dropna().astype(str)
                labels_found |= set(labels.str.strip().str.removeprefix("sub-"))
    return labels_found


def _write_figures(folder: Path, sections, last) -> None:
    """Figures and their tables; what an earlier report left in the same folders is removed."""
    folder.mkdir(parents=True, exist_ok=True)
    wanted = {}
    for section in sections:
        for figure in section.figures():
            path = folder / section.slug / f"{figure.name}.png"
            if path in wanted:
                raise ValueError(f"report: figure '{section.slug}/{figure.name}' is made twice")
            wanted[path] = figure.png
            if figure.data is not None:
                table = figure.data.to_csv(sep="\t", index=False, na_rep="n/a")
                wanted[path.with_suffix(".tsv")] = last(table).encode()
    for name in {section.slug for section in sections} | set(TITLES):
        for path in (folder / name).glob("*.[pt][ns][gv]"):
            if path not in wanted:
                path.unlink()
    for path, content in wanted.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
