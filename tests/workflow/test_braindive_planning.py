"""What the workflow plans for the stage `braindive`, and what it refuses."""

import re

import pytest
import yaml
from common import only, snakemake

PLANTED = {
    "data": {"kind": "none"},
    "hmmglm": {"enabled": False},
    "braindive": {"enabled": True, "objectives": ["face", "face - body"]},
}


def mine(**changes):
    return only({**PLANTED, "braindive": {**PLANTED["braindive"], **changes}})


def planned(folder, config, *arguments):
    """Job counts of the stage in a dry run."""
    (folder / "mine.yaml").write_text(yaml.safe_dump(config))
    result = snakemake(
        folder, "braindive", "-n", "--cores", "2", "--configfile", "mine.yaml", *arguments
    )
    counts = re.findall(r"^(braindive_\w+|simulate_scenes)\s+(\d+)$", result.stdout, re.MULTILINE)
    return {name.removeprefix("braindive_"): int(n) for name, n in counts}, result.stdout


def refused(folder, config):
    (folder / "mine.yaml").write_text(yaml.safe_dump(config))
    result = snakemake(
        folder, "braindive", "-n", "--cores", "1", "--configfile", "mine.yaml", check=False
    )
    assert result.returncode == 1
    assert "Traceback" not in result.stderr + result.stdout
    lines = [line for line in result.stderr.splitlines() if "braindive" in line]
    assert lines and all(len(line) <= 160 for line in lines)
    return result.stderr


def test_one_job_per_objective_and_block(tmp_path):
    counts, _ = planned(tmp_path, mine())
    assert counts == {
        "simulate_scenes": 1,
        "generator": 1,
        "encode": 3,
        "sample": 4,
        "judge": 1,
    }
    counts, _ = planned(tmp_path, mine(objectives=["rois"], n_seeds=40, judge={"type": "none"}))
    assert counts["sample"] == 5 * 3 and counts["encode"] == 2


def test_a_fitted_guide_needs_no_data_and_no_judges(tmp_path):
    (tmp_path / "model").mkdir()
    (tmp_path / "mine.safetensors").write_text("x")
    given = {"type": "readout", "weights": "mine.safetensors", "backbone": "gabor"}
    own = {"images": "none", "encoder": given, "judge": {"type": "none"}}
    own["generator"] = {"type": "tiny", "path": "model"}
    counts, text = planned(tmp_path, mine(**own))
    assert counts == {"generator": 1, "encode": 1, "sample": 4, "judge": 1}
    assert "results/braindive/mine/encoder.safetensors" in text
    assert "independent.safetensors" not in text and "scenes.h5" not in text
    # with data, the guide is judged; it waits for no generator
    own |= {"images": "planted", "generator": {}}
    counts, _ = planned(tmp_path, mine(**own))
    assert counts["encode"] == 2 and counts["simulate_scenes"] == 1


def test_users_own_images_and_weights(tmp_path):
    (tmp_path / "images.npy").write_text("x")
    (tmp_path / "betas.npy").write_text("x")
    (tmp_path / "rois.tsv").write_text("voxel\troi\nv0\tFFA\nv1\tEBA\nv2\tnone\n")
    (tmp_path / "sd").mkdir()
    counts, text = planned(
        tmp_path,
        mine(
            images="images.npy",
            betas="betas.npy",
            rois="rois.tsv",
            objectives=["rois"],
            encoder={"backbone": "clip", "path": "sd"},
            independent={"backbone": "gabor"},
            judge={"type": "none"},
            generator={"type": "sd", "path": "sd"},
            n_seeds=16,
        ),
    )
    assert counts == {"generator": 1, "encode": 2, "sample": 2, "judge": 1}
    assert "results/braindive/images/FFA/block-0.tsv" in text


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"images": "none.h5"}, "braindive.images: no such file: none.h5"),
        ({"independent": {"backbone": "tiny"}}, "'tiny' is the guide's as well"),
        ({"encoder": {"backbone": "clip"}}, "braindive.encoder.path: missing"),
        ({"generator": {"type": "sd"}}, "braindive.generator.path: missing"),
        ({"objectives": ["table-1"]}, "'table-1' needs braindive.objective_table"),
        ({"objectives": []}, "braindive.objectives: empty"),
        ({"objectives": ["a b", "a-b"]}, "two names that give the same folder name"),
        ({"objective_table": "t.tsv"}, "braindive.objective_table: no such file: t.tsv"),
        ({"value": -1}, "braindive.value: got -1"),
        ({"guide_decoder": "small"}, "braindive.guide_decoder_path: missing"),
        ({"content_filter_path": "f"}, "braindive.content_filter_path: no such folder: f"),
        ({"compile": True, "sag_scale": 0.75}, "braindive.compile: not with sag_scale above 0"),
        ({"guidence_target": "x0"}, "did you mean 'guidance_target'"),
    ],
)
def test_bad_settings_are_one_line(tmp_path, changes, message):
    assert message in refused(tmp_path, mine(**changes))
