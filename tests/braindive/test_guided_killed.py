"""A job that is killed between and within images goes on where it was."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from neuro.braindive import BrainGuidedSampler, DiffusersSD, Objective
from neuro.braindive.seeds import image_path, make_block, read_png

HERE = Path(__file__).parent

VICTIM = """
import os, signal, sys
sys.path.insert(0, {here!r})
import neuro.braindive.seeds as seeds
from test_guided_killed import job

write, replace = seeds.write_png, os.replace
n = {{"png": 0}}

def count(path, image):
    if n["png"] == {whole}:
        if {half}:
            # Die with the file written under its temporary name only.
            os.replace = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
        else:
            os.kill(os.getpid(), signal.SIGKILL)
    n["png"] += 1
    return write(path, image)

seeds.write_png = count
job({folder!r}, {model!r})
"""


def job(folder, model, n=4):
    """One block of four seeds, one image at a time."""
    from conftest import random_encoder

    encoder = random_encoder()
    objective = Objective.from_rois({"FFA": 1.0}, encoder.unit_, encoder.roi_)
    sampler = BrainGuidedSampler(DiffusersSD(model), encoder, objective, steps=2, device="cpu")
    return make_block(sampler, folder, range(n), batch_size=1)


def killed(folder, model, whole, half=False):
    code = VICTIM.format(
        here=str(HERE), whole=whole, half=half, folder=str(folder), model=str(model)
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()[-500:]


def test_after_kill_9_only_what_is_missing_is_made(sd_folder, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(HERE))
    reference, folder = tmp_path / "reference", tmp_path / "killed"
    job(reference, sd_folder)
    # Dies before the fourth picture: seed 0 is whole, seed 1 lacks its twin and sidecar.
    killed(folder, sd_folder, whole=3)
    assert image_path(folder, 1).is_file() and not image_path(folder, 1, twin=True).is_file()
    first = {path.name: path.stat().st_mtime_ns for path in folder.glob("seed-0*")}
    assert len(first) == 3
    # Dies again, in the middle of writing: seed 1 was finished, seed 2 is half a file.
    killed(folder, sd_folder, whole=2, half=True)
    assert [path.name for path in folder.glob("*.part")] == ["seed-2.part"]
    assert not image_path(folder, 2).is_file()
    rows = job(folder, sd_folder)
    assert [row["made"] for row in rows] == [False, False, True, True]
    for name, time in first.items():
        assert (folder / name).stat().st_mtime_ns == time, "a whole image is not touched"
    for seed in range(4):
        for twin in (False, True):
            a, b = (read_png(image_path(place, seed, twin)) for place in (folder, reference))
            assert (a == b).all()
    assert not list(folder.glob("*.part"))
    assert os.path.getsize(image_path(folder, 2)) > 0
