"""What the workflow plans for the stage `demovae`."""

import re

import pytest
import yaml
from common import only, snakemake

IMAGES = {"data": {"kind": "simulated"}, "fmri": {"atlas": "simulated"}}
OWN = {"fit", "features", "sample", "evaluate", "compare", "generation", "diagnosis", "planted"}
OWN |= {"summary", "phenotypes"}


def planned(folder, config, target="demovae"):
    """Rules of the stage that a dry run plans, without the stage's name."""
    (folder / "mine.yaml").write_text(yaml.safe_dump(only(config)))
    result = snakemake(folder, target, "-n", "--cores", "2", "--configfile", "mine.yaml")
    return set(re.findall(r"^demovae_(\w+)\s+\d+$", result.stdout, re.MULTILINE))


def refused(folder, config):
    (folder / "mine.yaml").write_text(yaml.safe_dump(only(config)))
    result = snakemake(
        folder, "demovae", "-n", "--cores", "1", "--configfile", "mine.yaml", check=False
    )
    assert result.returncode == 1
    assert "Traceback" not in result.stderr + result.stdout
    return result.stderr


@pytest.fixture
def tables(tmp_path):
    """Empty region tables of two subjects."""
    for label in ("01", "02"):
        path = tmp_path / f"input/sub-{label}/func/sub-{label}_task-rest_timeseries.tsv"
        path.parent.mkdir(parents=True)
        path.write_text("x")
    return {"data": {"kind": "table", "root": "input", "tr": 2.0}}


def test_simulated_images_get_every_rule(tmp_path):
    assert planned(tmp_path, {**IMAGES, "demovae": {}}) == OWN


def test_a_users_tables_have_no_planted_cohort(tmp_path, tables):
    assert planned(tmp_path, {**tables, "demovae": {}}) == OWN - {"planted"}


def test_without_diagnosis_there_is_none_to_repeat(tmp_path, tables):
    config = {**tables, "adhd": {"enabled": False}, "demovae": {}}
    assert planned(tmp_path, config) == OWN - {"planted", "diagnosis"}


def test_a_grid_of_demographics_is_an_input_of_the_samples(tmp_path, tables):
    (tmp_path / "grid.tsv").write_text("age\tsex\tsite\tdx\n10\tF\tA\t0\n")
    config = {**tables, "demovae": {"grid": "grid.tsv"}}
    target = "results/demovae/synthetic.npz"
    assert planned(tmp_path, config, target) == {"fit", "sample"}
    (tmp_path / "grid.tsv").unlink()
    assert "demovae.grid: no such file: grid.tsv" in refused(tmp_path, config)


def test_a_stage_that_is_off_plans_nothing(tmp_path, tables):
    assert planned(tmp_path, {**tables, "demovae": {"enabled": False}}, "all") == set()


@pytest.mark.parametrize(
    ("keys", "line"),
    [
        ({"latent_dm": 3}, "demovae.latent_dm: unknown key; did you mean 'latent_dim'?"),
        ({"columns": {"dx": "categorical remove"}}, "'dx' is the prediction target"),
        ({"columns": {"age": "continuous report"}}, "no column has role remove"),
        ({"columns": {"age": "continuous keep"}}, "role 'keep' is now called 'report'"),
        ({"mode": "linaer"}, "demovae.mode: got 'linaer'"),
        ({"validation": 0.9}, "demovae.validation: got 0.9"),
    ],
)
def test_a_wrong_key_is_one_line(tmp_path, tables, keys, line):
    assert line in refused(tmp_path, {**tables, "demovae": keys})
