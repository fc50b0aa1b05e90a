import copy
import os
import sys

from snakemake.utils import min_version

min_version("9.15")

# The demo's settings are read only when the user brings none: a user's file never inherits them.
if not config.get("data"):

    configfile: os.path.join(workflow.basedir, "config.yaml")


import neuro.config
import neuro.run.inputs
import neuro.run.settings

USER_CONFIG = copy.deepcopy(config)
problems = (
    neuro.run.settings.problems(workflow.configfiles)
    if workflow.is_main_process
    else []
)
problems += neuro.config.resolve(config, source="config")
if problems:
    sys.exit(
        "\n".join([*problems, f"{len(problems)} problem(s); see docs/configuration.md"])
    )


report: "workflow/report/workflow.rst"


wildcard_constraints:
    folder=r"sub-[a-zA-Z0-9]+(/ses-[a-zA-Z0-9]+)?",
    run_key=r"sub-[a-zA-Z0-9]+(_(?!atlas-)[a-z]+-[a-zA-Z0-9]+)*",
    chunk=r"[0-9]+",


include: "workflow/rules/leaving.smk"
include: "workflow/rules/common.smk"
include: "workflow/rules/simulate.smk"
include: "workflow/rules/fmri.smk"
include: "workflow/rules/adhd.smk"
include: "workflow/rules/demovae.smk"
include: "workflow/rules/ntf.smk"
include: "workflow/rules/hmmglm.smk"
include: "workflow/rules/mds.smk"
include: "workflow/rules/braindive.smk"
include: "workflow/rules/report.smk"


rule all:
    default_target: True
    input:
        all_targets,
    message:
        "Everything is done; the report is results/report/index.html"


rule participant:
    input:
        participant_targets,
    message:
        "Every participant's own files are made; `group` makes the rest"
