"""Make the stored cases of the per-rule tests anew from one small run of the workflow.

`python tests/unit/regenerate.py [RULE ...]` (all rules by default). The run uses a cropped
simulated cohort, so that all cases together stay below 1 MB. Read the difference before you
commit it: an expectation that changes is a result that changes.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

import yaml

sys.path.insert(0, str(Path(__file__).parent))
from cases import CASES
from cases.fmri import crop_cohort, raw_run, small_tables
from cases.hmmglm import spike_table
from common import ROOT, UNTRACKED, headings, only, snakemake

HERE = Path(__file__).parent


def finished_run(folder: Path, config: dict, target: str, rules=()) -> None:
    """Run the workflow in a folder up to a target, with the named rules only where there are."""
    (folder / "config.yaml").write_text(yaml.safe_dump(only(config), sort_keys=False))
    some = ("--allowed-rules", *rules) if rules else ()
    snakemake(folder, target, "--configfile", "config.yaml", "--cores", "2", "--notemp", *some)


def headings_only(page: Path) -> str:
    """A page's headings, all that is compared of it."""
    # Times come from files that a rule on its own does not see.
    texts = [text for text in headings(page) if text != "Time and memory"]
    return "".join(f"<h2>{text}</h2>\n" for text in texts)


def alone(folder: Path, patterns, target: Path) -> Path:
    """A folder that holds only what a rule reads."""
    shutil.copytree(folder / "input", target / "input")
    for path in (path for pattern in patterns for path in folder.glob(pattern)):
        place = target / path.relative_to(folder)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, place)
    return target


def store(rule: str, case, folder: Path) -> None:
    """Copy what a rule reads and writes from a finished run."""
    place = HERE / rule
    shutil.rmtree(place, ignore_errors=True)
    for part, patterns in (("data", case.inputs), ("expected", case.outputs)):
        for pattern in patterns:
            found = [path for path in sorted(folder.glob(pattern)) if path.is_file()]
            if not found:
                raise SystemExit(f"{rule}: nothing matches {pattern}")
            for path in found:
                name = path.relative_to(folder)
                if name.as_posix().startswith(UNTRACKED):
                    continue
                target = place / part / name
                target.parent.mkdir(parents=True, exist_ok=True)
                if path.suffix == ".html":
                    target.write_text(headings_only(path))
                else:
                    shutil.copyfile(path, target)
    (place / "data").mkdir(exist_ok=True)
    (place / "config.yaml").write_text(yaml.safe_dump(case.config, sort_keys=False))
    (place / "targets.txt").write_text("\n".join(case.targets) + "\n")


def main(rules):
    """Regenerate the named cases, or all of them."""
    wanted = {name: case for name, case in CASES.items() if not rules or name in rules}
    unknown = set(rules) - set(CASES)
    if unknown:
        raise SystemExit(f"no case for: {', '.join(sorted(unknown))}")
    runs: dict[str, Path] = {}
    with tempfile.TemporaryDirectory() as top:
        for name, case in wanted.items():
            key = yaml.safe_dump([case.config, case.run_target])
            if key not in runs:
                folder = Path(top) / str(len(runs))
                folder.mkdir()
                rules = ()
                if case.prepare:
                    case.prepare(folder)
                    rules = [rule for rule, other in CASES.items() if other.config is case.config]
                elif case.config["data"]["kind"] == "table":
                    small_tables(folder / "input")
                elif case.config["data"]["kind"] == "bids":
                    raw_run(folder / "input")
                elif "sets" in case.config.get("hmmglm", {}):
                    spike_table(folder / "input")
                elif case.config["data"]["kind"] not in ("simulated", "none"):
                    crop_cohort(folder / "input")
                stages = {rule.partition("_")[0] for rule in case.borrowed}
                off = {stage: {"enabled": False} for stage in stages}
                finished_run(folder, case.config | off, case.run_target, rules)
                for rule in case.borrowed:
                    shutil.copytree(HERE / rule / "expected", folder, dirs_exist_ok=True)
                if case.borrowed:
                    folder = alone(folder, case.inputs, Path(top) / f"alone-{name}")
                    finished_run(folder, case.config, case.targets[0], (name,))
                runs[key] = folder
            store(name, case, runs[key])
    size = sum(path.stat().st_size for path in HERE.rglob("*") if path.is_file())
    print(f"{len(wanted)} cases from {ROOT.name}, {size / 1e6:.2f} MB in tests/unit")


if __name__ == "__main__":
    main(sys.argv[1:])
