include: "adhd_helpers.smk"


rule adhd:
    input:
        stage_targets("adhd"),
    message:
        "Stage adhd is complete"


rule adhd_mask:
    input:
        masks=run_files("fmri", "desc-brain_mask.nii.gz"),
        atlas=atlas_image(),
        own=mask_image(),
    output:
        mask="results/adhd/group_mask.nii.gz",
        coverage="results/adhd/group_coverage.nii.gz",
        regions="results/adhd/group_dseg.nii.gz",
        labels="results/adhd/regions.tsv",
    log:
        "results/logs/adhd/adhd_mask.log",
    benchmark:
        "results/benchmarks/adhd/adhd_mask.tsv"
    conda:
        "../../envs/adhd.yaml"
    threads: 1
    resources:
        mem_mb=memory(floor=2000),
        runtime=20,
    params:
        inputs=stamp(atlas_image(), mask_image()),
        atlas=settings("fmri", "atlas", "sphere_mm"),
        regions=config["adhd"]["mask"]["regions"],
        scope=config["adhd"]["mask"]["scope"],
        code=stage_digest("adhd", "fmri"),
    message:
        "Joining the brain masks of all runs"
    script:
        "../scripts/adhd_mask.py"


if voxels():

    rule adhd_graph:
        input:
            bold="results/fmri/{folder}/func/{run_key}_desc-denoisedSmoothed_bold.nii.gz",
            mask="results/adhd/group_mask.nii.gz",
        output:
            **cycle4_map(),
            degree="results/adhd/{folder}/func/{run_key}_stat-degree_boldmap.nii.gz",
            weighteddegree="results/adhd/{folder}/func/{run_key}_stat-weighteddegree_boldmap.nii.gz",
            distdegree="results/adhd/{folder}/func/{run_key}_stat-distdegree_boldmap.nii.gz",
            cycle3="results/adhd/{folder}/func/{run_key}_stat-cycle3_boldmap.nii.gz",
            clustering="results/adhd/{folder}/func/{run_key}_stat-clustering_boldmap.nii.gz",
            graph="results/adhd/{folder}/func/{run_key}_desc-graph.json",
        log:
            "results/logs/adhd/{folder}/func/{run_key}_adhd_graph.log",
        benchmark:
            "results/benchmarks/adhd/{folder}/func/{run_key}_adhd_graph.tsv"
        conda:
            "../../envs/adhd.yaml"
        threads: 1
        resources:
            mem_mb=memory(12, floor=1500),
            runtime=60,
        params:
            tr=per_run(run_tr),
            settings=settings(
                "adhd",
                "threshold",
                "density",
                "distance_bins",
                "block",
                "cycles4",
                "truncate_to",
            ),
            band=config["fmri"]["band"],
            code=stage_digest("adhd"),
        message:
            "Counting degrees and 3-cycles in the voxel graph of {wildcards.run_key}"
        script:
            "../scripts/adhd_graph.py"


rule adhd_graph_roi:
    input:
        series="results/fmri/timeseries.h5",
        coords="results/fmri/regions.tsv",
    output:
        maps="results/adhd/roi_maps.h5",
        graphs="results/adhd/graphs_roi.tsv",
    log:
        "results/logs/adhd/adhd_graph_roi.log",
    benchmark:
        "results/benchmarks/adhd/adhd_graph_roi.tsv"
    conda:
        "../../envs/adhd.yaml"
    threads: 1
    resources:
        mem_mb=memory(3, floor=2000),
        runtime=60,
    params:
        settings=settings(
            "adhd", "threshold", "density", "distance_bins", "cycles4", "truncate_to"
        ),
        band=config["fmri"]["band"],
        code=stage_digest("adhd"),
    message:
        "Counting degrees and 3-cycles in the region graphs of all runs"
    script:
        "../scripts/adhd_graph_roi.py"


rule adhd_features:
    input:
        unpack(feature_inputs),
    output:
        features="results/adhd/features.h5",
        subjects="results/adhd/subjects.tsv",
        folds="results/adhd/folds.tsv",
        graphs="results/adhd/graphs.tsv",
        exclusions="results/adhd/exclusions_features.tsv",
    log:
        "results/logs/adhd/adhd_features.log",
    benchmark:
        "results/benchmarks/adhd/adhd_features.tsv"
    conda:
        "../../envs/adhd.yaml"
    threads: 1
    resources:
        mem_mb=memory(4, floor=4000),
        runtime=30,
    params:
        run_keys=runs(),
        settings=settings(
            "adhd",
            "features",
            "runs",
            "keep_single_class_sites",
            "site_groups",
            "schemes",
            "outer_folds",
            "repeats",
        ),
        seed=config["execution"]["seed"],
        code=stage_digest("adhd"),
    message:
        "Gathering the features of all subjects"
    script:
        "../scripts/adhd_features.py"


DIAGNOSIS_KEYS = (
    "features",
    "primary",
    "log1p",
    "mask",
    "pca",
    "shrinkage",
    "outer_folds",
    "repeats",
    "inner_folds",
    "schemes",
    "site_groups",
    "deconfound",
    "harmonise",
    "protect",
    "transductive",
)


rule adhd_diagnose:
    input:
        features="results/adhd/features.h5",
        subjects="results/adhd/subjects.tsv",
        folds="results/adhd/folds.tsv",
    output:
        predictions="results/adhd/predictions.tsv",
        absent="results/adhd/absent_baselines.tsv",
        exclusions="results/adhd/exclusions_diagnose.tsv",
        mask="results/adhd/mask.tsv",
        pattern="results/adhd/pattern.tsv",
        model="results/adhd/model.npz",
    log:
        "results/logs/adhd/adhd_diagnose.log",
    benchmark:
        "results/benchmarks/adhd/adhd_diagnose.tsv"
    conda:
        "../../envs/adhd.yaml"
    threads: 1
    resources:
        mem_mb=memory(6, floor=4000),
        runtime=120,
    params:
        settings=settings("adhd", *DIAGNOSIS_KEYS),
        seed=config["execution"]["seed"],
        code=stage_digest("adhd"),
    message:
        "Diagnosing held-out subjects, with baselines"
    script:
        "../scripts/adhd_diagnose.py"


if config["adhd"]["targets"]:

    rule adhd_targets:
        input:
            features="results/adhd/features.h5",
            subjects="results/adhd/subjects.tsv",
            folds="results/adhd/folds.tsv",
        output:
            scores="results/adhd/targets.tsv",
            predictions="results/adhd/target_predictions.tsv",
            exclusions="results/adhd/exclusions_targets.tsv",
        log:
            "results/logs/adhd/adhd_targets.log",
        benchmark:
            "results/benchmarks/adhd/adhd_targets.tsv"
        conda:
            "../../envs/adhd.yaml"
        threads: 1
        resources:
            mem_mb=memory(6, floor=4000),
            runtime=240,
        params:
            settings=settings("adhd", *DIAGNOSIS_KEYS, "permutations", "targets"),
            seed=config["execution"]["seed"],
            code=stage_digest("adhd"),
        message:
            "Predicting further targets of held-out subjects, with baselines"
        script:
            "../scripts/adhd_targets.py"


rule adhd_permute:
    input:
        features="results/adhd/features.h5",
        subjects="results/adhd/subjects.tsv",
        folds="results/adhd/folds.tsv",
    output:
        "results/adhd/permutations/chunk-{chunk}.tsv",
    log:
        "results/logs/adhd/permutations/chunk-{chunk}_adhd_permute.log",
    benchmark:
        "results/benchmarks/adhd/permutations/chunk-{chunk}_adhd_permute.tsv"
    conda:
        "../../envs/adhd.yaml"
    threads: 1
    resources:
        mem_mb=memory(6, floor=4000),
        runtime=240,
    params:
        settings=settings("adhd", *DIAGNOSIS_KEYS, "permutations"),
        chunks=PERMUTE_CHUNKS,
        seed=config["execution"]["seed"],
        code=stage_digest("adhd"),
    message:
        "Null distribution, part {wildcards.chunk}"
    script:
        "../scripts/adhd_permute.py"


rule adhd_summary:
    input:
        unpack(summary_inputs),
    output:
        scores=ensure("results/adhd/scores.tsv", non_empty=True),
        permutations="results/adhd/permutations.tsv",
        maps="results/adhd/group_maps.tsv",
        volumes=group_volumes(),
        exclusions="results/adhd/exclusions.tsv",
        description="results/adhd/dataset_description.json",
        report=ensure("results/adhd/report.json", non_empty=True),
    log:
        "results/logs/adhd/adhd_summary.log",
    benchmark:
        "results/benchmarks/adhd/adhd_summary.tsv"
    conda:
        "../../envs/adhd.yaml"
    threads: 1
    resources:
        mem_mb=memory(3, floor=2000),
        runtime=30,
    params:
        settings=config["adhd"],
        seed=config["execution"]["seed"],
        code=stage_digest("adhd"),
    message:
        "Setting the scores beside their null distributions"
    script:
        "../scripts/adhd_summary.py"
