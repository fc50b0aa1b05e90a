"""`neuro explain`: meaning, allowed values, readers, and whether a key acts."""

from pathlib import Path

import pytest

from neuro.command import explain
from neuro.command.cli import main
from neuro.command.readers import readers

ROOT = Path(__file__).parents[2]
RULES = ROOT / "workflow/rules"


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def told(capsys, *arguments):
    """Exit code, printed lines, problem lines."""
    capsys.readouterr()
    code = main(["explain", *arguments])
    out, err = capsys.readouterr()
    return code, out.splitlines(), err.splitlines()


def test_a_key_is_told_with_its_value_here(here, capsys):
    (here / "mine.yaml").write_text(
        "data: {kind: simulated}\nfmri: {preset: paper, atlas: simulated, fd_mm: 0.3}\n"
    )
    code, out, err = told(capsys, "fmri.fd_mm", "--config", "mine.yaml")
    assert (code, err) == (0, [])
    assert out == [
        "fmri.fd_mm",
        "  meaning: Censor above this framewise displacement.",
        "  allowed: a number > 0 in mm",
        "  default: 0.5 (ours)",
        "  read by: fmri_clean, fmri_compare_run, fmri_qc (the whole section), "
        "report (the whole section)",
        "  in mine.yaml: 0.3 (given); no effect, nothing is censored, only a count in the quality "
        "table follows it (fmri.scrub: false)",
    ]
    _, out, _ = told(capsys, "fmri.scrub", "--config", "mine.yaml")
    assert out[-1] == "  in mine.yaml: false (of the preset); acts"
    assert "  preset paper: false" in out
    _, out, _ = told(capsys, "fmri.smooth_mm", "--config", "mine.yaml")
    assert out[-1] == "  in mine.yaml: 6.0 (the default); acts"


def test_without_settings_nothing_is_said_of_here(here, capsys):
    assert told(capsys, "tau")[1][0] == "hmmglm.tau"
    assert not any(line.startswith("  in ") for line in told(capsys, "tau")[1])
    (here / "config.yaml").write_text("data: {kind: none}\nhmmglm: {enabled: false}\n")
    assert told(capsys, "tau")[1][-1] == (
        "  in config.yaml: 0.2 (the default); no effect, the stage is off (hmmglm.enabled: false)"
    )


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["fmri.fd_m"], "fmri.fd_m: unknown key; did you mean fmri.fd_mm?"),
        (
            ["window"],
            "window: unknown key; did you mean hmmglm.trial_window, ntf.affinity.window_s?",
        ),
        (["zzzzzz"], "zzzzzz: unknown key; config.yaml lists all keys"),
        (["mds.made_cells"], "mds.made_cells: several keys; say which: mds.made_cells.per_unit, "),
        (["n_starts"], "n_starts: several keys; say which: ntf.n_starts, hmmglm.n_starts"),
        (["tau", "--config", "none.yaml"], "none.yaml: no such file"),
    ],
)
def test_what_is_no_key_is_one_line_with_the_nearest(capsys, arguments, line):
    code, out, err = told(capsys, *arguments)
    assert (code, out, err[1:]) == (1, [], ["1 problem(s)"])
    assert err[0].startswith(line)


PLANTED = '''
CONSTANT = (
    "tau",
    "alpha",
)


def helper(wildcards):
    """Words such as unrelated are no use of it."""
    own = config["mds"]
    return [own["twin"]["path"]] if own["input"] else []


def unrelated(wildcards):
    return config["ntf"]["rank"]


rule first:
    input:
        helper,
    params:
        settings=settings("hmmglm", *CONSTANT, "start"),
        seed=config["execution"]["seed"],
    message:
        "No unrelated word counts"
    script:
        "../scripts/first.py"


if config["fmri"]["scrub"]:

    rule second:
        params:
            settings={"fmri": config["fmri"]},
            known=hmmglm_settings(*CONSTANT),
        script:
            "../scripts/second.py"
'''


@pytest.mark.parametrize(
    ("key", "named", "whole"),
    [
        ("hmmglm.tau", ["first", "second"], []),
        ("hmmglm.start", ["first"], []),
        ("hmmglm.link", [], []),
        ("execution.seed", ["first"], []),
        ("mds.twin.path", ["first"], []),
        ("mds.twin.type", [], []),
        ("mds.input", ["first"], []),
        ("ntf.rank", [], []),
        ("fmri.realign.step", [], ["second"]),
    ],
)
def test_readers_are_found_through_helpers_and_constants(here, key, named, whole):
    (here / "planted.smk").write_text(PLANTED)
    assert readers(here, key) == (named, whole)


def test_every_key_is_read_by_a_rule_or_decides_the_plan():
    planning = {key for key in explain.options() if key.endswith(".enabled")}
    unread = {
        key
        for key in explain.options()
        if set(readers(RULES, key)[0] + readers(RULES, key)[1]) <= {"report"}
    }
    # every job asks who may read what it writes
    planning.add("execution.shared_results")
    assert unread - planning == {"report.title", "report.anonymous", "report.max_subject_figures"}
