"""A finished study that many tests begin with, made once per process; cheap garbage collection."""

import gc
import os
import shutil

# one thread per worker, set before numpy and torch are loaded: threads of several workers on few
# cores wait for each other, which made a test of 13 CPU s last 200
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

import pytest  # noqa: E402
import yaml  # noqa: E402
from cases.fmri import TABLES, small_tables  # noqa: E402
from common import only, snakemake  # noqa: E402


def pytest_collection_finish():
    """What was imported stays: nilearn and hypothesis collect garbage at nearly every call."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def finished_tables(tmp_path_factory):
    """A finished run of region tables; tests that change it take :func:`tables_run`."""
    folder = tmp_path_factory.mktemp("finished")
    small_tables(folder / "input")
    (folder / "mine.yaml").write_text(yaml.safe_dump(only(TABLES)))
    result = snakemake(folder, "--configfile", "mine.yaml", "--cores", "2")
    assert "Traceback" not in result.stderr
    return folder


@pytest.fixture
def tables_run(finished_tables, tmp_path):
    """A copy of the finished run, times kept."""
    folder = tmp_path / "run"
    shutil.copytree(finished_tables, folder, copy_function=shutil.copy2)
    return folder
