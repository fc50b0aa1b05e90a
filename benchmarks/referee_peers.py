"""One peer on data in a file; run by benchmarks/referee.py with the peers' own environment.

    python benchmarks/referee_peers.py METHOD data.npz out.npz

`data.npz`: `train`, `test` (edges), and `age_*`, `sex_*` (0 or 1), `site_*` of both. Writes both
parts without site, age and sex kept, and CPU seconds of fit and transform.
"""

import contextlib
import io
import sys
import time

import numpy as np
import pandas as pd


def told(data, part):
    """Covariates of one part."""
    return pd.DataFrame({"age": data[f"age_{part}"], "sex": data[f"sex_{part}"].astype(float)})


def harmonize(data):
    """neuroHarmonize: ComBat that learns from some rows and is applied to others."""
    from neuroHarmonize import harmonizationApply, harmonizationLearn

    tables = {
        part: told(data, part).assign(SITE=data[f"site_{part}"].astype(str))
        for part in ("train", "test")
    }
    start = time.process_time()
    model, train = harmonizationLearn(data["train"].astype(float), tables["train"])[:2]
    test = harmonizationApply(data["test"].astype(float), tables["test"], model)
    return train, test, time.process_time() - start


def covbat(data):
    """combatlearn: CovBat (method chen) as an estimator."""
    from combatlearn import ComBat

    def frames(part):
        names = [f"{part}{k}" for k in range(len(data[part]))]
        found = told(data, part)
        found.index = names
        site = pd.Series(data[f"site_{part}"].astype(str), index=names)
        return pd.DataFrame(data[part].astype(float), index=names), site, found

    parts = {part: frames(part) for part in ("train", "test")}
    everybody = [pd.concat([parts["train"][k], parts["test"][k]]) for k in (1, 2)]
    start = time.process_time()
    model = ComBat(
        batch=everybody[0],
        continuous_covariates=everybody[1][["age"]],
        discrete_covariates=everybody[1][["sex"]],
        method="chen",
        covbat_cov_thresh=0.95,
    )
    model.fit(parts["train"][0])
    train, test = (np.asarray(model.transform(parts[part][0])) for part in ("train", "test"))
    return train, test, time.process_time() - start


if __name__ == "__main__":
    name, given, out = sys.argv[1:4]
    with np.load(given) as file:
        content = dict(file)
    with contextlib.redirect_stdout(io.StringIO()):
        made = {"harmonize": harmonize, "covbat": covbat}[name](content)
    np.savez(out, train=made[0], test=made[1], cpu_s=made[2])
