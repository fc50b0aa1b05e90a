include: "adhd_helpers.smk"


rule adhd:
    input:
        stage_targets("adhd"),
    message:
        "Stage adhd is complete"


rule adhd_mask:
    input:
        masks=run_files("fmri", f"desc-brain_mask.{map_ending()}"),
        atlas=atlas_image(),
        own=mask_image(),
        surfaces=surface_files(),
    output:
        mask=f"results/adhd/group_mask.{map_ending()}",
        coverage=f"results/adhd/group_coverage.{map_ending()}",
        regions=f"results/adhd/group_dseg.{map_ending()}",
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
        runtime=minutes(20, everybody=True),
    params:
        inputs=stamp(atlas_image(), mask_image(), surface_files()),
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
            bold=f"results/work/fmri/{{folder}}/func/{{run_key}}_desc-denoisedSmoothed_bold.{series_ending()}",
            mask=f"results/adhd/group_mask.{map_ending()}",
            surfaces=surface_files(),
        output:
            **further_maps(),
            degree=node_map("degree"),
            weighteddegree=node_map("weighteddegree"),
            cycle3=node_map("cycle3"),
            clustering=node_map("clustering"),
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
            runtime=minutes(60),
        params:
            inputs=stamp(surface_files()),
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
        runtime=minutes(60, everybody=True),
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
        runtime=minutes(30, everybody=True),
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
        runtime=minutes(120, everybody=True),
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
            runtime=minutes(240, everybody=True),
        params:
            settings=settings("adhd", *DIAGNOSIS_KEYS, "permutations", "targets"),
            seed=config["execution"]["seed"],
            code=stage_digest("adhd"),
        message:
            "Predicting further targets of held-out subjects, with baselines"
        script:
            "../scripts/adhd_targets.py"


if compared_strategies():

    rule adhd_compare:
        input:
            edges="results/fmri/compare.h5",
            subjects="results/adhd/subjects.tsv",
            folds="results/adhd/folds.tsv",
        output:
            scores="results/adhd/compare.tsv",
            exclusions="results/adhd/exclusions_compare.tsv",
        log:
            "results/logs/adhd/adhd_compare.log",
        benchmark:
            "results/benchmarks/adhd/adhd_compare.tsv"
        conda:
            "../../envs/adhd.yaml"
        threads: 1
        resources:
            mem_mb=memory(6, floor=4000),
            runtime=minutes(120, everybody=True),
        params:
            settings=settings(
                "adhd",
                "runs",
                "outer_folds",
                "repeats",
                "inner_folds",
                "schemes",
                "deconfound",
                "harmonise",
                "protect",
                "transductive",
                "permutations",
                "bootstrap",
            ),
            seed=config["execution"]["seed"],
            code=stage_digest("adhd"),
        message:
            "Diagnosing held-out subjects under every compared strategy"
        script:
            "../scripts/adhd_compare.py"


if config["adhd"]["group"]["enabled"]:

    rule adhd_group:
        input:
            connectomes="results/fmri/connectomes.h5",
            features="results/adhd/features.h5",
            subjects="results/adhd/subjects.tsv",
        output:
            edges=ensure("results/adhd/group/edges.tsv", non_empty=True),
            nodes="results/adhd/group/nodes.tsv",
            components="results/adhd/group/components.tsv",
            null="results/adhd/group/null.tsv",
            model="results/adhd/group/model.json",
            exclusions="results/adhd/exclusions_group.tsv",
        log:
            "results/logs/adhd/adhd_group.log",
        benchmark:
            "results/benchmarks/adhd/adhd_group.tsv"
        conda:
            "../../envs/adhd.yaml"
        threads: 1
        resources:
            mem_mb=memory(8, floor=2000),
            runtime=minutes(120, everybody=True),
        params:
            settings=settings("adhd", "group", "log1p", "runs", "site_groups"),
            seed=config["execution"]["seed"],
            code=stage_digest("adhd"),
        message:
            "Testing edges and nodes, with residuals permuted within sites"
        script:
            "../scripts/adhd_group.py"


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
        runtime=minutes(240, everybody=True),
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
        runtime=minutes(30, everybody=True),
    params:
        settings=config["adhd"],
        seed=config["execution"]["seed"],
        code=stage_digest("adhd"),
    message:
        "Setting the scores beside their null distributions"
    script:
        "../scripts/adhd_summary.py"
