"""Group `ntf.affinity`: how strongly two traces interact."""

from __future__ import annotations

import dataclasses

from neuro.config.model import option

KINDS = (
    "auto",
    "excess",
    "differential",
    "product",
    "root",
    "edge_ts",
    "sliding_window",
    "phase",
)
SIGNED = ("excess", "edge_ts", "sliding_window", "phase")


@dataclasses.dataclass(frozen=True)
class Affinity:
    """How strongly two traces interact."""

    kind: str = option(
        "auto",
        "string",
        "'auto' is differential for calcium and edge_ts for BOLD, where derivatives at TR 2-3 s "
        "are mostly noise.",
        choices=KINDS,
    )
    smooth_s: float = option(
        0.75, "number", "Gaussian-derivative filter (standard deviation).", unit="s", above=0
    )
    floor: float = option(0.1, "number", "Least scaled derivative of a joint run.", low=0, high=1)
    snr_min: float = option(
        1.5,
        "number",
        "Traces whose derivative is smaller than this many times what their noise gives are "
        "silent.",
        low=0,
    )
    bin_s: float | None = option(
        None,
        "number",
        "Width of a time bin; null is 1 s for calcium and 4 TR for BOLD.",
        unit="s",
        above=0,
        nullable=True,
    )
    window_s: float | None = option(
        None,
        "number",
        "Length of a window; null is 20 s for 'excess' (60 s for BOLD) and 30 s for "
        "'sliding_window'.",
        unit="s",
        above=0,
        nullable=True,
    )
    signal: str = option(
        "auto",
        "string",
        "What 'excess' correlates: the smoothed derivative, or the trace less its slow drift, for "
        "slow indicators; 'auto' is derivative for calcium and level for BOLD.",
        choices=("auto", "derivative", "level"),
    )
    lags_s: list = option(
        [],
        "numbers",
        "Lags that stand for chance in 'excess', used with both signs; empty is 5, 10, 15, 20 s "
        "(20, 40, 60 s for BOLD).",
        unit="s",
        above=0,
    )
    common: bool = option(
        True,
        "boolean",
        "Whether 'excess' takes off what all pairs of a window share.",
    )
    sign: str = option(
        "positive",
        "string",
        "Part of signed kinds that is kept; 'blind' keeps the size, 'split' gives every animal "
        "one entry per sign.",
        choices=("positive", "blind", "split"),
    )
    scale: str = option(
        "none",
        "string",
        "Scaling of user-given affinities: log(1 + a), or each pair by its largest value.",
        choices=("none", "log1p", "pair_max"),
    )
