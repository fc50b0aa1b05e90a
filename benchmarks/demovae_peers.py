"""One peer on data in a file; run by benchmarks/demovae.py with the peers' own environment.

    python benchmarks/demovae_peers.py METHOD data.npz out.npz EPOCHS

`data.npz`: `train`, `test` (edges), `age_*`, `sex_*`, `site_*`. Writes features of both parts,
CPU seconds and, where there is a decoder, the reconstruction error of the test rows.
"""

import contextlib
import io
import sys
import time

import numpy as np


def peak_mb():
    """Largest resident memory of this process in MB; getrusage would count the parent's, too."""
    with open("/proc/self/status") as stream:
        line = next(line for line in stream if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


def package(data, epochs):
    """Released package `demovae`: latents and reconstruction of new rows."""
    import torch
    from demovae.sklearn import DemoVAE

    torch.set_num_threads(1)
    torch.manual_seed(0)
    kinds = ["continuous", "categorical", "categorical"]

    def told(part):
        return [data[f"age_{part}"], data[f"sex_{part}"], data[f"site_{part}"]]

    def fit(number, rows=slice(None)):
        start = time.process_time()
        model = DemoVAE(use_cuda=False, nepochs=number, pperiod=100_000)
        with contextlib.redirect_stdout(io.StringIO()):
            model.fit(data["train"][rows], [column[rows] for column in told("train")], kinds)
        return model, time.process_time() - start

    fit(1, slice(100))  # loads what is loaded late
    _, first = fit(1)
    model, seconds = fit(epochs)
    with torch.no_grad():
        latents = [model.get_latents(data[part]) for part in ("train", "test")]
        decoded = model.transform(data["test"], told("test"), kinds)
    rmse = float(np.sqrt(((decoded - data["test"]) ** 2).mean()))
    return latents, {"cpu_s": seconds, "epoch_s": (seconds - first) / (epochs - 1), "rmse": rmse}


def harmonize(data, epochs):
    """neuroHarmonize: site removed from mean and scale, age and sex kept."""
    import pandas as pd
    from neuroHarmonize import harmonizationApply, harmonizationLearn

    def told(part):
        return pd.DataFrame(
            {
                "SITE": data[f"site_{part}"],
                "age": data[f"age_{part}"],
                "sex": (data[f"sex_{part}"] == "M").astype(float),
            }
        )

    start = time.process_time()
    with contextlib.redirect_stdout(io.StringIO()):
        model, train = harmonizationLearn(data["train"].astype(float), told("train"))[:2]
        test = harmonizationApply(data["test"].astype(float), told("test"), model)
    return [train, test], {"cpu_s": time.process_time() - start}


def main(method, given, out, epochs):
    with np.load(given, allow_pickle=False) as file:
        data = {name: file[name] for name in file.files}
    found, numbers = {"package": package, "harmonize": harmonize}[method](data, int(epochs))
    numbers["peak_mb"] = peak_mb()
    np.savez(out, train=np.float32(found[0]), test=np.float32(found[1]), **numbers)


if __name__ == "__main__":
    main(*sys.argv[1:])
