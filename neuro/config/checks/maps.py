"""What the keys about maps and strategies must agree on."""

from __future__ import annotations

from neuro.config.kinds import RUN_MAPS


def problems(config) -> list[str]:
    """Settings of maps and of compared strategies that do not fit together.

    Parameters
    ----------
    config : dict
        Resolved settings.

    Returns
    -------
    list of str
        One line each, with the key and what to do.
    """
    fmri = config["fmri"]
    return _seeds(fmri) + _features(config) + _compared(fmri)


def _seeds(fmri):
    lines = []
    if "seed" in fmri["maps"] and not fmri["seeds"]:
        lines.append(
            "fmri.maps: names seed, but fmri.seeds is empty; give centres, e.g. {pcc: [0, -52, 26]}"
        )
    for name, centre in fmri["seeds"].items():
        numbers = isinstance(centre, (list, tuple)) and all(
            isinstance(mm, (int, float)) and not isinstance(mm, bool) for mm in centre
        )
        if not numbers or len(centre) != 3:
            lines.append(f"fmri.seeds.{name}: got {centre!r}, expected three numbers in mm")
    return lines


def _compared(fmri):
    lines = []
    twice = [name for name in fmri["compare"] if fmri["compare"].count(name) > 1]
    if twice:
        lines.append(f"fmri.compare: '{twice[0]}' stands there twice; keep one of them")
    if "custom" in fmri["compare"] and not fmri["confound_columns"]:
        lines.append("fmri.confound_columns: empty, but fmri.compare names 'custom'")
    if fmri["compare"] and fmri["filter"] == "fft":
        lines.append(
            "fmri.compare: filter 'fft' belongs to strategy 'athena' alone; set fmri.filter to "
            "'butterworth'"
        )
    return lines


def _features(config):
    adhd, maps = config["adhd"], config["fmri"]["maps"]
    if not adhd["enabled"]:
        return []
    wanted = [name for name in adhd["features"] if name in RUN_MAPS]
    return [
        f"adhd.features: '{name}' is not among fmri.maps; add it there"
        for name in wanted
        if name not in maps
    ]
