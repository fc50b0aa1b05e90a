"""Plan and run one rule of the workflow inside this process, on the input of its stored case.

Snakemake plans (settings, files, parameters, resources); the rule's script then runs as a
function. Parsing the rules takes most of the time of planning, so each file is parsed once.
"""

from __future__ import annotations

import contextlib
import copy
import functools
import hashlib
import importlib
import io
import json
import logging
import os
import random
import shutil
import sys
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

import numpy as np
import yaml
from common import ROOT, VOLATILE, files, fill_input, only

UNIT = ROOT / "tests/unit"
SCRIPTS = ROOT / "workflow/scripts"


class Refused(Exception):
    """Planning or the job ended with lines for the user."""


def merged(config, dotted):
    """A copy of settings with dotted keys set."""
    config = copy.deepcopy(config)
    for key, value in dotted.items():
        section = config
        *parents, leaf = key.split(".")
        for parent in parents:
            section = section.setdefault(parent, {})
        section[leaf] = value
    return config


def case_settings(rule):
    """Settings of a rule's stored case; stages that they do not name are off."""
    return only(yaml.safe_load((UNIT / rule / "config.yaml").read_text()))


def stored_targets(rule):
    """What the stored case asks for."""
    return (UNIT / rule / "targets.txt").read_text().split()


def fill(rule, folder):
    """The stored input of a rule's case."""
    stored = UNIT / rule
    if (stored / "data").exists():
        shutil.copytree(stored / "data", folder, dirs_exist_ok=True)
    folder.mkdir(exist_ok=True)
    if "root: input" in (stored / "config.yaml").read_text():
        fill_input(folder / "input")


def plan(folder, config, targets, rule=""):
    """Jobs that Snakemake plans for targets.

    Parameters
    ----------
    folder : pathlib.Path
        Working directory.
    config : dict
        Settings as a user gives them.
    targets : iterable of str
    rule : str
        The one rule that may run; empty for all.

    Returns
    -------
    list of types.SimpleNamespace
        What a script sees as `snakemake`; sorted by rule and output.

    Raises
    ------
    Refused
        With the lines that the user would see.
    """
    from snakemake.api import SnakemakeApi
    from snakemake.settings import types

    lines = io.StringIO()
    with _quiet(folder), contextlib.redirect_stderr(lines):
        try:
            with SnakemakeApi(types.OutputSettings(quiet={types.Quietness.ALL})) as api:
                workflow = api.workflow(
                    resource_settings=types.ResourceSettings(cores=1),
                    config_settings=types.ConfigSettings(config=copy.deepcopy(config)),
                    workflow_settings=types.WorkflowSettings(),
                    storage_settings=types.StorageSettings(),
                    snakefile=ROOT / "Snakefile",
                    workdir=folder,
                )
                workflow.dag(
                    types.DAGSettings(
                        targets=set(targets),
                        forcetargets=True,
                        allowed_rules={rule} if rule else set(),
                        target_files_omit_workdir_adjustment=True,
                    )
                )
                planned = workflow._workflow
                planned._prepare_dag(
                    forceall=False, ignore_incomplete=True, lock_warn_only=True, nolock=True
                )
                planned._build_dag()
                jobs = [_seen(job, planned) for job in planned.dag.jobs]
        except SystemExit as error:
            raise Refused(f"{lines.getvalue()}{error}") from None
    return sorted(jobs, key=lambda job: (job.rule, str(job.output)))


def _seen(job, workflow):
    return SimpleNamespace(
        rule=job.rule.name,
        input=job.input,
        output=job.output,
        params=job.params,
        wildcards=job.wildcards,
        resources={key: value for key, value in job.resources.items() if key != "tmpdir"},
        threads=1,
        log=[],
        config=workflow.globals["config"],
    )


def run(job, folder):
    """Run a planned job's script; everything that it wrote, by name.

    Raises
    ------
    Refused
        With the lines that the user would see.
    """
    before = files(folder)
    lines = io.StringIO()
    with _quiet(folder), contextlib.redirect_stderr(lines):
        for path in job.output:
            Path(path).parent.mkdir(parents=True, exist_ok=True)
        random.seed(0)
        np.random.seed(0)
        try:
            _script(job.rule).main(job)
        except SystemExit:
            raise Refused(lines.getvalue()) from None
    written = files(folder) - before | set(map(str, job.output))
    return {
        name: text
        for name in sorted(written)
        if (folder / name).is_file()
        for text in [content(folder / name)]
        if text is not None
    }


@functools.cache
def _script(rule):
    with mock.patch.object(sys, "path", [str(SCRIPTS), *sys.path]):
        return importlib.import_module(rule)


@contextlib.contextmanager
def _quiet(folder):
    from snakemake import workflow

    parse = workflow.parse

    def parsed(path, flow, linemap, overwrite_shellcmd=None, rulecount=0):
        name = path.get_path_or_uri(secret_free=True)
        if name not in _PARSED:
            _PARSED[name] = (parse(path, flow, linemap=linemap, rulecount=rulecount), linemap)
        code, lines = _PARSED[name]
        linemap.update(lines)
        return code

    with (
        contextlib.chdir(folder),
        mock.patch.object(workflow, "parse", parsed),
        mock.patch.dict(os.environ),
        contextlib.redirect_stdout(io.StringIO()),
    ):
        level = logging.root.manager.disable
        logging.disable(logging.CRITICAL)
        try:
            yield
        finally:
            logging.disable(level)


_PARSED: dict = {}


def content(path):
    """Digest of what a file says beside the settings it repeats; None where it says no more."""
    if path.name.endswith(".json"):
        found = json.loads(path.read_text())
        if isinstance(found, dict) and {"Parameters", "GeneratedBy"} & set(found):
            return None
        return repr(_without(found))
    return hashlib.sha256(_bytes(path)).hexdigest()


def _without(value):
    if isinstance(value, dict):
        return {key: _without(item) for key, item in value.items() if key not in VOLATILE}
    return [_without(item) for item in value] if isinstance(value, list) else value


def _bytes(path):
    name = path.name
    if not path.stat().st_size:
        return b""
    if name.endswith((".npz", ".h5", ".safetensors", ".pt")):
        return b"".join(key.encode() + _array(value) for key, value in _arrays(path))
    if name.endswith(".nii.gz"):
        import nibabel

        image = nibabel.load(path)
        return image.affine.tobytes() + np.asarray(image.dataobj).tobytes()
    if name.endswith(".tsv"):
        import pandas as pd

        table = pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False)
        return table.drop(columns=[key for key in VOLATILE if key in table]).to_csv().encode()
    return path.read_bytes()


def _array(value):
    value = np.asarray(value)
    if value.dtype.kind in "UO":
        texts = [str(item) for item in value.ravel()]
        return repr([text for text in texts if not text.startswith(("{", "b'{"))]).encode()
    return repr(value.shape).encode() + np.ascontiguousarray(value).tobytes()


def _arrays(path):
    """Name and values of every array in a file."""
    if path.suffix == ".npz":
        with np.load(path, allow_pickle=False) as arrays:
            return sorted((key, arrays[key]) for key in arrays.files)
    if path.suffix == ".h5":
        import h5py

        found = []
        with h5py.File(path) as file:
            file.visititems(
                lambda key, item: (
                    found.append((key, item[()])) if isinstance(item, h5py.Dataset) else None
                )
            )
        return sorted(found, key=lambda pair: pair[0])
    if path.suffix == ".safetensors":
        from safetensors.torch import load_file

        return sorted((key, value.float().numpy()) for key, value in load_file(path).items())
    import torch

    return sorted(_tensors(torch.load(path, weights_only=True)))


def _tensors(value, name=""):
    if hasattr(value, "detach"):
        return [(name, value.detach().float().numpy())]
    if isinstance(value, dict):
        return [pair for key, item in value.items() for pair in _tensors(item, f"{name}.{key}")]
    return [(name, str(value))]
