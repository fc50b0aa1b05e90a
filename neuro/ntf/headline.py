"""Headline figures of a set, for `report.json`."""

from __future__ import annotations

RECURS = {
    False: "held-out time (p <= .05), null: neurons moved by 4 s",
    True: "held-out subjects (p <= .05), null: stationary series of the same connectome",
}
NULL_WORDS = {
    "shift": "shifted traces",
    "rate": "traces moved about the common rate",
    "dealt": "kernels dealt to other pairs",
}


def headline(
    name, factors, null, components, shared=None, recurrence=None, source="recordings"
) -> list[dict]:
    """Headline figures of a set.

    Parameters
    ----------
    name : str
    factors : Factors
    null : NullMotifs or None
    components : pandas.DataFrame
    shared : int, optional
        Repeats in training and test of the split that chose the number of components; none
        where nothing was left out.
    recurrence : pandas.DataFrame, optional
        From :func:`neuro.ntf.communities.recur.recurrence_table`.
    source : {"recordings", "simulated", "fmri"}
        Motifs of `fmri` are looked for in held-out subjects, others in held-out time.

    Returns
    -------
    list of dict
        With `name`, `value`, `unit`, `null`, `baseline`, `n`, `ci_low`, `ci_high`.
    """

    def row(what, value, unit, n, null=None, low=None, high=None):
        return {
            "name": f"{name}: {what}",
            "value": value,
            "unit": unit,
            "null": null,
            "baseline": None,
            "n": n,
            "ci_low": low,
            "ci_high": high,
        }

    n_animals = len(factors.animals)
    beside = "" if null is None else f", null: {NULL_WORDS[null.null]}"
    first = components[components["backend"] == components["backend"].iloc[0]]
    rows = [
        row("components", len(factors.lambda_), "components", n_animals),
        row(
            f"explained energy{beside}",
            factors.explained_,
            "share",
            n_animals,
            float(null.explained.mean()) if null is not None else None,
        ),
        row(
            "agreement of restarts",
            float(factors.similarity_.mean()),
            "cosine",
            len(factors.errors_),
        ),
        row("neurons", len(factors.names), "neurons", n_animals),
    ]
    if shared is not None:
        rows.append(
            row("recordings shared by training and test", shared, "recordings", n_animals, 0)
        )
    if null is not None:
        rows.append(
            row(
                f"components with communities beyond chance ({first['backend'].iloc[0]}){beside}",
                int(first["significant"].sum()),
                "components",
                len(first),
                0.05 * len(first),
            )
        )
    if recurrence is not None and recurrence["p_value"].notna().any():
        p_values = recurrence["p_value"].dropna()
        rows.append(
            row(
                f"components that recur in {RECURS[source == 'fmri']}",
                int((p_values <= 0.05).sum()),
                "components",
                len(p_values),
                0.05 * len(p_values),
            )
        )
    return rows
