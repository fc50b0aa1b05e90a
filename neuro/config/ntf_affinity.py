"""Group `ntf.affinity`: how strongly two traces interact."""

from __future__ import annotations

import dataclasses

from neuro.config.model import option

KINDS = (
    "auto",
    "published",
    "excess",
    "differential",
    "product",
    "root",
    "edge_ts",
    "sliding_window",
    "phase",
)
SIGNS = ("auto", "signed", "positive", "blind", "split")
SIGNED = ("excess", "edge_ts", "sliding_window", "phase")


@dataclasses.dataclass(frozen=True)
class Affinity:
    """How strongly two traces interact."""

    kind: str = option(
        "auto",
        "string",
        "'auto' is excess: correlation beyond that of the same traces some seconds apart. "
        "'published' is what reviews quote of the publication, differential, for calcium and "
        "edge_ts for BOLD, where derivatives at TR 2-3 s are mostly noise; both follow how often "
        "a trace moves.",
        choices=KINDS,
        source="paper: published",
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
        "Width of a time bin; null is half a window for 'excess', else 1 s for calcium and 4 TR "
        "for BOLD.",
        unit="s",
        above=0,
        nullable=True,
    )
    window_s: float | None = option(
        None,
        "number",
        "Length of a window; null is 30 s for 'sliding_window' and 20 s for 'excess' (a third of "
        "the shortest stimulus where that is less, 10 s at least; 60 s for BOLD).",
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
        "(20, 30, 40, 50, 60 s for BOLD).",
        unit="s",
        above=0,
    )
    common: bool = option(
        True,
        "boolean",
        "Whether 'excess' takes off what all pairs of a window share.",
    )
    sign: str = option(
        "auto",
        "string",
        "What becomes of the sign: 'signed' keeps both, every edge of a motif has a sign; "
        "'positive' keeps what rises together, 'blind' the size, 'split' gives every animal one "
        "entry per sign. 'auto' is signed for 'excess' of calcium, else positive.",
        choices=SIGNS,
    )
    scale: str = option(
        "none",
        "string",
        "Scaling of user-given affinities: log(1 + a), or each pair by its largest value.",
        choices=("none", "log1p", "pair_max"),
    )
