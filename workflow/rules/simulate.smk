from neuro.simulate.names import cohort_files


rule simulate_fmri:
    output:
        expand(
            "results/simulated/{file}",
            file=cohort_files(config["simulate"]["n_subjects"]),
        ),
    log:
        "results/logs/simulate/simulate_fmri.log",
    benchmark:
        "results/benchmarks/simulate/simulate_fmri.tsv"
    conda:
        "../../envs/fmri.yaml"
    threads: 1
    resources:
        mem_mb=memory(floor=2000),
        runtime=minutes(20),
    params:
        settings={
            key: value for key, value in config["simulate"].items() if key != "scenes"
        },
        seed=config["execution"]["seed"],
        code=stage_digest("simulate"),
    message:
        "Simulating a cohort with known truth in MNI space"
    script:
        "../scripts/simulate_fmri.py"


rule simulate_scenes:
    output:
        scenes="results/simulated/scenes.h5",
        sidecar="results/simulated/scenes.json",
    log:
        "results/logs/simulate/simulate_scenes.log",
    benchmark:
        "results/benchmarks/simulate/simulate_scenes.tsv"
    conda:
        "../../envs/fmri.yaml"
    threads: 1
    resources:
        mem_mb=memory(floor=2000),
        runtime=minutes(20),
    params:
        settings=config["simulate"]["scenes"],
        seed=config["execution"]["seed"],
        code=stage_digest("simulate/scenes"),
    message:
        "Simulating scenes and the voxels that see them"
    script:
        "../scripts/simulate_scenes.py"
