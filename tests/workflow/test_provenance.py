"""Sidecars and data set descriptions: hash of the settings, checksums, no place of a machine."""

import copy
import email.message
import hashlib
import json
import os
import time

import pytest

from neuro.base import provenance
from neuro.config import resolve


def description(folder, config):
    path = provenance.dataset_description(
        folder, name="a stage", config=config, sources=["study", folder.parent.parent / "elsewhere"]
    )
    return json.loads(path.read_text())


@pytest.fixture
def config(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "study").mkdir()
    settings = {"data": {"kind": "fmriprep", "root": "study"}, "adhd": {"enabled": False}}
    assert resolve(settings) == []
    return {"data": settings["data"], "fmri": settings["fmri"]}


def test_the_hash_changes_with_the_configuration_and_only_with_it(tmp_path, config):
    def hash_of(mapping):
        return description(tmp_path, mapping)["GeneratedBy"][0]["ConfigurationHash"]

    first = hash_of(config)
    assert len(first) == 16
    other_order = {key: dict(reversed(config[key].items())) for key in reversed(list(config))}
    assert hash_of(other_order) == first == hash_of(copy.deepcopy(config))
    for section, key, value in (
        ("fmri", "fd_mm", 0.2),
        ("fmri", "band", [0.01, 0.1]),
        ("data", "tr", 2.0),
    ):
        changed = copy.deepcopy(config)
        changed[section][key] = value
        assert hash_of(changed) != first, key


def test_a_description_names_no_place_of_the_machine(tmp_path, config):
    side = description(tmp_path / "results", config)
    assert side["SourceDatasets"] == [{"URL": "study"}, {"URL": "elsewhere"}]
    assert str(tmp_path) not in json.dumps(side)


def test_a_sidecar_holds_checksums_of_what_was_read(tmp_path):
    source = tmp_path / "bold.nii.gz"
    source.write_bytes(b"voxels")
    path = provenance.sidecar(
        tmp_path / "x_bold.nii.gz",
        parameters={"fd_mm": 0.5, "values": float("nan")},
        inputs=[source, tmp_path / "absent.tsv"],
        seed=3,
        packages=("numpy", "no-such-package"),
        RepetitionTime=2.0,
    )
    assert path.name == "x_bold.json"
    side = json.loads(path.read_text())
    assert side["Inputs"] == [
        {"Name": "bold.nii.gz", "SHA256": hashlib.sha256(b"voxels").hexdigest(), "Size": 6}
    ]
    assert side["Parameters"] == {"fd_mm": 0.5, "values": None}
    assert side["Seed"] == 3 and side["RepetitionTime"] == 2.0
    assert set(side["Versions"]) == {"neuro", "numpy"}
    source.write_bytes(b"others")
    again = provenance.sidecar(tmp_path / "x_bold.nii.gz", inputs=[source])
    assert json.loads(again.read_text())["Inputs"][0]["SHA256"] == (
        hashlib.sha256(b"others").hexdigest()
    )


def test_a_file_that_was_just_written_is_read_again(tmp_path):
    """Within one tick of the clock a file may change and keep its time; later it may not."""
    source = tmp_path / "table.tsv"
    for age, remembered in ((0, False), (60, True)):
        stamp = time.time_ns() - age * 10**9
        found = []
        for text in ("first!", "second"):
            source.write_text(text)
            os.utime(source, ns=(stamp, stamp))
            found.append(provenance.checksum(source))
        assert (found[0] == found[1]) == remembered


def test_a_file_of_a_job_is_named_where_it_is_published(config):
    assert provenance._in_study("results/work/fmri/a.tsv").as_posix() == "results/fmri/a.tsv"
    assert provenance._in_study("results/fmri/work/a.tsv").as_posix() == "results/fmri/work/a.tsv"
    assert provenance._in_study("results/../../a.tsv") is None
    assert provenance._in_study("/a.tsv") is None


def test_the_address_of_the_code_is_what_the_package_states(monkeypatch):
    stated = email.message.Message()
    monkeypatch.setattr(provenance.metadata, "metadata", lambda name: stated)
    provenance.code_url.cache_clear()
    assert provenance.code_url() == "n/a"
    stated["Project-URL"] = "Source, https://example.org/a,b"
    stated["Project-URL"] = "Docs, https://example.org/docs"
    provenance.code_url.cache_clear()
    assert provenance.code_url() == "https://example.org/a,b"
    provenance.code_url.cache_clear()
