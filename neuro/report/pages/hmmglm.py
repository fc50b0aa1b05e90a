"""Pages of the stage `hmmglm`: states over time, couplings in each state, the graph they share."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pandas as pd

from neuro.report.figures import hmmglm as hmmglm_figures
from neuro.report.figures import hmmglm_graphs, hmmglm_time
from neuro.report.figures.states import covariates as hmmglm_covariates
from neuro.report.site import model
from neuro.report.site.labels import Labels
from neuro.report.site.tables import read_table

TITLES = {"simulated": "planted spike trains", "fmri": "point events of region series"}
MODELS = {"plain": "free couplings", "gaussian": "Gaussian prior", "onehot": "one-hot prior"}

_NO_GRAPH = (
    "No edge is more likely to be there than not in the graph that all states share, so it is not "
    "drawn. An edge counts there only where all or nearly all states have it with one sign: with "
    "few states, or where edges are missed in some, its probabilities stay close to the prior."
)


@dataclasses.dataclass(frozen=True)
class Set:
    """Everything the figures of one set need.

    Attributes
    ----------
    name, source : str
    banner : str
        Warning that stands in every figure title; empty for spikes.
    bin_s : float
    kind : str
        The exported model.
    tables : dict of str to pandas.DataFrame or None
        By file name without suffix.
    counts : dict of str to ndarray
        Arrays of `counts.npz`.
    facts : dict
        Sidecar of the model.
    switch_s : float or None
    """

    name: str
    source: str
    banner: str
    bin_s: float
    kind: str
    tables: dict
    counts: dict
    facts: dict
    switch_s: float | None

    @property
    def k(self) -> int:
        """Number of states of the exported model."""
        return int(self.tables["transitions"]["to"].max())

    @property
    def units(self) -> list[str]:
        """Labels of the units in the order of the counts."""
        return self.tables["units"]["unit"].tolist()

    @property
    def size(self) -> str:
        """Sizes for a caption."""
        what = "regions" if self.source == "fmri" else "units"
        n_bins = int(self.tables["sequences"]["n_observed"].sum())
        return (
            f"K = {self.k}, {len(self.units)} {what}, {model.number(n_bins)} bins of "
            f"{self.bin_s:g} s"
        )


def sections(results: Path, config: dict, labels: Labels, max_subject_figures: int = 40) -> list:
    """Sections of the stage, one per set, as `neuro.report.site.page.SECTIONS` says."""
    folder = results / "hmmglm"
    table = read_table(folder / "sets.tsv", set=str, input=str)
    if table is None:
        return []
    made = []
    for row in table.itertuples():
        data = _read(folder / row.set, row.set, row.input, config.get("hmmglm", {}))
        title = f"Switching states: {TITLES.get(row.input, row.set)}"
        blocks = [model.Text("This set has no results.", "note")]
        if data is not None:
            blocks = _blocks(data)
        made.append(model.Section(f"hmmglm_{row.set}", title, blocks))
    return made


def _read(folder: Path, name: str, source: str, settings: dict) -> Set | None:
    texts = {"unit": str, "model": str, "state": int, "target": str, "source": str, "label": str}
    texts |= {"covariate": str, "column": str, "acts_on": str}
    names = (
        *("states", "dwell", "transitions", "weights", "prior", "rates", "events_aligned"),
        *("sweep", "curve", "restarts", "convergence", "units", "sequences", "ladder"),
        "covariates",
    )
    tables = {title: read_table(folder / f"{title}.tsv", **texts) for title in names}
    if tables["states"] is None or tables["curve"] is None:
        return None
    facts = json.loads((folder / "model.json").read_text("utf-8"))
    with np.load(folder / "counts.npz", allow_pickle=False) as file:
        counts = {key: file[key] for key in file.files}
    return Set(
        name=name,
        source=source,
        banner=facts.get("Note", ""),
        bin_s=float(counts["bin_s"]),
        kind=facts["Parameters"]["model"],
        tables=tables,
        counts=counts,
        facts=facts,
        switch_s=settings.get("switch_s") if source == "spikes" else None,
    )


def _blocks(data: Set) -> list:
    blocks: list = [_introduction(data), *_warnings(data)]
    blocks += _ladder(data)
    blocks.append(hmmglm_figures.selection(data))
    blocks.append(hmmglm_figures.restarts(data))
    blocks.append(model.Heading("States"))
    blocks.append(hmmglm_time.raster(data))
    blocks.append(hmmglm_time.course(data))
    blocks.append(hmmglm_time.dwell(data))
    blocks.append(hmmglm_figures.transitions(data))
    blocks.append(hmmglm_time.aligned(data))
    blocks.append(hmmglm_graphs.rates(data))
    blocks.append(model.Heading("Couplings"))
    blocks.append(hmmglm_graphs.couplings(data))
    blocks.append(hmmglm_graphs.signed_graph(data) or model.Text(_NO_GRAPH, "note"))
    blocks.append(hmmglm_graphs.confidence(data))
    covariates = hmmglm_covariates.covariates(data)
    if covariates is not None:
        blocks += [model.Heading("Covariates"), covariates]
    blocks += [_states_table(data), _models_table(data)]
    return [block for block in blocks if block is not None]


def _introduction(data: Set) -> model.Text:
    solver = data.facts.get("OneHotSolver")
    words = f"{data.size}. Exported: the model with {MODELS.get(data.kind, data.kind)}"
    if solver:
        words += f" (solver: {solver})"
    if data.source == "fmri":
        words += (
            ". These are point events of ROI series, not spikes. Haemodynamic lag and smoothness "
            "make couplings descriptive: excitatory and inhibitory must not be read as neural. "
            "Only what exceeds series shifted in a circle, region by region, says that regions "
            "have to do with one another"
        )
    return model.Text(words + ".", "warning" if data.source == "fmri" else "plain")


def _warnings(data: Set) -> list:
    lines = []
    if data.facts.get("MostlyOneSign"):
        lines.append(
            "More than 70 % of the edges have one sign: the couplings may only repeat the rates."
        )
    empty = data.facts.get("EmptyStates") or []
    if empty:
        lines.append(
            f"{len(empty)} state(s) hold less than 1 % of the bins; fewer states may serve as well."
        )
    ends = data.tables["sweep"]
    if ends is not None and "status" in ends and data.facts["Parameters"]["solver"] != "paper":
        fits = ends[ends["status"].notna()]
        open_ = int((fits["status"] != "converged").sum())
        if open_:
            lines.append(
                f"{open_} of {len(fits)} fits did not converge: raise hmmglm.max_iter, or read "
                "their scores as those of fits that were ended early."
            )
    return [model.Text(line, "warning") for line in lines]


_VERDICTS = {
    "rate_states": "States that differ in rates explain what history does not",
    "coupling_states": "Couplings that change between states explain more than rates that do",
    "shared_days": "A graph that all days share predicts better than a model of each day",
}


def _ladder(data: Set) -> list:
    """What each ingredient adds, and the verdicts that follow."""
    table = data.tables.get("ladder")
    if table is None or table.empty:
        return []
    lines = [
        f"{_VERDICTS[row.rung]}: **{row.verdict}** ({row.gain:+.3f} bits per spike, 95 % interval "
        f"{row.gain_low:.3f} to {row.gain_high:.3f}, {int(row.n)} held-out sequences)."
        for row in table.itertuples()
        if row.rung in _VERDICTS
    ]
    text = model.Text(" ".join(lines).replace("**", ""))
    return [text, hmmglm_figures.ladder(data)]


def _states_table(data: Set) -> model.Table:
    states, dwell = data.tables["states"], data.tables["dwell"]
    seen = states[states["state"] > 0]
    rates = data.tables["rates"].groupby("state")["rate_hz"].mean()
    weights = data.tables["weights"]
    rows = []
    for state in range(1, data.k + 1):
        inner = dwell[(dwell["state"] == state) & (dwell["cut"] == 0)]["duration_s"]
        of_state = weights[weights["state"] == state]
        rows.append(
            {
                "state": str(state),
                "share": 100 * float((seen["state"] == state).mean()),
                "visits": int((dwell["state"] == state).sum()),
                "dwell": float(inner.median()) if len(inner) else np.nan,
                "rate": float(rates.get(state, np.nan)),
                "exc": int((of_state["sign"] > 0).sum()),
                "inh": int((of_state["sign"] < 0).sum()),
            }
        )
    what = "events" if data.source == "fmri" else "spikes"
    return model.Table(
        f"States, the most frequent first ({data.size}). Dwell times of visits that an edge of the "
        "recording cuts are left out.",
        [
            model.Column("state", "State"),
            model.Column("share", "Share of time, %", 1),
            model.Column("visits", "Visits", 0),
            model.Column("dwell", "Median dwell, s", 2),
            model.Column("rate", f"Mean rate, {what}/s", 3),
            model.Column("exc", "Excitatory edges", 0),
            model.Column("inh", "Inhibitory edges", 0),
        ],
        rows,
    )


def _models_table(data: Set) -> model.Details:
    curve = data.tables["curve"]
    rows = [
        {
            "model": hmmglm_figures.model_name(row.model),
            "k": int(row.k),
            "score": row.score,
            "bits": row.bits_per_spike,
            "se": row.bits_se,
            "bic": row.bic,
            "aic": row.aic,
            "strong": row.model == data.kind and int(row.k) == data.k,
        }
        for row in curve.itertuples()
        if pd.notna(row.score)
    ]
    what = "event" if data.source == "fmri" else "spike"
    table = model.Table(
        "Held-out score of the best start of every model; bold: the exported one. BIC and AIC are "
        "of the training folds.",
        [
            model.Column("model", "Model"),
            model.Column("k", "States", 0),
            model.Column("score", "Nats per bin", 4),
            model.Column("bits", f"Bits per {what} over constant rates", 4),
            model.Column("se", "Standard error", 4),
            model.Column("bic", "BIC", 0),
            model.Column("aic", "AIC", 0),
        ],
        rows,
    )
    return model.Details("All models and numbers of states", [table])
