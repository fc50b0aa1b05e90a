# Helper functions of all rules. Parsed again by every cluster job: no data scan, no heavy import.
import gc
import logging
import re

from snakemake.io import is_flagged, strip_wildcard_constraints

import neuro.base.job
import neuro.base.record
import neuro.run.notes
import neuro.run.plan
import neuro.run.stamps
from neuro.config import kinds
from neuro.base.beside import other_hemisphere
from neuro.run.digest import stage_digest as _digest

# Planning makes millions of objects that stay: looking for garbage after every 700 of them, as
# Python does by default, takes a tenth of its time.
gc.set_threshold(20_000, 20, 20)
# On a full disk each line of Snakemake's own log would bring a stack; one line tells of the disk.
logging.raiseExceptions = False


def stage_digest(*packages):
    """Digest of the source a rule reaches, or the version where the user wants no more."""
    if config["execution"]["rerun_on_code_change"]:
        return _digest(*packages)
    return neuro.__version__


STAMPS = neuro.run.stamps.Stamps(refresh=workflow.is_main_process)
INPUTS = neuro.run.inputs.load(config, refresh=workflow.is_main_process)
_problems = INPUTS.problems
if workflow.is_main_process:
    _problems = neuro.run.plan.room() + _problems
if workflow.is_main_process:
    _problems = _problems + neuro.base.record.altered()
if _problems:
    sys.exit("\n".join([*_problems, f"{len(_problems)} problem(s)"]))
for _line in neuro.run.inputs.decide(config, INPUTS):
    if workflow.is_main_process:
        print(_line, file=sys.stderr)


def by_records(build):
    """Plan, and run jobs again whose records know of other parameters.

    Where Snakemake's notes are not those of these results it would take any file for made with
    the settings of today.
    """

    def build_and_look():
        build()
        dag = workflow.dag
        changed = [
            job
            for job in dag.jobs
            if job.log
            and not dag.needrun(job)
            and neuro.run.notes.other_settings(job.log[0], dict(job.params.items()))
        ]
        if changed:
            # as Snakemake does with files of a job that did not end
            dag.forcefiles.update(path for job in changed for path in job.output)
            workflow.async_run(dag.update_needrun())

    return build_and_look


if workflow.is_main_process and not neuro.run.notes.same():
    workflow._build_dag = by_records(workflow._build_dag)
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


def on_surfaces():
    """Whether the runs are series on surfaces rather than in volumes."""
    return neuro.run.inputs.on_surfaces(_RUNS.values())


def series_ending():
    """Ending of series of voxels, or of grayordinates."""
    return "dtseries.nii" if on_surfaces() else "nii.gz"


def map_ending():
    """Ending of maps of voxels, or of grayordinates."""
    return "dscalar.nii" if on_surfaces() else "nii.gz"


def surface_files():
    """Meshes that the user gave, left before right."""
    both = config["fmri"]["surfaces"]
    return [both[side] for side in ("left", "right") if both[side]]


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
    name = os.path.basename(config["fmri"]["atlas"])
    for ending in (".gz", ".nii", ".gii", ".annot", ".dlabel", ".label"):
        name = name.removesuffix(ending)
    return "".join(letter for letter in name if letter.isalnum())


def atlas_image():
    """The atlas as a file, where it is one."""
    name = config["fmri"]["atlas"]
    if name == "simulated":
        return "results/simulated/atlas.nii.gz"
    if name.endswith((".annot", ".gii")):
        return [path for path in (name, other_hemisphere(name)) if path]
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
    return sum(map(os.path.getsize, neuro.base.record.files(paths))) / 2**20


def memory(need=0, floor=1000, base=300, pairs=0):
    """Memory request in MB, all of it larger at each attempt.

    A base and a multiple of the input's size, but not less than the floor. A job that compares
    everybody with everybody needs so many bytes for each pair of runs on top.
    """

    def request(wildcards, input, attempt):
        size = megabytes(input) if need else 0
        everybody = pairs * len(_RUNS) ** 2 / 2**20
        return attempt * max(floor, int(base + need * size + everybody))

    return request


LONGEST = 2880
"""Minutes that no job asks for more than: few partitions give more."""


def minutes(base, everybody=False):
    """Time request in minutes, longer at each attempt.

    Jobs about everybody ask for as many times more as there are thousands of runs.
    """

    def request(wildcards, attempt):
        thousands = max(1, -(-len(_RUNS) // 1000)) if everybody else 1
        return min(LONGEST, attempt * base * thousands)

    return request


def settings(stage, *keys):
    """The named keys of a stage's section: a rule re-runs only for the keys it reads."""
    return {key: config[stage][key] for key in keys}


def stamp(*items):
    """A parameter: what the files from outside are, so that a rule runs again for others.

    Paths, lists of them, and the input functions of the rule.
    """
    if any(callable(entry) for entry in items):
        return lambda wildcards: STAMPS.of(
            [entry(wildcards) if callable(entry) else entry for entry in items]
        )
    return STAMPS.of(items)


def run_sidecars(wildcards=None):
    """Sidecars of a run, or of all runs."""
    keys = [wildcards.run_key] if hasattr(wildcards, "run_key") else runs()
    return [neuro.run.inputs.sidecars(config, _RUNS[key]) for key in keys]


ONCE = [{}]


def each_run():
    """Wildcards of the jobs of a rule that works on one run."""
    jobs = []
    for key in runs():
        folder = os.path.dirname(os.path.dirname(run_file("", key, "")))
        jobs.append({"folder": os.path.relpath(folder, "results"), "run_key": key})
    return jobs


def simulate_jobs():
    """What is simulated in this run, as rules with the wildcards of their jobs."""
    scenes = ["results/simulated/scenes.h5"]
    seen = config["braindive"]["enabled"] and braindive_data() == scenes
    seen = seen or scenes[0] in MDS_SETS.values()
    return {
        "simulate_fmri": ONCE if INPUTS.kind == "simulated" else [],
        "simulate_scenes": ONCE if seen else [],
    }


def report_jobs():
    """The one rule of the report."""
    return {"report": ONCE}


def lacking(stage):
    """Of each job of a stage the first output that is missing, temporary ones aside.

    Snakemake makes a missing file again only where something asks for it. Where nothing of the
    stage is there yet, its end asks for all.
    """
    folder = {"simulate": "simulated"}.get(stage, stage)
    if not os.path.isdir(f"results/{folder}"):
        return
    for name, jobs in globals()[f"{stage}_jobs"]().items():
        # not those of `rules.name`, which have lost their flags
        patterns = [
            strip_wildcard_constraints(path)
            for path in workflow.get_rule(name).output
            if not is_flagged(path, "temp")
        ]
        for wildcards in jobs:
            paths = (path.format(**wildcards) for path in patterns)
            missing = next((path for path in paths if not os.path.exists(path)), None)
            if missing:
                yield missing


def stage_end(stage):
    """The file that a stage makes last."""
    return [f"results/{stage}/report.json"] if config[stage]["enabled"] else []


def stage_targets(*stages):
    """Input function: files that make stages complete, none of them forgotten."""
    return lambda wildcards: [
        path
        for stage in stages
        if config[stage]["enabled"]
        for path in dict.fromkeys([*stage_end(stage), *lacking(stage)])
    ]


def enabled_stages():
    """Names of the stages that are switched on, in the order of the chain."""
    return [name for name in neuro.config.STAGES if config[name]["enabled"]]


def all_targets(wildcards):
    """Targets of the enabled stages and the report."""
    return [
        *stage_targets(*enabled_stages())(wildcards),
        *lacking("simulate"),
        *lacking("report"),
        "results/report/index.html",
    ]


def participant_targets(wildcards=None):
    """Files that each participant has of its own, nothing about the group."""
    if not config["fmri"]["enabled"]:
        return []
    if from_tables():
        return ["results/fmri/timeseries.h5"]
    return run_files("fmri", f"atlas-{atlas()}_stat-mean_timeseries.tsv")


def planned_outputs():
    """Every file of this run that stays, and the log of its job where the job ran."""
    for job in workflow.dag.jobs:
        log = str(job.log[0]) if job.log and workflow.dag.needrun(job) else ""
        yield from (
            (str(path), log) for path in job.output if path not in job.temp_output
        )


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
            "temporary": " ".join(map(str, job.temp_output)),
            "settings": neuro.base.record.settings_digest(dict(job.params.items())),
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
    try:
        STAMPS.save()
        neuro.run.plan.write(config, USER_CONFIG, planned_jobs())
    except OSError as error:
        sys.exit(neuro.base.job.outer(error) or f"results/provenance: {error}")


onsuccess:
    if lines := neuro.run.plan.finish(planned_outputs()):
        sys.exit("\n".join([*lines, f"{len(lines)} problem(s)"]))


onerror:
    neuro.run.plan.finish()
