"""What an entry of the conformance set is, and how the reading of each kind is put in numbers."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import os
import re
import sys
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
DATA = Path(os.environ.get("NEURO_TEST_DATA", HERE.parents[1].parent / "shared" / "data"))
# the generators that the tests of the readers have
sys.path[:0] = [str(HERE.parent / "io")]


@dataclasses.dataclass(frozen=True)
class Case:
    """One input.

    Attributes
    ----------
    group : str
        Heading of the table.
    way : {'right', 'odd', 'broken'}
    name : str
    make : callable
        Writes the input into a folder; gives a function that reads it, and arrays that are to
        come out, or None.
    want : dict or str
        The reading in numbers, or words of the one line that refuses it.
    wrong : str
        Why it is read wrong today; empty where it is not.
    listed : bool
        Whether it needs the recorded file lists.
    """

    group: str
    way: str
    name: str
    make: Callable
    want: dict | str
    wrong: str = ""
    listed: bool = False

    @property
    def id(self) -> str:
        return f"{self.group}: {self.name}"

    def expected(self) -> str:
        """The expectation in words."""
        if isinstance(self.want, str):
            return f"refused: {self.want}"
        return "; ".join(f"{key} {_words(value)}" for key, value in self.want.items())


def _words(value) -> str:
    if isinstance(value, (list, tuple)):
        listed = ", ".join(map(_words, value[:4]))
        return (listed + (f", ... ({len(value)})" if len(value) > 4 else "")) or "none"
    return f"{value:g}" if isinstance(value, float) else str(value)


def outcome(case, folder) -> tuple[str, str]:
    """Read an input: `right`, `refused` or `wrong`, and what came out where it is wrong.

    Parameters
    ----------
    case : Case
    folder : pathlib.Path
        Empty; the input is written there.

    Returns
    -------
    verdict, detail : str
    """
    from neuro.io.problems import InputProblem

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        read, truth = case.make(folder)
        try:
            got = read()
        except InputProblem as problem:
            lines = problem.problems
            if isinstance(case.want, dict):
                return "wrong", f"refused: {lines[0]}"
            if any("\n" in line for line in lines):
                return "wrong", f"more than a line: {lines[0]}"
            fits = any(case.want in line for line in lines)
            return ("refused", "") if fits else ("wrong", f"refused for another reason: {lines[0]}")
        except Exception as error:  # a traceback is what the set is there to find
            return "wrong", f"{type(error).__name__}: {error}"
    if isinstance(case.want, str):
        return "wrong", f"read: { {key: got[key] for key in list(got)[:4]} }"
    for key, value in {**case.want, **(truth or {})}.items():
        if not _same(got[key], value):
            return "wrong", f"{key}: got {_short(got[key])}, expected {_short(value)}"
    return "right", ""


def _short(value) -> str:
    return " ".join(repr(value).split())[:300]


def _same(got, want) -> bool:
    if isinstance(want, (list, tuple)) and want and isinstance(want[0], np.ndarray):
        return len(got) == len(want) and all(map(_same, got, want))
    if isinstance(want, (float, np.ndarray)):
        return np.shape(got) == np.shape(want) and np.allclose(
            got, want, rtol=1e-5, atol=1e-6, equal_nan=True
        )
    return list(got) == list(want) if isinstance(want, (list, tuple)) else got == want


def run(case) -> tuple[str, str]:
    """:func:`outcome` in a folder of its own."""
    with tempfile.TemporaryDirectory() as folder:
        return outcome(case, Path(folder))


def spikes(path, **options) -> Callable:
    """Reader of spikes."""

    def read():
        from neuro.command.check.spikes import count_doubts
        from neuro.io.spikes.data import CountData
        from neuro.io.spikes.reader import read_spikes

        data = read_spikes(path, **options)
        found = {"units": list(data.units["unit"]), "notes": len(data.notes)}
        if isinstance(data, CountData):
            bins = [len(item) for item in data.sequences]
            found["doubts"] = [line for line in count_doubts(data) if "no counts" in line]
            return found | {"bins": bins, "bin_s": data.bin_s, "counts": list(data.sequences)}
        observed = data.intervals if data.observed is None else np.concatenate(data.observed)
        return found | {
            "spikes": data.n_spikes,
            "times": list(data.times),
            "trials": 0 if data.trials is None else len(data.trials),
            "observed_s": None if observed is None else float(np.diff(observed).sum()),
            "columns": [name for name in data.units if name != "unit"],
        }

    return read


def recording(path, **options) -> Callable:
    """Reader of traces."""

    def read():
        from neuro.io.recordings.reader import read_recording

        data = read_recording(path, **options)
        return {
            "frames": len(data.traces),
            "neurons": data.traces.shape[1],
            "hz": float(data.fs),
            "names": data.names,
            "animal": data.name,
            "missing": int((~data.observed).sum()),
            "traces": data.traces,
            "columns": list(data.traces.T),
        }

    return read


def responses(path, **options) -> Callable:
    """Reader of stimuli and responses."""

    def read():
        from neuro.io.responses.reader import read_stimulus_response

        data = read_stimulus_response(path, **options)
        stimuli = None if data.stimuli is None else np.asarray(data.stimuli[:])
        return {
            "kind": data.kind,
            "trials": len(data.responses),
            "units": data.unit,
            "stimulus": None if stimuli is None else stimuli.shape[1:],
            "excluded": [unit for unit, _ in data.excluded],
            "tiers": sorted(set(data.tier.tolist())),
            "shared": data.shared(),
            "stimuli": stimuli,
            "responses": data.responses,
        }

    return read


def voxels(*paths) -> Callable:
    """Reader of images with voxels."""

    def read():
        from neuro.braindive.dataset import read_data

        data = read_data(*paths)
        return {
            "images": len(data.images),
            "size": data.images.shape[1:],
            "voxels": len(data.unit),
            "regions": data.roi,
            "test": int(data.test.sum()),
            "shared": data.shared(),
        }

    return read


def table(path, **options) -> Callable:
    """Reader of a region table."""

    def read():
        from neuro.io.regions.roi import read_roi_table

        data = read_roi_table(path, **options)
        return {
            "volumes": len(data.series),
            "regions": data.regions,
            "tr": float(data.tr),
            "missing": list(data.missing),
            "series": data.series,
        }

    return read


def tree(path, **wishes) -> Callable:
    """`neuro init`, the run table of its settings, and `neuro check` (never a traceback)."""

    def read():
        import yaml

        from neuro import config
        from neuro.command import cli, init
        from neuro.io.problems import InputProblem
        from neuro.run import layouts

        text = init.settings([path], **wishes)
        # raw images need an atlas of their own: the one question that has to be answered
        lines = re.sub(
            r"^#? +# +atlas: labels.nii.gz$|^# +atlas: labels.nii.gz$", "@", text, flags=re.M
        )
        native = "@" in lines.splitlines()
        if native:
            (path.parent / "labels.nii.gz").touch()
            answer = f"fmri: {{atlas: {path.parent / 'labels.nii.gz'}}}"
            text = re.sub(r"^fmri:\n(  .*\n)*", "", text, flags=re.M) + answer + "\n"
        settings = yaml.safe_load(text)
        problems = config.resolve(settings, source="neuro init")
        if problems:
            raise InputProblem(problems)
        data = settings["data"]
        rows = layouts.scan(settings).rows if data["kind"] != "none" else []
        lines = [line.strip() for line in text.splitlines()]
        asks = [
            key
            for key in ("tr", "echo", "site_tr", "columns", "fs_hz", "time_unit", "sampling_hz")
            if any(line.startswith(f"# {key}: ") for line in lines)
        ]
        asks += ["atlas"] * native
        _check(cli, path, text)
        files = [str(row.get("bold") or row.get("path") or row.get("table") or "") for row in rows]
        return {
            "kind": data["kind"],
            "runs": len(rows),
            "subjects": len({row["participant_id"] for row in rows}),
            "usable": sum(row["status"] == "ok" for row in rows),
            "space": sorted({row.get("space") or "" for row in rows} - {""}),
            "res": sorted({row.get("res") or "" for row in rows} - {""}),
            "tr": sorted({float(row["tr"]) for row in rows if row.get("tr") not in ("", None)}),
            "atlas": data.get("atlas"),
            "asks": asks,
            "others": sum(line.startswith("# others: ") for line in lines),
            "reasons": sorted({row["reason"].split(": ")[-1] for row in rows if row.get("reason")}),
            "images": sorted(Path(file).name for file in files),
            "stages": [name for name in config.STAGES if settings[name]["enabled"]],
        }

    read.path = path  # trees of the recorded lists lie elsewhere
    return read


def _check(cli, path, text) -> None:
    """`neuro check` of the settings; what it says goes nowhere, an exception goes up."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "mine.yaml").write_text(text, "utf-8")
        before = Path.cwd()
        os.chdir(folder)
        try:
            with (
                contextlib.redirect_stdout(io.StringIO()),
                contextlib.redirect_stderr(io.StringIO()),
            ):
                cli.main(["check", "--config", "mine.yaml"])
        finally:
            os.chdir(before)
