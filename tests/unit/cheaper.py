"""What a start of Snakemake in tests saves: imports, parsing of rules, imports of its jobs.

The process that serves starts (`starter`) loads and parses once; every start is a fork of it, and
every job of a start a fork of that, with the modules of `neuro` read anew, another random state,
and paths, variables and exit as `python SCRIPT` has them. What forks cannot show, hash seeds and
a library's module that is used but not imported, shows in starts that are asked for `fresh`.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import importlib
import os
import pickle
import random
import re
import runpy
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

ROOT = Path(__file__).parents[2]
PATHS = sys.path[1:]
"""Where a script finds modules beside its own folder."""
PLANNING = (
    *("jsonschema", "pandas", "psutil", "snakemake.cli", "snakemake.api", "snakemake.workflow"),
    *("snakemake.benchmark", "snakemake.script", "snakemake.shell", "snakemake.executors.local"),
    *("snakemake.scheduling.job_scheduler", "snakemake.executors.dryrun"),
)
OURS = (
    *("neuro.base.job", "neuro.base.record", "neuro.config.kinds", "neuro.config.checks"),
    *("neuro.run.digest", "neuro.run.inputs", "neuro.run.notes", "neuro.run.plan"),
    *("neuro.run.settings", "neuro.run.stamps", "neuro.simulate.names", "neuro.io.formats.tables"),
)
"""What the rules import."""
LIBRARIES = (
    *("scipy.stats", "scipy.optimize", "scipy.signal", "scipy.io", "scipy.ndimage"),
    *("sklearn.cluster", "sklearn.discriminant_analysis", "sklearn.linear_model"),
    *("sklearn.metrics", "sklearn.decomposition", "h5py", "nibabel", "numba", "torch"),
    *("safetensors.torch", "nilearn.surface", "nilearn.datasets", "matplotlib.figure"),
    "matplotlib.backends.backend_agg",
)
"""What jobs import, seconds each time."""
PARSED: dict = {}
"""Code of rule files by path, time, size and the number of rules before."""


def load_planning():
    """Modules of a start, once."""
    with _first(str(ROOT)):
        for name in (*PLANNING, *OURS):
            importlib.import_module(name)
    from snakemake import cli, workflow

    # loads the plugins
    cli.get_argument_parser()
    workflow.parse = _parser(workflow.parse)
    _settle()


def load_libraries():
    """Libraries of jobs, once."""
    if "torch" not in sys.modules:
        for name in LIBRARIES:
            importlib.import_module(name)
        _settle()


def _settle():
    gc.collect()
    gc.freeze()


@contextlib.contextmanager
def _first(folder):
    sys.path.insert(0, folder)
    try:
        yield
    finally:
        sys.path.remove(folder)


def _parser(parse):
    def parsed(path, flow, linemap, overwrite_shellcmd=None, rulecount=0):
        name = path.get_path_or_uri(secret_free=True)
        try:
            state = os.stat(name)
        except OSError:
            return parse(path, flow, linemap, overwrite_shellcmd, rulecount)
        key = (name, state.st_mtime_ns, state.st_size, rulecount)
        if overwrite_shellcmd or key not in PARSED:
            lines: dict = {}
            result = parse(path, flow, lines, overwrite_shellcmd, rulecount)
            PARSED[key] = (result, lines)
        result, lines = PARSED[key]
        linemap.update(lines)
        return result

    return parsed


def keep_parsed(path, before):
    """A start leaves what it parsed in a file, where it parsed anything."""
    if len(PARSED) > before:
        Path(path).write_bytes(pickle.dumps(PARSED))


def take_parsed(path):
    """The serving process takes over what a start parsed."""
    with contextlib.suppress(OSError, EOFError, pickle.UnpicklingError):
        PARSED.update(pickle.loads(Path(path).read_bytes()))


def fork_jobs():
    """From now on Snakemake runs Python scripts as forks of this process."""
    # the package's attribute of this name is a class
    shell = importlib.import_module("snakemake.shell")
    whole = {name: getattr(subprocess, name) for name in dir(subprocess)}
    shell.sp = SimpleNamespace(**whole | {"Popen": _popen})


def _popen(command, *more, env=None, **settings):
    """A fork for `python SCRIPT` with the usual paths, else a process."""
    match = re.fullmatch(r"set -euo pipefail;\s+([\w./+-]+) ([\w./+-]+)\s*", command)
    usual = (env or {}).get("PYTHONPATH") == os.environ.get("PYTHONPATH") == _PYTHONPATH
    if match and usual and match[1] == sys.executable and os.path.isfile(match[2]):
        return _Fork(match[2], env)
    return subprocess.Popen(command, *more, env=env, **settings)


_PYTHONPATH = os.environ.get("PYTHONPATH")


class _Fork:
    """As much of :class:`subprocess.Popen` as Snakemake uses."""

    stdout = None

    def __init__(self, script, environment):
        self.returncode = None
        self.pid = os.fork()
        if not self.pid:
            leave(_script, script, environment)

    def wait(self):
        if self.returncode is None:
            self.returncode = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        return self.returncode

    def terminate(self, number=signal.SIGTERM):
        if self.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def kill(self):
        self.terminate(signal.SIGKILL)


def _script(path, environment):
    import numpy as np

    atexit._clear()
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ.clear()
    os.environ.update(environment)
    # the parent's hold what it has yet to write
    sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", buffering=1, errors="backslashreplace", closefd=False)  # noqa: SIM115
    sys.excepthook = sys.__excepthook__
    for name in [name for name in sys.modules if name.partition(".")[0] == "neuro"]:
        del sys.modules[name]
    sys.path[:] = [os.path.dirname(path), *PATHS]
    sys.argv = [path]
    random.seed()
    np.random.seed()
    runpy.run_path(path, run_name="__main__")


def leave(main, *arguments):
    """Call a function in a forked process and end it as the interpreter would."""
    code = 1
    try:
        main(*arguments)
        code = 0
    except SystemExit as end:
        code = end.code or 0
        if isinstance(code, str):
            print(code, file=sys.stderr)
            code = 1
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        with contextlib.suppress(BaseException):
            atexit._run_exitfuncs()
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)
