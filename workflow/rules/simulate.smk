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
        mem_mb=2000,
        runtime=20,
    params:
        settings=config["simulate"],
        seed=config["execution"]["seed"],
        code=stage_digest("simulate"),
    message:
        "Simulating a cohort with known truth in MNI space"
    script:
        "../scripts/simulate_fmri.py"
