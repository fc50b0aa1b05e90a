"""The category judge that is trained on the labels of the images."""

from __future__ import annotations

import numpy as np

from neuro.io.problems import InputProblem


def fit_category(data, rows, drawn, out, settings, seed, log) -> None:
    """Train the category judge and say how often it is right on test images.

    Parameters
    ----------
    data : neuro.braindive.dataset.ImageData
    rows : ndarray of int
        Training images.
    drawn : ndarray or None
        The same as the small generator draws them.
    out : object
        `model`, `card`.
    settings : dict
    seed : int
    log : callable

    Raises
    ------
    InputProblem
        When the images have no labels.
    """
    import pandas as pd

    from neuro.encoding import CategoryJudge, tiny
    from neuro.io.formats.tables import write_tsv

    if data.condition is None:
        raise InputProblem(
            "braindive.judge.type: 'cnn' needs condition labels of the images; the data have "
            "none; set it to none"
        )
    classes = sorted(set(data.condition))
    codes = np.searchsorted(classes, data.condition)
    recipe = tiny.Recipe(epochs=settings["judge"]["epochs"])
    backbone, head = tiny.train(
        "judge",
        data.images[rows],
        labels=codes[rows],
        sizes=None if data.sizes is None else data.sizes[rows],
        reconstructions=drawn,
        recipe=recipe,
        random_state=seed,
        log=log,
    )
    judge = CategoryJudge(backbone, head, classes)
    judge.save(out.model)
    guess = judge.predict_proba(data.images[data.test]).argmax(axis=1)
    right = guess == codes[data.test]
    table = pd.DataFrame({"category": data.condition[data.test], "accuracy": right})
    card = table.groupby("category", as_index=False)["accuracy"].agg(["mean", "size"])
    write_tsv(out.card, card.rename(columns={"mean": "accuracy", "size": "n"}))
    log(f"category judge: {100 * right.mean():.1f} % of {len(right)} test images")
