include: "mds_helpers.smk"


rule mds:
    input:
        stage_targets("mds"),
    message:
        "Stage mds is complete"


rule mds_simulate:
    output:
        data="results/simulated/mds/planted.h5",
        truth="results/simulated/mds/truth.npz",
    log:
        "results/logs/mds/mds_simulate.log",
    benchmark:
        "results/benchmarks/mds/mds_simulate.tsv"
    conda:
        "../../envs/mds.yaml"
    threads: 1
    resources:
        mem_mb=memory(floor=2000),
        runtime=minutes(10),
    params:
        settings=config["mds"]["planted"],
        seed=config["execution"]["seed"],
        code=stage_digest("simulate/ln8"),
    message:
        "Simulating cells of planted types that see images"
    script:
        "../scripts/mds_simulate.py"


rule mds_twin:
    input:
        data=mds_data,
        known=mds_known,
    output:
        twin="results/mds/{dataset}/twin.pt",
        metrics="results/mds/{dataset}/twin_metrics.json",
        twins="results/mds/{dataset}/twins.tsv",
        excluded="results/mds/{dataset}/excluded_units.tsv",
    log:
        "results/logs/mds/{dataset}/mds_twin.log",
    benchmark:
        "results/benchmarks/mds/{dataset}/mds_twin.tsv"
    wildcard_constraints:
        dataset="[a-zA-Z0-9]+",
    conda:
        "../../envs/mds.yaml"
    threads: 1
    resources:
        mem_mb=memory(6, floor=4000),
        runtime=minutes(240),
        gpu=mds_gpu,
    params:
        inputs=stamp(mds_data, mds_known, *mds_twin_files()),
        settings=settings("mds", *MDS_DATA, "frame_rate_hz", "device"),
        seed=config["execution"]["seed"],
        code=stage_digest("mds", "encoding"),
    message:
        "Training the twin of {wildcards.dataset}"
    script:
        "../scripts/mds_twin.py"


rule mds_cluster:
    input:
        twin="results/mds/{dataset}/twin.pt",
    output:
        runs="results/mds/{dataset}/runs/part_{part}.npz",
    log:
        "results/logs/mds/{dataset}/mds_cluster_{part}.log",
    benchmark:
        "results/benchmarks/mds/{dataset}/mds_cluster_{part}.tsv"
    wildcard_constraints:
        dataset="[a-zA-Z0-9]+",
        part="[0-9]+",
    conda:
        "../../envs/mds.yaml"
    threads: 1
    resources:
        mem_mb=memory(6, floor=4000),
        runtime=minutes(240),
        gpu=mds_gpu,
    params:
        settings=settings("mds", *MDS_SEARCH),
        seed=config["execution"]["seed"],
        code=stage_digest("mds", "encoding"),
    message:
        "Searching types in {wildcards.dataset}, part {wildcards.part} of the restarts"
    script:
        "../scripts/mds_cluster.py"


rule mds_select:
    input:
        twin="results/mds/{dataset}/twin.pt",
        runs=mds_parts,
        excluded="results/mds/{dataset}/excluded_units.tsv",
    output:
        clusters="results/mds/{dataset}/clusters.tsv",
        stimuli="results/mds/{dataset}/mds_stimuli.npz",
        summary=ensure("results/mds/{dataset}/summary.json", non_empty=True),
        restarts="results/mds/{dataset}/restarts.tsv",
        history="results/mds/{dataset}/history.tsv",
        matrices="results/mds/{dataset}/matrices.npz",
        ladder="results/mds/{dataset}/k_ladder.tsv",
        objectives="results/mds/{dataset}/objectives.tsv",
        baselines="results/mds/{dataset}/baselines.tsv",
        protocols="results/mds/{dataset}/protocols.tsv",
    log:
        "results/logs/mds/{dataset}/mds_select.log",
    benchmark:
        "results/benchmarks/mds/{dataset}/mds_select.tsv"
    wildcard_constraints:
        dataset="[a-zA-Z0-9]+",
    conda:
        "../../envs/mds.yaml"
    threads: 1
    resources:
        mem_mb=memory(6, floor=4000),
        runtime=minutes(120),
    params:
        settings=settings("mds", *MDS_SEARCH),
        seed=config["execution"]["seed"],
        code=stage_digest("mds", "encoding"),
    message:
        "Choosing among the restarts of {wildcards.dataset} and judging their agreement"
    script:
        "../scripts/mds_select.py"


rule mds_present:
    input:
        truth="results/simulated/mds/truth.npz",
        stimuli="results/mds/planted/mds_stimuli.npz",
    output:
        recording="results/simulated/mds/new_cells.npz",
    log:
        "results/logs/mds/mds_present.log",
    benchmark:
        "results/benchmarks/mds/mds_present.tsv"
    conda:
        "../../envs/mds.yaml"
    threads: 1
    resources:
        mem_mb=memory(floor=1000),
        runtime=minutes(10),
    params:
        settings=config["mds"]["planted"],
        seed=config["execution"]["seed"],
        code=stage_digest("simulate/ln8"),
    message:
        "Showing the stimuli to new planted cells"
    script:
        "../scripts/mds_present.py"


rule mds_assign:
    input:
        stimuli="results/mds/{dataset}/mds_stimuli.npz",
        recording=mds_recording,
    output:
        assignments="results/mds/{dataset}/assignments.tsv",
        found="results/mds/{dataset}/assignments_summary.json",
    log:
        "results/logs/mds/{dataset}/mds_assign.log",
    benchmark:
        "results/benchmarks/mds/{dataset}/mds_assign.tsv"
    wildcard_constraints:
        dataset="[a-zA-Z0-9]+",
    conda:
        "../../envs/mds.yaml"
    threads: 1
    resources:
        mem_mb=memory(floor=2000),
        runtime=minutes(10),
    params:
        inputs=stamp(mds_recording),
        code=stage_digest("mds"),
    message:
        "Typing new cells by the stimuli of {wildcards.dataset}"
    script:
        "../scripts/mds_assign.py"


rule mds_summary:
    input:
        summaries=expand("results/mds/{dataset}/summary.json", dataset=MDS_SETS),
        metrics=expand("results/mds/{dataset}/twin_metrics.json", dataset=MDS_SETS),
        excluded=expand("results/mds/{dataset}/excluded_units.tsv", dataset=MDS_SETS),
        typed=expand(
            "results/mds/{dataset}/assignments_summary.json", dataset=mds_typed()
        ),
    output:
        sets="results/mds/sets.tsv",
        exclusions="results/mds/exclusions.tsv",
        description="results/mds/dataset_description.json",
        report=ensure("results/mds/report.json", non_empty=True),
    log:
        "results/logs/mds/mds_summary.log",
    benchmark:
        "results/benchmarks/mds/mds_summary.tsv"
    conda:
        "../../envs/mds.yaml"
    threads: 1
    resources:
        mem_mb=memory(floor=1000),
        runtime=minutes(10),
    params:
        config={"mds": config["mds"]},
        sets=list(MDS_SETS),
        typed=list(mds_typed()),
        code=stage_digest("mds"),
    message:
        "Summing up the data sets of the functional types"
    script:
        "../scripts/mds_summary.py"
