include: "demovae_helpers.smk"


rule demovae:
    input:
        stage_targets("demovae"),
    message:
        "Stage demovae is complete"


rule demovae_fit:
    input:
        connectomes="results/fmri/connectomes.h5",
        qc="results/fmri/group_qc.tsv",
        participants="results/participants.tsv",
    output:
        model=ensure("results/demovae/model.npz", non_empty=True),
        history="results/demovae/history.tsv",
        exclusions="results/demovae/exclusions_fit.tsv",
    log:
        "results/logs/demovae/demovae_fit.log",
    benchmark:
        "results/benchmarks/demovae/demovae_fit.tsv"
    conda:
        "../../envs/demovae.yaml"
    threads: 1
    resources:
        mem_mb=memory(6, floor=4000),
        runtime=minutes(240, everybody=True),
    params:
        cohort=DEMOVAE_COHORT,
        settings=DEMOVAE_MODEL,
        seed=DEMOVAE_SEED,
        code=stage_digest("demovae"),
    message:
        "Fitting the demographic-conditioned autoencoder on all subjects"
    script:
        "../scripts/demovae_fit.py"


rule demovae_features:
    input:
        model="results/demovae/model.npz",
        connectomes="results/fmri/connectomes.h5",
        qc="results/fmri/group_qc.tsv",
        participants="results/participants.tsv",
    output:
        latents="results/demovae/latents.tsv",
        deconfounded="results/demovae/deconfounded.npz",
    log:
        "results/logs/demovae/demovae_features.log",
    benchmark:
        "results/benchmarks/demovae/demovae_features.tsv"
    conda:
        "../../envs/demovae.yaml"
    threads: 1
    resources:
        mem_mb=memory(4, floor=2000),
        runtime=minutes(30, everybody=True),
    params:
        cohort=DEMOVAE_COHORT,
        settings=settings("demovae", "add_back"),
        code=stage_digest("demovae"),
    message:
        "Re-expressing all connectomes at reference demographics"
    script:
        "../scripts/demovae_features.py"


rule demovae_sample:
    input:
        model="results/demovae/model.npz",
        participants="results/participants.tsv",
        connectomes="results/fmri/connectomes.h5",
        qc="results/fmri/group_qc.tsv",
        grid=config["demovae"]["grid"] or [],
    output:
        synthetic="results/demovae/synthetic.npz",
        demographics="results/demovae/synthetic_demographics.tsv",
    log:
        "results/logs/demovae/demovae_sample.log",
    benchmark:
        "results/benchmarks/demovae/demovae_sample.tsv"
    conda:
        "../../envs/demovae.yaml"
    threads: 1
    resources:
        mem_mb=memory(6, floor=4000, pairs=16),
        runtime=minutes(60, everybody=True),
    params:
        inputs=stamp(config["demovae"]["grid"]),
        cohort=DEMOVAE_COHORT,
        settings=settings(
            "demovae",
            "n_samples",
            "psd",
            "residual_noise",
            "sampler",
            "batch",
            "latent_dim",
            "unseen",
            "missing",
            "min_level_count",
        ),
        seed=DEMOVAE_SEED,
        code=stage_digest("demovae"),
    message:
        "Drawing synthetic connectomes"
    script:
        "../scripts/demovae_sample.py"


rule demovae_evaluate:
    input:
        connectomes="results/fmri/connectomes.h5",
        qc="results/fmri/group_qc.tsv",
        participants="results/participants.tsv",
        folds=demovae_folds,
    output:
        readouts=ensure("results/demovae/readouts.tsv", non_empty=True),
        associations="results/demovae/associations.tsv",
        reconstruction="results/demovae/reconstruction.tsv",
    log:
        "results/logs/demovae/demovae_evaluate.log",
    benchmark:
        "results/benchmarks/demovae/demovae_evaluate.tsv"
    conda:
        "../../envs/demovae.yaml"
    threads: 1
    resources:
        mem_mb=memory(8, floor=6000),
        runtime=minutes(480, everybody=True),
    params:
        cohort=DEMOVAE_COHORT,
        settings=DEMOVAE_MODEL | settings("demovae", "folds"),
        seed=DEMOVAE_SEED,
        code=stage_digest("demovae"),
    message:
        "Judging the features on held-out subjects"
    script:
        "../scripts/demovae_evaluate.py"


rule demovae_compare:
    input:
        connectomes="results/fmri/connectomes.h5",
        qc="results/fmri/group_qc.tsv",
        participants="results/participants.tsv",
    output:
        table="results/demovae/compare.tsv",
        summary="results/demovae/compare_summary.tsv",
    log:
        "results/logs/demovae/demovae_compare.log",
    benchmark:
        "results/benchmarks/demovae/demovae_compare.tsv"
    conda:
        "../../envs/demovae.yaml"
    threads: 1
    resources:
        mem_mb=memory(8, floor=4000),
        runtime=minutes(240, everybody=True),
    params:
        cohort=DEMOVAE_COHORT,
        settings=DEMOVAE_MODEL | settings("demovae", "folds", "compare"),
        seed=DEMOVAE_SEED,
        code=stage_digest("demovae"),
    message:
        "Comparing the ways of removing demographics"
    script:
        "../scripts/demovae_compare.py"


if config["demovae"]["phenotypes"]["enabled"]:

    rule demovae_phenotypes:
        input:
            connectomes="results/fmri/connectomes.h5",
            qc="results/fmri/group_qc.tsv",
            participants="results/participants.tsv",
        output:
            table="results/demovae/phenotypes.tsv",
            exclusions="results/demovae/exclusions_phenotypes.tsv",
        log:
            "results/logs/demovae/demovae_phenotypes.log",
        benchmark:
            "results/benchmarks/demovae/demovae_phenotypes.tsv"
        conda:
            "../../envs/demovae.yaml"
        threads: 1
        resources:
            mem_mb=memory(8, floor=4000),
            runtime=minutes(240, everybody=True),
        params:
            cohort=DEMOVAE_COHORT,
            settings=DEMOVAE_MODEL | settings("demovae", "phenotypes"),
            seed=DEMOVAE_SEED,
            code=stage_digest("demovae"),
        message:
            "Predicting every column of the participants table, before and after removal"
        script:
            "../scripts/demovae_phenotypes.py"


rule demovae_generation:
    input:
        connectomes="results/fmri/connectomes.h5",
        qc="results/fmri/group_qc.tsv",
        participants="results/participants.tsv",
    output:
        generation="results/demovae/generation.tsv",
        maps="results/demovae/map_comparison.tsv",
        arrays="results/demovae/generation.npz",
    log:
        "results/logs/demovae/demovae_generation.log",
    benchmark:
        "results/benchmarks/demovae/demovae_generation.tsv"
    conda:
        "../../envs/demovae.yaml"
    threads: 1
    resources:
        mem_mb=memory(8, floor=4000),
        runtime=minutes(240, everybody=True),
    params:
        cohort=DEMOVAE_COHORT,
        settings=DEMOVAE_MODEL
        | settings("demovae", "n_samples", "psd", "residual_noise", "sampler", "batch"),
        seed=DEMOVAE_SEED,
        code=stage_digest("demovae"),
    message:
        "Judging synthetic connectomes against held-out subjects"
    script:
        "../scripts/demovae_generation.py"


rule demovae_diagnosis:
    input:
        connectomes="results/fmri/connectomes.h5",
        qc="results/fmri/group_qc.tsv",
        participants="results/participants.tsv",
        folds="results/adhd/folds.tsv",
    output:
        scores=ensure("results/demovae/dx_without_demographics.tsv", non_empty=True),
        exclusions="results/demovae/exclusions_diagnosis.tsv",
    log:
        "results/logs/demovae/demovae_diagnosis.log",
    benchmark:
        "results/benchmarks/demovae/demovae_diagnosis.tsv"
    conda:
        "../../envs/demovae.yaml"
    threads: 1
    resources:
        mem_mb=memory(8, floor=6000),
        runtime=minutes(600, everybody=True),
    params:
        cohort=DEMOVAE_COHORT,
        settings=DEMOVAE_MODEL | settings("demovae", "latent_dims", "permutations"),
        bootstrap=config["adhd"]["bootstrap"],
        seed=DEMOVAE_SEED,
        code=stage_digest("demovae", "adhd"),
    message:
        "Diagnosing again without demographics, everything fitted inside each fold"
    script:
        "../scripts/demovae_diagnosis.py"


rule demovae_planted:
    output:
        table="results/demovae/planted.tsv",
        arrays="results/demovae/planted.npz",
    log:
        "results/logs/demovae/demovae_planted.log",
    benchmark:
        "results/benchmarks/demovae/demovae_planted.tsv"
    conda:
        "../../envs/demovae.yaml"
    threads: 1
    resources:
        mem_mb=memory(floor=2000),
        runtime=minutes(60),
    params:
        settings=DEMOVAE_MODEL | settings("demovae", "planted"),
        seed=DEMOVAE_SEED,
        code=stage_digest("demovae", "simulate"),
    message:
        "Planting demographics in connectomes and looking what comes back"
    script:
        "../scripts/demovae_planted.py"


rule demovae_summary:
    input:
        readouts="results/demovae/readouts.tsv",
        associations="results/demovae/associations.tsv",
        reconstruction="results/demovae/reconstruction.tsv",
        compare="results/demovae/compare_summary.tsv",
        phenotypes=demovae_phenotypes,
        generation="results/demovae/generation.tsv",
        maps="results/demovae/map_comparison.tsv",
        diagnosis=demovae_diagnosis,
        planted=demovae_planted,
        exclusions=demovae_exclusions,
        model="results/demovae/model.npz",
        latents="results/demovae/latents.tsv",
        synthetic="results/demovae/synthetic.npz",
    output:
        exclusions="results/demovae/exclusions.tsv",
        description="results/demovae/dataset_description.json",
        report=ensure("results/demovae/report.json", non_empty=True),
    log:
        "results/logs/demovae/demovae_summary.log",
    benchmark:
        "results/benchmarks/demovae/demovae_summary.tsv"
    conda:
        "../../envs/demovae.yaml"
    threads: 1
    resources:
        mem_mb=memory(floor=1000),
        runtime=minutes(15, everybody=True),
    params:
        config={"demovae": config["demovae"]},
        code=stage_digest("demovae"),
    message:
        "Gathering the headline figures of demovae"
    script:
        "../scripts/demovae_summary.py"
