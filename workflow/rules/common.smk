# Helper functions of all rules. Parsed again by every cluster job: no data scan, no heavy import.
import gc
import re

import neuro.run.plan
from neuro.config import kinds
from neuro.run.digest import stage_digest as _digest

# Planning makes millions of objects that stay: looking for garbage after every 700 of them, as
# Python does by default, takes a tenth of its time.
gc.set_threshold(20_000, 20, 20)


def stage_digest(*packages):
    """Digest of the source a rule reaches, or the version where the user wants no more."""
    if config["execution"]["rerun_on_code_change"]:
        return _digest(*packages)
    return neuro.__version__


INPUTS = neuro.run.inputs.load(config, refresh=workflow.is_main_process)
if INPUTS.problems:
    sys.exit("\n".join([*INPUTS.problems, f"{len(INPUTS.problems)} problem(s)"]))
for _line in neuro.run.inputs.decide(config, INPUTS):
    if workflow.is_main_process:
        print(_line, file=sys.stderr)
_RUNS = {run["run_key"]: run for run in INPUTS.runs}


def runs():
    """Keys of all runs that are used, sorted."""
    return sorted(_RUNS)


def subjects():
    """Labels of all subjects that are used, sorted."""
    return sorted({run["participant_id"] for run in _RUNS.values()})


def from_tables():
    """Whether the input are region tables rather than images."""
    return INPUTS.kind in kinds.TABLES


def voxels():
    """Whether graphs join voxels rather than regions; native voxels do not correspond."""
    level = config["adhd"]["level"]
    images = not from_tables() and not INPUTS.native
    return level == "voxel" or (level == "auto" and images)


def atlas():
    """Name of the atlas in file names: letters and digits only."""
    if INPUTS.kind == "adhd200":
        return "AAL116"
    if INPUTS.kind == "table":
        return "user"
    name = (
        os.path.basename(config["fmri"]["atlas"])
        .removesuffix(".gz")
        .removesuffix(".nii")
    )
    return "".join(letter for letter in name if letter.isalnum())


def atlas_image(wildcards=None):
    """The atlas as a file, where it is one."""
    name = config["fmri"]["atlas"]
    if name == "simulated":
        return "results/simulated/atlas.nii.gz"
    return name if ".nii" in name else []


def run_file(stage, run_key, suffix):
    """Path of a run's file in a stage's derivatives."""
    return neuro.run.inputs.result_path(stage, _RUNS[run_key], suffix)


def run_files(stage, suffix):
    """Paths of the same file of all runs."""
    return [run_file(stage, key, suffix) for key in runs()]


def per_run(value):
    """A parameter that differs between runs; a constant where it does not."""
    if len({str(value(run)) for run in _RUNS.values()}) <= 1:
        return next((value(run) for run in _RUNS.values()), None)
    return lambda wildcards: value(_RUNS[wildcards.run_key])


def run_tr(run):
    """Sampling interval of a run in s; None leaves it to the image header."""
    return float(run["tr"]) if run["tr"] else None


def megabytes(paths):
    """Size of the input in MB; before it exists Snakemake is told to ask again."""
    # input.size_mb starts an event loop for every job, a fifth of the time of planning
    return sum(os.path.getsize(path) for path in paths) / 2**20


def memory(need, floor=1000):
    """Memory request in MB: a multiple of the input's size, larger at each attempt."""

    def request(wildcards, input, attempt):
        return max(floor, int(300 + need * megabytes(input) * attempt))

    return request


def settings(stage, *keys):
    """The named keys of a stage's section: a rule re-runs only for the keys it reads."""
    return {key: config[stage][key] for key in keys}


def stage_targets(stage):
    """Files that make a stage complete."""
    return [f"results/{stage}/report.json"] if config[stage]["enabled"] else []


def enabled_stages():
    """Names of the stages that are switched on, in the order of the chain."""
    return [name for name in neuro.config.STAGES if config[name]["enabled"]]


def all_targets():
    """Targets of the enabled stages and the report."""
    return [
        *(path for name in enabled_stages() for path in stage_targets(name)),
        "results/report/index.html",
    ]


def participant_targets(wildcards=None):
    """Files that each participant has of its own, nothing about the group."""
    if not config["fmri"]["enabled"]:
        return []
    if from_tables():
        return ["results/fmri/timeseries.h5"]
    return run_files("fmri", f"atlas-{atlas()}_stat-mean_timeseries.tsv")


def planned_jobs():
    """Every job of this run as a row of the plan; rules without output are names only."""
    for job in workflow.dag.jobs:
        if not job.output:
            continue
        kept = [str(path) for path in job.output if path not in job.temp_output]
        path = (kept or [str(job.output[0])])[0]
        subject = re.search(r"(?:^|/)sub-([a-zA-Z0-9]+)", path)
        name = job.rule.name
        yield {
            "stage": name.split("_")[0],
            "rule": name,
            "subject": subject[1] if subject and job.wildcards else "",
            "needed": "yes" if workflow.dag.needrun(job) else "no",
            "path": path,
            "log": str(job.log[0]) if job.log else "",
            "benchmark": str(job.benchmark or ""),
        }


onstart:
    leave_promptly(workflow.scheduler)
    neuro.run.plan.write(config, USER_CONFIG, planned_jobs())


onsuccess:
    neuro.run.plan.finish()


onerror:
    neuro.run.plan.finish()
