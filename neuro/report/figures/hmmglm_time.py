"""Figures of the stage `hmmglm` over time: raster with states, course, dwell times, events."""

from __future__ import annotations

import numpy as np

from neuro.report.figures import draw
from neuro.report.figures.hmmglm import colour, picture

RASTER_BINS = 600
MAX_MARKS = 20_000
MAX_LABELS = 40


def raster(data):
    """State probabilities above the spikes, in the stretch with most changes of state."""
    sequence, first, end = _stretch(data)
    states = data.tables["states"]
    part = states[states["sequence"] == sequence].iloc[first:end]
    counts = data.counts[f"seq_{sequence}"][first:end]
    mask = data.counts[f"mask_{sequence}"][first:end]
    row = data.tables["sequences"].iloc[sequence]
    time = part["time_s"].to_numpy(float)
    names = [f"p_{state + 1}" for state in range(data.k)]
    share = np.nan_to_num(part[names].to_numpy(float)).T
    planted = part["planted"].to_numpy() if "planted" in part else None
    n_units = counts.shape[1]
    gaussian = counts.dtype.kind == "f"

    def paint(canvas):
        strips = 1 + (planted is not None)
        height = [1.1] + [0.3] * (planted is not None) + [max(2.0, min(4.5, 0.07 * n_units))]
        panels = canvas.subplots(
            strips + 1, 1, sharex=True, gridspec_kw={"height_ratios": height}, squeeze=False
        )[:, 0]
        edges = np.r_[time, time[-1] + data.bin_s]
        low = np.zeros(len(time))
        for state, values in enumerate(share):
            high = low + values
            panels[0].fill_between(
                edges,
                np.r_[low, low[-1]],
                np.r_[high, high[-1]],
                step="post",
                color=colour(state),
                lw=0,
                label=f"state {state + 1}",
            )
            low = high
        panels[0].set_ylim(0, 1)
        panels[0].set_ylabel("Posterior")
        panels[0].legend(
            loc="lower left",
            bbox_to_anchor=(0, 1),
            ncols=min(data.k, 8),
            borderaxespad=0.1,
            handlelength=1,
        )
        if planted is not None:
            panels[1].imshow(
                _painted(planted)[None],
                aspect="auto",
                extent=(edges[0], edges[-1], 0, 1),
            )
            panels[1].set_yticks([])
            panels[1].set_ylabel("Planted", rotation=0, ha="right", va="center")
        axes = panels[-1]
        if gaussian:
            axes.imshow(
                counts.T,
                aspect="auto",
                cmap="RdBu_r",
                vmin=-3,
                vmax=3,
                extent=(edges[0], edges[-1], n_units, 0),
            )
        else:
            bins, unit = np.nonzero(counts)
            bins, unit = bins[:MAX_MARKS], unit[:MAX_MARKS]
            axes.scatter(
                time[bins] + data.bin_s / 2,
                unit + 0.5,
                marker="|",
                s=max(3.0, 900 / n_units),
                lw=0.7,
                color=draw.INK,
            )
            axes.set_ylim(n_units, 0)
        if n_units <= MAX_LABELS:
            names = [name[:12] for name in data.units]
            axes.set_yticks(np.arange(n_units) + 0.5, names, fontsize=6)
        for start in time[~mask]:
            axes.axvspan(start, start + data.bin_s, color="#E4E8EC", lw=0)
        _mark(panels, row, data)
        axes.set_xlim(edges[0], edges[-1])
        axes.set_ylabel("Region" if data.source == "fmri" else "Unit")
        axes.set_xlabel("Time on the recording's clock (s)")

    text = "events" if data.source == "fmri" else "spikes"
    known = " Second row: the planted states, numbered by the fitted ones they match." * (
        planted is not None
    )
    return picture(
        data,
        "raster",
        paint,
        size=(9.4, 4.6 if n_units <= 40 else 6.0),
        caption=f"Probability of each state above the {text} of {n_units} "
        f"{'regions' if data.source == 'fmri' else 'units'}: {len(time)} bins of sequence "
        f"'{row['label']}', the stretch with most changes of state.{known} Grey: missing; lines: "
        "start of a trial or the switch.",
        how_to_read="A column in one colour is a moment the model is sure about. States that "
        "differ only in how much fires are rate states, not patterns of coupling.",
        alt=f"State probabilities over time above the {text}",
        wide=True,
    )


def _stretch(data):
    """Sequence and bins with most changes of state; the first such one."""
    states = data.tables["states"]
    best, place = -1, (0, 0, min(RASTER_BINS, len(data.counts["seq_0"])))
    for number, part in states.groupby("sequence", sort=True):
        changes = np.r_[0, np.cumsum(np.diff(part["state"].to_numpy()) != 0)]
        length = min(RASTER_BINS, len(part))
        for first in range(0, len(part) - length + 1, max(length // 2, 1)):
            count = int(changes[first + length - 1] - changes[first])
            if count > best:
                best, place = count, (int(number), first, first + length)
    return place


def _painted(states):
    """Colours of states; missing ones are grey."""
    from matplotlib.colors import to_rgb

    table = [to_rgb("#E4E8EC")]
    table += [to_rgb(colour(state)) for state in range(int(states.max(initial=0)))]
    return np.array(table)[states]


def _mark(panels, row, data):
    moments = []
    if np.isfinite(row["event_s"]):
        moments.append(row["start_s"] + row["event_s"])
    if data.switch_s is not None:
        moments.append(data.switch_s)
    for moment in moments:
        for axes in panels:
            axes.axvline(moment, color=draw.CASE, lw=1.2)


def course(data):
    """Share of every state over the recording's clock, with the switch marked."""
    states = data.tables["states"]
    seen = states[states["state"] > 0]
    time = seen["time_s"].to_numpy(float)
    if data.k == 1 or data.switch_s is None or not len(seen):
        return None
    edges = np.linspace(time.min(), time.max() + data.bin_s, 61)
    place = np.clip(np.searchsorted(edges, time, side="right") - 1, 0, 59)
    total = np.bincount(place, minlength=60).astype(float)
    total[total == 0] = np.nan

    def paint(canvas):
        axes = canvas.subplots()
        middle = (edges[1:] + edges[:-1]) / 2
        for state in range(data.k):
            share = np.bincount(place, seen[f"p_{state + 1}"], minlength=60) / total
            axes.plot(middle, share, color=colour(state), lw=1.5, label=f"state {state + 1}")
        axes.axvline(data.switch_s, color=draw.CASE, lw=1.4, ls=(0, (4, 3)))
        axes.set_ylim(0, 1)
        axes.set_xlim(edges[0], edges[-1])
        axes.set_xlabel("Time on the recording's clock (s)")
        axes.set_ylabel("Share of bins")
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=8, borderaxespad=0.1)

    return picture(
        data,
        "course",
        paint,
        size=(9.4, 2.7),
        caption="Mean probability of each state over the clock, all sequences together; dashed: "
        "the switch that was named in the settings.",
        how_to_read="States that change hands at the dashed line follow the stimulus or the "
        "behaviour. They need not: the model never saw the line.",
        alt="Share of each state over time",
        wide=True,
    )


def dwell(data):
    """Histogram of dwell times per state beside the geometric law of the transition matrix."""
    table = data.tables["dwell"]
    if data.k == 1 or table is None:
        return None
    inner = table[table["cut"] == 0]
    stay = data.tables["transitions"].query("`from` == to").sort_values("from")["p"].to_numpy(float)
    longest = max(float(inner["duration_s"].max()) if len(inner) else 0, 4 * data.bin_s)
    edges = np.unique(
        np.round(np.geomspace(1, longest / data.bin_s + 1, 16)).astype(int)
    )  # in bins
    shown = min(data.k, 6)

    def paint(canvas):
        panels = canvas.subplots(1, shown, sharey=True, squeeze=False)[0]
        for state, axes in enumerate(panels):
            bins = np.round(
                inner.loc[inner["state"] == state + 1, "duration_s"] / data.bin_s
            ).to_numpy(int)
            count, _ = np.histogram(bins, edges)
            share = count / max(len(bins), 1)
            axes.bar(
                edges[:-1] * data.bin_s,
                share,
                np.diff(edges) * data.bin_s,
                align="edge",
                color=colour(state),
                alpha=0.75,
                lw=0,
            )
            law = stay[state] ** (edges[:-1] - 1) - stay[state] ** (edges[1:] - 1)
            axes.plot(np.sqrt(edges[:-1] * edges[1:]) * data.bin_s, law, color=draw.INK, lw=1)
            axes.set_xscale("log")
            axes.set_title(f"State {state + 1}: {len(bins)} visits")
        panels[0].set_ylabel("Share of visits")
        canvas.supxlabel("Dwell time (s)", fontsize=9)

    return picture(
        data,
        "dwell",
        paint,
        size=(9.4, 2.6),
        caption="How long visits to each state last (bars; visits cut by an edge are left out), "
        "and what the fitted transition probabilities say (line)."
        + (f" The first {shown} of {data.k} states." if shown < data.k else ""),
        how_to_read="Bars that follow the line are visits as a Markov chain makes them. Many more "
        "one-bin visits than the line says are a sign of states that chase single bursts.",
        alt="Histograms of dwell times by state",
        wide=True,
    )


def aligned(data):
    """Mean state probability around the start of a trial."""
    table = data.tables["events_aligned"]
    if table is None or table.empty or data.k == 1:
        return None

    def paint(canvas):
        axes = canvas.subplots()
        for state, part in table.groupby("state"):
            axes.plot(
                part["lag_s"], part["p"], color=colour(state - 1), lw=1.4, label=f"state {state}"
            )
        axes.axvline(0, color=draw.CASE, lw=1.2)
        axes.set_ylim(0, 1)
        axes.set_xlabel("Time from the start of the trial (s)")
        axes.set_ylabel("Mean probability")
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=8, borderaxespad=0.1)

    return picture(
        data,
        "aligned",
        paint,
        size=(4.6, 3.0),
        caption=f"Mean probability of each state around the start of {int(table['n'].max())} "
        "trials.",
        how_to_read="A curve that moves at zero is a state that starts or ends with the trial.",
        alt="State probabilities around trial starts",
    )
