"""Figures of the stage `hmmglm` over time: raster with states, course, dwell times, events."""

from __future__ import annotations

from functools import partial

import numpy as np
import pandas as pd

from neuro.report.figures import draw
from neuro.report.figures.hmmglm import colour, picture

RASTER_BINS = 600
MAX_MARKS = 20_000
MAX_LABELS = 40
MAX_DWELL = 6
_MISSING = "#E4E8EC"


def raster_table(data):
    """State probabilities and what was recorded, in the stretch with most changes of state.

    Returns
    -------
    pandas.DataFrame
        `mark`, `start_s` and `end_s` (on the recording's clock), `state`, `unit`, `value`.
        Marks are `posterior` (value: probability of the state), `planted` (the state),
        `spike` (value: count in the bin) or `series` (value: its height), `missing` (a bin
        without data), `line` (start of a trial or the switch) and `unit` (value: its row).
    """
    sequence, first, end = _stretch(data)
    states = data.tables["states"]
    chosen = states[states["sequence"] == sequence].iloc[first:end]
    counts = data.counts[f"seq_{sequence}"][first:end]
    time = chosen["time_s"].to_numpy(float)
    units = np.array(data.units, dtype=object)
    marks = []

    def add(mark, bins, **columns):
        start = time[bins]
        span = {"mark": mark, "start_s": start, "end_s": start + data.bin_s}
        marks.append(pd.DataFrame({**span, **columns}, index=range(len(start))))

    everywhere = np.arange(len(time))
    for state in range(1, data.k + 1):
        share = chosen[f"p_{state}"].fillna(0).to_numpy(float)
        add("posterior", everywhere, state=state, value=share)
    if "planted" in chosen:
        add("planted", everywhere, state=chosen["planted"].to_numpy(int))
    if counts.dtype.kind == "f":
        bins, unit = np.indices(counts.shape).reshape(2, -1)
        add("series", bins, unit=units[unit], value=counts.ravel())
    else:
        bins, unit = (index[:MAX_MARKS] for index in np.nonzero(counts))
        add("spike", bins, unit=units[unit], value=counts[bins, unit])
    add("missing", np.flatnonzero(~data.counts[f"mask_{sequence}"][first:end]))
    row = data.tables["sequences"].iloc[sequence]
    moments = [row["start_s"] + row["event_s"]] * bool(np.isfinite(row["event_s"]))
    moments += [data.switch_s] * (data.switch_s is not None)
    marks.append(pd.DataFrame({"mark": "line", "start_s": moments, "end_s": moments}))
    marks.append(pd.DataFrame({"mark": "unit", "unit": units, "value": range(1, len(units) + 1)}))
    columns = ["mark", "start_s", "end_s", "state", "unit", "value"]
    return pd.concat([table.reindex(columns=columns) for table in marks], ignore_index=True)


def raster_paint(canvas, table, what="Unit"):
    """Posterior above the planted states, where they are known, and the spikes."""
    marks = dict(iter(table.groupby("mark", sort=False)))
    units, planted = marks["unit"], marks.get("planted")
    height = [1.1] + [0.3] * (planted is not None) + [max(2.0, min(4.5, 0.07 * len(units)))]
    panels = canvas.subplots(
        len(height), 1, sharex=True, gridspec_kw={"height_ratios": height}, squeeze=False
    )[:, 0]
    _posterior(panels[0], marks["posterior"])
    first, last = marks["posterior"]["start_s"].min(), marks["posterior"]["end_s"].max()
    if planted is not None:
        shades = [_rgb(state) for state in planted["state"]]
        panels[1].imshow(np.array([shades]), aspect="auto", extent=(first, last, 0, 1))
        panels[1].set_yticks([])
        panels[1].set_ylabel("Planted", rotation=0, ha="right", va="center")
    axes = panels[-1]
    if "series" in marks:
        axes.imshow(
            draw.wide(marks["series"], "unit", "start_s").to_numpy(float),
            aspect="auto",
            cmap="RdBu_r",
            vmin=-3,
            vmax=3,
            extent=(first, last, len(units), 0),
        )
    elif "spike" in marks:
        spikes = marks["spike"]
        axes.scatter(
            (spikes["start_s"] + spikes["end_s"]) / 2,
            spikes["unit"].map(units.set_index("unit")["value"]) - 0.5,
            marker="|",
            s=max(3.0, 900 / len(units)),
            lw=0.7,
            color=draw.INK,
        )
    axes.set_ylim(len(units), 0)
    if len(units) <= MAX_LABELS:
        axes.set_yticks(units["value"] - 0.5, units["unit"].str[:12], fontsize=6)
    for row in marks["missing"].itertuples() if "missing" in marks else ():
        axes.axvspan(row.start_s, row.end_s, color=_MISSING, lw=0)
    for moment in marks["line"]["start_s"] if "line" in marks else ():
        for panel in panels:
            panel.axvline(moment, color=draw.CASE, lw=1.2)
    axes.set_xlim(first, last)
    axes.set_ylabel(what)
    axes.set_xlabel("Time on the recording's clock (s)")


def _posterior(axes, table):
    """Probabilities of the states on top of each other."""
    low = 0.0
    for state, of_state in table.groupby("state"):
        edges = np.r_[of_state["start_s"], of_state["end_s"].iloc[-1]]
        high = low + of_state["value"].to_numpy(float)
        ends = (np.r_[side, side[-1]] for side in (low + 0 * high, high))
        label = f"state {int(state)}"
        axes.fill_between(edges, *ends, step="post", color=colour(state), lw=0, label=label)
        low = high
    axes.set_ylim(0, 1)
    axes.set_ylabel("Posterior")
    axes.legend(
        loc="lower left",
        bbox_to_anchor=(0, 1),
        ncols=min(table["state"].nunique(), 8),
        borderaxespad=0.1,
        handlelength=1,
    )


def _rgb(state):
    """Colour of a planted state; a missing one is grey."""
    from matplotlib.colors import to_rgb

    return to_rgb(colour(state) if state > 0 else _MISSING)


def raster(data):
    """State probabilities above the spikes, in the stretch with most changes of state."""
    table = raster_table(data)
    sequence, first, end = _stretch(data)
    fmri, n_units = data.source == "fmri", len(data.units)
    text = "events" if fmri else "spikes"
    planted = " Second row: the planted states, numbered by the fitted ones they match."
    return picture(
        data,
        "raster",
        partial(raster_paint, what="Region" if fmri else "Unit"),
        table,
        size=(9.4, 4.6 if n_units <= 40 else 6.0),
        caption=f"Probability of each state above the {text} of {n_units} "
        f"{'regions' if fmri else 'units'}: {end - first} bins of sequence "
        f"'{data.tables['sequences'].iloc[sequence]['label']}', the stretch with most changes of "
        f"state.{planted * ('planted' in set(table['mark']))} Grey: missing; lines: "
        "start of a trial or the switch.",
        how_to_read="A column in one colour is a moment the model is sure about. States that "
        "differ only in how much fires are rate states, not patterns of coupling.",
        alt=f"State probabilities over time above the {text}",
        wide=True,
    )


def _stretch(data):
    """Sequence and bins with most changes of state; the first such one."""
    states = data.tables["states"]
    best, stretch = -1, (0, 0, min(RASTER_BINS, len(data.counts["seq_0"])))
    for number, of_sequence in states.groupby("sequence", sort=True):
        changes = np.r_[0, np.cumsum(np.diff(of_sequence["state"].to_numpy()) != 0)]
        length = min(RASTER_BINS, len(of_sequence))
        for first in range(0, len(of_sequence) - length + 1, max(length // 2, 1)):
            count = int(changes[first + length - 1] - changes[first])
            if count > best:
                best, stretch = count, (int(number), first, first + length)
    return stretch


def course_table(data):
    """Mean probability of every state over the clock, all sequences together.

    Returns
    -------
    pandas.DataFrame
        `mark` (state, switch), `state`, `start_s`, `end_s`, `value`.
    """
    states = data.tables["states"]
    seen = states[states["state"] > 0]
    time = seen["time_s"].to_numpy(float)
    edges = np.linspace(time.min(), time.max() + data.bin_s, 61)
    bins = np.clip(np.searchsorted(edges, time, side="right") - 1, 0, 59)
    total = np.bincount(bins, minlength=60).astype(float)
    total[total == 0] = np.nan
    parts = []
    for state in range(1, data.k + 1):
        share = np.bincount(bins, seen[f"p_{state}"], minlength=60) / total
        spans = {"start_s": edges[:-1], "end_s": edges[1:]}
        parts.append(pd.DataFrame({"mark": "state", "state": state, **spans, "value": share}))
    switch = {"mark": "switch", "start_s": data.switch_s, "end_s": data.switch_s}
    return pd.concat([*parts, pd.DataFrame(switch, index=[0])], ignore_index=True)


def course_paint(canvas, table):
    """A line per state, and the switch."""
    axes = canvas.subplots()
    lines = table[table["mark"] == "state"]
    for state, of_state in lines.groupby("state"):
        middle = (of_state["start_s"] + of_state["end_s"]) / 2
        label = f"state {int(state)}"
        axes.plot(middle, of_state["value"], color=colour(state), lw=1.5, label=label)
    for moment in table.loc[table["mark"] == "switch", "start_s"]:
        axes.axvline(moment, color=draw.CASE, lw=1.4, ls=(0, (4, 3)))
    axes.set_ylim(0, 1)
    axes.set_xlim(lines["start_s"].min(), lines["end_s"].max())
    axes.set_xlabel("Time on the recording's clock (s)")
    axes.set_ylabel("Share of bins")
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=8, borderaxespad=0.1)


def course(data):
    """Share of every state over the recording's clock, with the switch marked."""
    if data.k == 1 or data.switch_s is None or not (data.tables["states"]["state"] > 0).any():
        return None
    return picture(
        data,
        "course",
        course_paint,
        course_table(data),
        size=(9.4, 2.7),
        caption="Mean probability of each state over the clock, all sequences together; dashed: "
        "the switch that was named in the settings.",
        how_to_read="States that change hands at the dashed line follow the stimulus or the "
        "behaviour. They need not: the model never saw the line.",
        alt="Share of each state over time",
        wide=True,
    )


def dwell_table(data):
    """Dwell times of visits that no edge cuts, by state, and the geometric law beside them.

    Returns
    -------
    pandas.DataFrame
        `state`, `low_s`, `high_s`, `share` of the state's visits, `law` (the share that its
        transition probability says), `n_visits`.
    """
    visits = data.tables["dwell"]
    inner = visits[visits["cut"] == 0]
    chances = data.tables["transitions"].set_index(["from", "to"])["p"]
    longest = max(float(inner["duration_s"].max()) if len(inner) else 0, 4 * data.bin_s)
    # in bins
    edges = np.unique(np.round(np.geomspace(1, longest / data.bin_s + 1, 16)).astype(int))
    parts = []
    for state in range(1, min(data.k, MAX_DWELL) + 1):
        bins = np.round(inner.loc[inner["state"] == state, "duration_s"] / data.bin_s)
        stay = float(chances[state, state])
        parts.append(
            pd.DataFrame(
                {
                    "state": state,
                    "low_s": edges[:-1] * data.bin_s,
                    "high_s": edges[1:] * data.bin_s,
                    "share": np.histogram(bins.to_numpy(int), edges)[0] / max(len(bins), 1),
                    "law": stay ** (edges[:-1] - 1) - stay ** (edges[1:] - 1),
                    "n_visits": len(bins),
                }
            )
        )
    return pd.concat(parts, ignore_index=True)


def dwell_paint(canvas, table):
    """Bars per state with the law as a line."""
    states = list(table.groupby("state"))
    panels = canvas.subplots(1, len(states), sharey=True, squeeze=False)[0]
    for axes, (state, of_state) in zip(panels, states):
        width = of_state["high_s"] - of_state["low_s"]
        style = {"align": "edge", "color": colour(state), "alpha": 0.75, "lw": 0}
        axes.bar(of_state["low_s"], of_state["share"], width, **style)
        middle = np.sqrt(of_state["low_s"] * of_state["high_s"])
        axes.plot(middle, of_state["law"], color=draw.INK, lw=1)
        axes.set_xscale("log")
        axes.set_title(f"State {state}: {of_state['n_visits'].iloc[0]} visits")
    panels[0].set_ylabel("Share of visits")
    canvas.supxlabel("Dwell time (s)", fontsize=9)


def dwell(data):
    """Histogram of dwell times per state beside the geometric law of the transition matrix."""
    if data.k == 1 or data.tables["dwell"] is None:
        return None
    more = f" The first {MAX_DWELL} of {data.k} states." if data.k > MAX_DWELL else ""
    return picture(
        data,
        "dwell",
        dwell_paint,
        dwell_table(data),
        size=(9.4, 2.6),
        caption="How long visits to each state last (bars; visits cut by an edge are left out), "
        f"and what the fitted transition probabilities say (line).{more}",
        how_to_read="Bars that follow the line are visits as a Markov chain makes them. Many more "
        "one-bin visits than the line says are a sign of states that chase single bursts.",
        alt="Histograms of dwell times by state",
        wide=True,
    )


def aligned_paint(canvas, table):
    """A line per state around the start of a trial."""
    axes = canvas.subplots()
    for state, of_state in table.groupby("state"):
        axes.plot(
            of_state["lag_s"], of_state["p"], color=colour(state), lw=1.4, label=f"state {state}"
        )
    axes.axvline(0, color=draw.CASE, lw=1.2)
    axes.set_ylim(0, 1)
    axes.set_xlabel("Time from the start of the trial (s)")
    axes.set_ylabel("Mean probability")
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=8, borderaxespad=0.1)


def aligned(data):
    """Mean state probability around the start of a trial; the result table is what is drawn."""
    table = data.tables["events_aligned"]
    if table is None or table.empty or data.k == 1:
        return None
    return picture(
        data,
        "aligned",
        aligned_paint,
        table,
        size=(4.6, 3.0),
        caption=f"Mean probability of each state around the start of {int(table['n'].max())} "
        "trials.",
        how_to_read="A curve that moves at zero is a state that starts or ends with the trial.",
        alt="State probabilities around trial starts",
    )
