"""Headline figures of one data set: rows of report.json."""

from __future__ import annotations


def headline(name, facts, planted=None, assigned=None, shared=0, twins=()) -> list[dict]:
    """Rows of report.json for one data set.

    Parameters
    ----------
    name : str
    facts : dict
        Content of summary.json.
    planted : dict, optional
        `n_types` of a planted data set.
    assigned : dict, optional
        `ari`, `n` and `n_repeats` of new cells with known types.
    shared : int
        Stimuli that are in more than one of training, validation and test.
    twins : sequence of dict
        See :func:`neuro.mds.twin.beside.compare`.

    Returns
    -------
    list of dict
    """
    n = facts["n_units"]

    def row(what, value, unit="", null=None, n=n, **more):
        return {
            "name": f"{what} ({name})",
            "value": value,
            "unit": unit,
            "null": null,
            "n": n,
        } | more

    truth = {}
    if planted:
        off = facts["K"] - planted["n_types"]
        truth = {"planted": planted["n_types"], "recovered": facts["K"], "error": off}
    # the clusters, their verdict and the agreement of the restarts are those of the fitted units
    n_fitted = facts["n_fitted"]
    rows = [
        row("clusters", facts["K"], "clusters", n=n_fitted, **truth),
        row("verdict", facts["verdict"], n=n_fitted),
        row("agreement of restarts", facts["restart_ari"], "ARI", 0.0, n_fitted),
        row("twin's test correlation", facts["twin_corr"], "r", 0.0),
        row("stimuli shared by training and test", shared, "stimuli", 0),
    ]
    rows += _twins(row, twins)
    if "agreement" in facts:
        rows.insert(
            2, row("agreement of types between halves", facts["agreement"], "ARI", 0.0, n_fitted)
        )
    for method, plain in facts.get("plain", {}).items():
        what = f"plain clustering, {method} on {plain['features']}"
        rows.append(row(f"{what}, clusters", plain["n_clusters"], "clusters", n=n_fitted))
        rows.append(row(f"{what}, agreement", plain["agreement"], "ARI", 0.0, n_fitted))
        if _known(plain["known_type_ari"]):
            count = facts.get("n_known", n_fitted)
            rows.append(row(f"{what}, known types", plain["known_type_ari"], "ARI", 0.0, count))
    for key, what in (("known_type_ari", "known types"), ("held_out_ari", "known types, held out")):
        if _known(facts.get(key)):
            value = facts[key]
            count = facts["n_known_held_out" if key == "held_out_ari" else "n_known"]
            truth = {"planted": 1.0, "recovered": value, "error": 1.0 - value} if planted else {}
            rows.append(row(what, value, "ARI", 0.0, count, **truth))
    # where no cell was typed there is no agreement to tell
    if assigned and _known(assigned.get("ari")):
        value = assigned["ari"]
        truth = {"planted": 1.0, "recovered": value, "error": 1.0 - value} if planted else {}
        what = f"new cells typed with {assigned['n_repeats']} repeats"
        rows.append(row(what, value, "ARI", 0.0, assigned.get("n_typed", assigned["n"]), **truth))
    if assigned and "n_untyped" in assigned:
        share = assigned["n_untyped"] / max(assigned["n"], 1)
        rows.append(row("new cells left untyped", share, "share", n=assigned["n"]))
    if assigned and _known(assigned.get("calibration_error")):
        error = assigned["calibration_error"]
        rows.append(row("calibration error of new cells", error, "probability", n=assigned["n"]))
    return rows


def _twins(row, twins) -> list[dict]:
    """Rows of the twins that were compared, and what the one that was taken explains."""
    rows = []
    for twin in twins if len(twins) > 1 else ():
        what = "taken" if twin["chosen"] else "beside"
        rows.append(row(f"twin {what}, {twin['twin']}", twin["test"], "r", 0.0))
    for twin in twins:
        if twin["chosen"] and _known(twin["fev"]):
            count = twin["n_units_fev"]
            rows.append(row("twin's explainable variance explained", twin["fev"], "FEV", 0, count))
    return rows


def _known(value) -> bool:
    """Whether there is a number; what is missing is null in a file."""
    return value is not None and value == value
