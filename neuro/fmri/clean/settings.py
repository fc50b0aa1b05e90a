"""Settings of the cleaning of one run: presets, and complete settings from partial ones."""

from __future__ import annotations

PRESETS = {
    "robust": {
        "drop_volumes": 0,
        "strategy": "36P",
        "confound_columns": [],
        "band": [0.01, 0.08],
        "filter": "butterworth",
        "order": 2,
        "scrub": True,
        "fd_mm": 0.5,
        "std_dvars": 1.5,
        "min_segment": 5,
        "min_seconds": 240.0,
        "smooth_mm": 6.0,
    },
}
PRESETS["paper"] = {
    **PRESETS["robust"],
    "drop_volumes": 4,
    "strategy": "athena",
    "band": [0.009, 0.08],
    "filter": "fft",
    "scrub": False,
}
"""`robust` follows XCP-D and nilearn, `paper` the Athena pipeline (regress, filter, blur)."""


def settings_of(settings=None) -> dict:
    """Complete settings from partial ones.

    Parameters
    ----------
    settings : dict, optional
        Keys of :data:`PRESETS` and `preset`; others are passed over.

    Returns
    -------
    dict

    Raises
    ------
    ValueError
        When the preset is unknown.
    """
    settings = dict(settings or {})
    preset = settings.get("preset", "robust")
    if preset not in PRESETS:
        raise ValueError(f"preset: got '{preset}', expected one of {', '.join(PRESETS)}")
    base = PRESETS[preset]
    return {"preset": preset, **base, **{key: settings[key] for key in base if key in settings}}
