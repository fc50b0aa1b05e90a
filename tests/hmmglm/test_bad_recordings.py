"""A recording that cannot be used is one line: in the check, and in the rule that reads it."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
import scipy.io
import yaml

from neuro import config
from neuro.command import cli

ROOT = Path(__file__).parents[2]


class Named(dict):
    """Named values, by key and by attribute, iterated over by value."""

    def __iter__(self):
        for value in self.values():
            yield from value if isinstance(value, list) else [value]

    __getattr__ = dict.get


class Stand:
    """What a script reads of Snakemake's object."""

    threads, config = 1, {"execution": {"seed": 0}}
    wildcards = Named(dataset="a", k="3")

    def __init__(self, rule, given, output, **params):
        self.rule, self.log = rule, []
        self.input, self.output, self.params = Named(given), Named(output), Named(params)


def script(rule):
    path = ROOT / "workflow" / "scripts" / f"{rule}.py"
    spec = importlib.util.spec_from_file_location(f"script_{rule}", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.main


def settings(path, **changes):
    section = {"input": "spikes", "sets": {"a": str(path)}, **changes}
    mapping = {"data": {"kind": "none"}, "hmmglm": section}
    assert config.resolve(mapping) == []
    return {**mapping["hmmglm"], "input": "spikes"}


def binned(folder, path, **changes):
    out = {
        "counts": str(folder / "out/counts.npz"),
        "exclusions": str(folder / "out/exclusions.tsv"),
    }
    given = {"files": [str(path)]}
    script("hmmglm_bin")(Stand("hmmglm_bin", given, out, settings=settings(path, **changes)))
    return {
        "counts": out["counts"],
        **{name: str(folder / f"out/{name}.tsv") for name in ("sequences", "units")},
    }


def train(times, unit):
    return [[unit, time] for time in times]


def nwb(path, *, trials=(), units=True, quality="mua"):
    from datetime import UTC, datetime

    import pynwb

    file = pynwb.NWBFile("x", "x", datetime(2026, 1, 1, tzinfo=UTC))
    rng = np.random.default_rng(0)
    if units:
        file.add_unit_column("quality", "sorting quality")
        for _ in range(3):
            file.add_unit(spike_times=np.sort(rng.uniform(0, 60, 90)), quality=quality)
    for start, stop in trials:
        file.add_trial(start_time=float(start), stop_time=float(stop))
    with pynwb.NWBHDF5IO(path, "w") as stream:
        stream.write(file)


def regular(unit, step=0.5):
    return train(np.arange(0, 60, step), unit)


def mat(path, **variables):
    scipy.io.savemat(path, {name: np.asarray(value, float) for name, value in variables.items()})


CASES = {
    "one unit": (
        "a.mat",
        lambda path: mat(path, spks=regular(1)),
        {},
        "{path}: 1 unit; couplings need at least 2",
    ),
    "unknown variable": (
        "rest.mat",
        lambda path: mat(path, a=[[1.0]], b=[[2.0]]),
        {},
        "{path}: no known key; found: a, b; set mat_key",
    ),
    "no units table": (
        "session.nwb",
        lambda path: nwb(path, units=False),
        {},
        "{path}: no units table; found: ",
    ),
    "no unit passes": (
        "session.nwb",
        nwb,
        {"unit_filter": "quality == 'good'"},
        "{path}: 0 of 3 units pass unit_filter \"quality == 'good'\"; values: mua",
    ),
    "empty epoch": (
        "session.nwb",
        lambda path: nwb(path, trials=[(1, 5), (8, 8)]),
        {"segment_s": None},
        "{path}: trial 1 is empty (start 8 s, stop 8 s)",
    ),
    "overlapping trials": (
        "session.nwb",
        lambda path: nwb(path, trials=[(1, 5), (4, 8)]),
        {"segment_s": None},
        "{path}: trials 0 and 1 overlap (1-5 s, 4-8 s)",
    ),
}


@pytest.mark.parametrize("name", sorted(CASES))
def test_one_line_in_the_check_and_in_the_rule(name, tmp_path, monkeypatch, capsys):
    file, make, changes, line = CASES[name]
    monkeypatch.chdir(tmp_path)
    make(Path(file))
    mapping = {"data": {"kind": "none"}, "hmmglm": {"input": "spikes", "sets": {"a": file}}}
    mapping["hmmglm"] |= changes
    Path("mine.yaml").write_text(yaml.safe_dump(mapping))
    want = line.format(path=file)
    assert cli.main(["check", "--config", "mine.yaml"]) == 1
    said = capsys.readouterr().err.splitlines()
    assert said[0].startswith(want) and said[1:] == ["1 problem(s)"]
    with pytest.raises(SystemExit) as stop:
        binned(tmp_path, file, **changes)
    said = capsys.readouterr().err.splitlines()
    assert stop.value.code == 1 and len(said) == 1
    assert said[0].startswith(f"hmmglm_bin: {want}") and len(said[0]) <= 160


@pytest.mark.parametrize(
    ("wrong", "line", "right"),
    [
        (
            {"trial_window": [1, 2]},
            "hmmglm.trial_window: acts on trials, but hmmglm.segment_s cuts the recording",
            {"segment_s": None},
        ),
        (
            {"time_unit": "samples"},
            "hmmglm.time_unit: 'samples' needs hmmglm.sampling_hz; set it",
            {"sampling_hz": 30000},
        ),
    ],
)
def test_settings_that_cannot_act_are_refused_and_the_advice_works(wrong, line, right):
    def said(**section):
        mapping = {"data": {"kind": "none"}, "hmmglm": {"input": "spikes", **section}}
        mapping["hmmglm"]["sets"] = {"a": "pyproject.toml"}
        return [str(item) for item in config.resolve(mapping)]

    assert any(line in item for item in said(**wrong))
    assert said(**wrong, **right) == []


def test_a_good_recording_is_described(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    mat("a.mat", spks=[*regular(1), *regular(2, 0.7)])
    Path("mine.yaml").write_text(
        "data: {kind: none}\nhmmglm: {input: spikes, sets: {rat: a.mat}}\n"
    )
    assert cli.main(["check", "--config", "mine.yaml"]) == 0
    assert "rat: a.mat: 2 units, 206 spikes, 0.0 to 59.5 s" in capsys.readouterr().out


def test_units_that_cannot_be_used_are_listed_not_fatal(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    mat("a.mat", spks=[*regular(1), *regular(2, 0.7), *train([1.0, 1.5], 3), *train([2.0], 5)])
    binned(tmp_path, "a.mat", segment_s=10)
    table = (tmp_path / "out/exclusions.tsv").read_text()
    assert "unit 3\tunits\tbin_s 0.05 leaves 0 spikes in training folds" in table
    assert "unit 4\tunits\trate below the minimum (Hz)\t0" in table


def whole(path, *, first=1.0):
    counts = np.random.default_rng(0).poisson(0.5, (4, 100, 3)).astype(float)
    counts[0, :3, 1] = [first, -1, -2] if first < 0 else [first, 0, 0]
    np.savez(path, counts=counts, bin_s=0.1)


@pytest.mark.parametrize(
    ("make", "changes", "line"),
    [
        (
            lambda path: mat(path, spks=[*regular(1, 0.4), *regular(2, 0.7)]),
            {"emission": "bernoulli", "link": "sigmoid", "bin_s": 1.0, "segment_s": 10},
            "hold more than one spike",
        ),
        (
            lambda path: mat(path, spks=[*regular(1, 0.4), *regular(2, 0.7)]),
            {"bin_s": 1.0, "segment_s": 10},
            "hmmglm_fit: hmmglm: n_states 3 > observed bins / 50 (0)",
        ),
        (
            lambda path: whole(path, first=-1.0),
            {},
            "hmmglm_fit: hmmglm: counts have 3 negative values (min -2)",
        ),
        (
            lambda path: whole(path, first=0.5),
            {},
            "hmmglm_fit: hmmglm: counts are not integers (unit 1); for BOLD use input: fmri",
        ),
    ],
)
def test_what_the_fit_refuses_is_one_line(tmp_path, monkeypatch, capsys, make, changes, line):
    monkeypatch.chdir(tmp_path)
    file = "a.mat" if "bin_s" in changes else "a.npz"
    make(file)
    given = binned(tmp_path, file, **changes)
    output = {"fits": str(tmp_path / "f.npz"), "sweep": str(tmp_path / "s.tsv")}
    arguments = {"settings": {**settings(file, **changes), "folds": 2}, "seed": 0}
    with pytest.raises(SystemExit) as stop:
        script("hmmglm_fit")(Stand("hmmglm_fit", given, output, **arguments))
    said = capsys.readouterr().err.splitlines()
    assert stop.value.code == 1
    assert line in said[0] and all(text.startswith("hmmglm_fit: ") for text in said)
    assert all(len(text) <= 160 and "Traceback" not in text for text in said)
