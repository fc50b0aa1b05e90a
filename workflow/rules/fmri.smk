include: "fmri_helpers.smk"


localrules:
    fmri_index,


rule fmri:
    input:
        stage_targets("fmri"),
    message:
        "Stage fmri is complete"


rule fmri_index:
    input:
        runs="results/inputs.tsv",
        sources=INPUTS.sources,
        sidecars=scanned_sidecars(),
    output:
        runs=ensure("results/fmri/runs.tsv", non_empty=True),
        participants=ensure("results/participants.tsv", non_empty=True),
        exclusions="results/fmri/exclusions_index.tsv",
    log:
        "results/logs/fmri/fmri_index.log",
    benchmark:
        "results/benchmarks/fmri/fmri_index.tsv"
    conda:
        "../../envs/fmri.yaml"
    threads: 1
    resources:
        mem_mb=memory(floor=1000),
        runtime=minutes(15, everybody=True),
    params:
        inputs=stamp(INPUTS.sources, scanned_sidecars()),
        data=config["data"],
        kind=INPUTS.kind,
        code=stage_digest("run/layouts"),
    message:
        "Listing the runs and the participants"
    script:
        "../scripts/fmri_index.py"


if from_tables():

    rule fmri_table:
        input:
            tables=INPUTS.files,
            runs="results/fmri/runs.tsv",
            atlas=atlas_image(),
        output:
            series="results/fmri/timeseries.h5",
            regions="results/fmri/regions.tsv",
            qc="results/fmri/table_qc.tsv",
            exclusions="results/fmri/exclusions_table.tsv",
        log:
            "results/logs/fmri/fmri_table.log",
        benchmark:
            "results/benchmarks/fmri/fmri_table.tsv"
        conda:
            "../../envs/fmri.yaml"
        threads: 1
        resources:
            mem_mb=memory(floor=2000),
            runtime=minutes(60, everybody=True),
        params:
            inputs=stamp(INPUTS.files, table_beside(), run_sidecars(), atlas_image()),
            data=config["data"],
            kind=INPUTS.kind,
            settings=settings(
                "fmri",
                "clean_tables",
                "band",
                "filter",
                "drop_volumes",
                "min_seconds",
                "constant_regions",
            ),
            code=stage_digest("fmri", "run/layouts"),
        message:
            "Reading the region tables of all runs"
        script:
            "../scripts/fmri_table.py"

else:

    if from_raw():

        if config["fmri"]["slice_timing"] != "off":

            rule fmri_slicetime:
                input:
                    bold=run_input("bold"),
                    json=run_input("json"),
                output:
                    bold=temp(
                        "results/work/fmri/{folder}/func/{run_key}_desc-slicetimed_bold.nii.gz"
                    ),
                    exclusions="results/work/fmri/{folder}/func/{run_key}_desc-slicetimedExclusions.tsv",
                log:
                    "results/logs/fmri/{folder}/func/{run_key}_fmri_slicetime.log",
                benchmark:
                    "results/benchmarks/fmri/{folder}/func/{run_key}_fmri_slicetime.tsv"
                conda:
                    "../../envs/fmri.yaml"
                threads: 1
                resources:
                    mem_mb=memory(12),
                    runtime=minutes(30),
                params:
                    inputs=stamp(run_input("bold"), run_sidecars),
                    root=config["data"]["root"],
                    tr=per_run(run_tr),
                    voxel_size=config["data"]["voxel_size"],
                    skip_bad=config["execution"]["skip_bad_subjects"],
                    settings=settings("fmri", "drop_volumes", "slice_reference"),
                    code=stage_digest("fmri"),
                message:
                    "Slice timing of {wildcards.run_key}"
                script:
                    "../scripts/fmri_slicetime.py"

        rule fmri_realign:
            input:
                bold=slice_timed("desc-slicetimed_bold.nii.gz", "bold"),
                before=slice_timed("desc-slicetimedExclusions.tsv"),
                affine=run_affine(),
                target=config["fmri"]["normalise"]["target"] or [],
            output:
                bold="results/work/fmri/{folder}/func/{run_key}_desc-preproc_bold.nii.gz",
                motion="results/work/fmri/{folder}/func/{run_key}_desc-motion_timeseries.tsv",
                mask="results/work/fmri/{folder}/func/{run_key}_desc-epi_mask.nii.gz",
                exclusions="results/work/fmri/{folder}/func/{run_key}_desc-preprocExclusions.tsv",
            log:
                "results/logs/fmri/{folder}/func/{run_key}_fmri_realign.log",
            benchmark:
                "results/benchmarks/fmri/{folder}/func/{run_key}_fmri_realign.tsv"
            conda:
                "../../envs/fmri.yaml"
            threads: 1
            resources:
                mem_mb=memory(12),
                runtime=minutes(60),
            params:
                inputs=stamp(
                    slice_timed("desc-slicetimed_bold.nii.gz", "bold"),
                    run_affine(),
                    config["fmri"]["normalise"]["target"],
                ),
                tr=per_run(run_tr),
                voxel_size=config["data"]["voxel_size"],
                skip_bad=config["execution"]["skip_bad_subjects"],
                settings=settings("fmri", "drop_volumes", "realign"),
                code=stage_digest("fmri"),
            message:
                "Realigning {wildcards.run_key}"
            script:
                "../scripts/fmri_realign.py"

    rule fmri_clean:
        input:
            bold=raw_file("desc-preproc_bold.nii.gz", "bold"),
            mask=raw_file("desc-epi_mask.nii.gz", "mask"),
            confounds=raw_file("desc-motion_timeseries.tsv", "confounds"),
            motion=run_input("motion"),
            outliers=run_input("outliers"),
            before=raw_file("desc-preprocExclusions.tsv"),
            surfaces=surface_files(),
        output:
            denoised=f"results/work/fmri/{{folder}}/func/{{run_key}}_desc-denoised_bold.{series_ending()}",
            smoothed=f"results/work/fmri/{{folder}}/func/{{run_key}}_desc-denoisedSmoothed_bold.{series_ending()}",
            mask=f"results/work/fmri/{{folder}}/func/{{run_key}}_desc-brain_mask.{map_ending()}",
            confounds="results/work/fmri/{folder}/func/{run_key}_desc-confounds_timeseries.tsv",
            outliers="results/work/fmri/{folder}/func/{run_key}_outliers.tsv",
            qc="results/work/fmri/{folder}/func/{run_key}_desc-qc.tsv",
            figures="results/work/fmri/{folder}/func/{run_key}_desc-figures_bold.npz",
            exclusions="results/work/fmri/{folder}/func/{run_key}_desc-exclusions.tsv",
        log:
            "results/logs/fmri/{folder}/func/{run_key}_fmri_clean.log",
        benchmark:
            "results/benchmarks/fmri/{folder}/func/{run_key}_fmri_clean.tsv"
        conda:
            "../../envs/fmri.yaml"
        threads: 1
        resources:
            mem_mb=memory(12),
            runtime=minutes(60),
        params:
            inputs=stamp(
                *map(run_input, ("bold", "mask", "confounds", "motion", "outliers")),
                surface_files(),
            ),
            kind=INPUTS.kind,
            space=per_run(run_space),
            tr=per_run(run_tr),
            voxel_size=config["data"]["voxel_size"],
            skip_bad=config["execution"]["skip_bad_subjects"],
            motion_order=config["data"]["motion_order"],
            motion_units=config["data"]["motion_units"],
            settings=settings(
                "fmri",
                "preset",
                "drop_volumes",
                "strategy",
                "confound_columns",
                "band",
                "filter",
                "scrub",
                "fd_mm",
                "std_dvars",
                "min_segment",
                "min_seconds",
                "smooth_mm",
            ),
            code=stage_digest("fmri"),
        message:
            "Denoising {wildcards.run_key}"
        script:
            "../scripts/fmri_clean.py"

    rule fmri_parcellate:
        input:
            preproc=raw_file("desc-preproc_bold.nii.gz", "bold"),
            denoised=f"results/work/fmri/{{folder}}/func/{{run_key}}_desc-denoised_bold.{series_ending()}",
            mask=f"results/work/fmri/{{folder}}/func/{{run_key}}_desc-brain_mask.{map_ending()}",
            atlas=atlas_image(),
            surfaces=surface_files(),
        output:
            **parcel_files(),
            series=f"results/work/fmri/{{folder}}/func/{{run_key}}_atlas-{atlas()}_stat-mean_timeseries.tsv",
            coverage=f"results/work/fmri/{{folder}}/func/{{run_key}}_atlas-{atlas()}_stat-coverage_bold.tsv",
            preproc=f"results/work/fmri/{{folder}}/func/{{run_key}}_atlas-{atlas()}_desc-preproc_timeseries.tsv",
            figures=f"results/work/fmri/{{folder}}/func/{{run_key}}_atlas-{atlas()}_desc-figures_bold.npz",
        log:
            "results/logs/fmri/{folder}/func/{run_key}_fmri_parcellate.log",
        benchmark:
            "results/benchmarks/fmri/{folder}/func/{run_key}_fmri_parcellate.tsv"
        conda:
            "../../envs/fmri.yaml"
        threads: 1
        resources:
            mem_mb=memory(8),
            runtime=minutes(30),
        params:
            inputs=stamp(run_input("bold"), atlas_image(), surface_files()),
            kind=INPUTS.kind,
            tr=per_run(run_tr),
            voxel_size=config["data"]["voxel_size"],
            settings=settings("fmri", "atlas", "sphere_mm", "min_coverage"),
            code=stage_digest("fmri"),
        message:
            "Averaging {wildcards.run_key} over the regions of the atlas"
        script:
            "../scripts/fmri_parcellate.py"

    rule fmri_series:
        input:
            series=run_files("fmri", f"atlas-{atlas()}_stat-mean_timeseries.tsv"),
            regions=run_files("fmri", f"atlas-{atlas()}_stat-coverage_bold.tsv"),
            runs="results/fmri/runs.tsv",
            participants="results/participants.tsv",
        output:
            series="results/fmri/timeseries.h5",
            regions="results/fmri/regions.tsv",
        log:
            "results/logs/fmri/fmri_series.log",
        benchmark:
            "results/benchmarks/fmri/fmri_series.tsv"
        conda:
            "../../envs/fmri.yaml"
        threads: 1
        resources:
            mem_mb=memory(3, floor=2000),
            runtime=minutes(30, everybody=True),
        params:
            run_keys=runs(),
            code=stage_digest("fmri"),
        message:
            "Gathering the region series of all runs"
        script:
            "../scripts/fmri_series.py"

    if run_maps():

        rule fmri_maps:
            input:
                **before_filter(),
                denoised="results/work/fmri/{folder}/func/{run_key}_desc-denoised_bold.nii.gz",
                mask="results/work/fmri/{folder}/func/{run_key}_desc-brain_mask.nii.gz",
                outliers="results/work/fmri/{folder}/func/{run_key}_outliers.tsv",
                atlas=atlas_image(),
            output:
                **map_files(),
            log:
                "results/logs/fmri/{folder}/func/{run_key}_fmri_maps.log",
            benchmark:
                "results/benchmarks/fmri/{folder}/func/{run_key}_fmri_maps.tsv"
            conda:
                "../../envs/fmri.yaml"
            threads: 1
            resources:
                mem_mb=memory(12),
                runtime=minutes(30),
            params:
                inputs=stamp(run_input("bold"), atlas_image()),
                tr=per_run(run_tr),
                voxel_size=config["data"]["voxel_size"],
                settings=settings(
                    "fmri",
                    "maps",
                    "reho_neighbours",
                    "seeds",
                    "band",
                    "strategy",
                    "atlas",
                    "sphere_mm",
                    "min_coverage",
                ),
                code=stage_digest("fmri"),
            message:
                "Maps of {wildcards.run_key}"
            script:
                "../scripts/fmri_maps.py"

        rule fmri_maps_group:
            input:
                **all_map_files(),
                runs="results/fmri/runs.tsv",
                participants="results/participants.tsv",
            output:
                **group_map_files(),
                runs="results/fmri/maps.tsv",
                regions="results/fmri/group_maps.tsv",
                maps="results/fmri/maps.h5",
                exclusions="results/fmri/exclusions_maps.tsv",
            log:
                "results/logs/fmri/fmri_maps_group.log",
            benchmark:
                "results/benchmarks/fmri/fmri_maps_group.tsv"
            conda:
                "../../envs/fmri.yaml"
            threads: 1
            resources:
                mem_mb=memory(1, floor=2000),
                runtime=minutes(60, everybody=True),
            params:
                run_keys=runs(),
                settings=settings("fmri", "maps", "seeds"),
                code=stage_digest("fmri"),
            message:
                "Means over people of the maps of all runs"
            script:
                "../scripts/fmri_maps_group.py"

    if compared_strategies():

        rule fmri_compare_run:
            input:
                bold=raw_file("desc-preproc_bold.nii.gz", "bold"),
                mask=raw_file("desc-epi_mask.nii.gz", "mask"),
                confounds=raw_file("desc-motion_timeseries.tsv", "confounds"),
                motion=run_input("motion"),
                outliers="results/work/fmri/{folder}/func/{run_key}_outliers.tsv",
                atlas=atlas_image(),
            output:
                edges=f"results/work/fmri/{{folder}}/func/{{run_key}}_atlas-{atlas()}_desc-compare_relmat.npz",
                rows="results/work/fmri/{folder}/func/{run_key}_desc-compare_qc.tsv",
            log:
                "results/logs/fmri/{folder}/func/{run_key}_fmri_compare_run.log",
            benchmark:
                "results/benchmarks/fmri/{folder}/func/{run_key}_fmri_compare_run.tsv"
            conda:
                "../../envs/fmri.yaml"
            threads: 1
            resources:
                mem_mb=memory(8),
                runtime=minutes(30),
            params:
                inputs=stamp(
                    *map(run_input, ("bold", "mask", "confounds", "motion")),
                    atlas_image(),
                ),
                tr=per_run(run_tr),
                voxel_size=config["data"]["voxel_size"],
                skip_bad=config["execution"]["skip_bad_subjects"],
                motion_order=config["data"]["motion_order"],
                motion_units=config["data"]["motion_units"],
                settings=settings(
                    "fmri",
                    "compare",
                    "preset",
                    "drop_volumes",
                    "confound_columns",
                    "band",
                    "filter",
                    "scrub",
                    "fd_mm",
                    "std_dvars",
                    "min_segment",
                    "min_seconds",
                    "atlas",
                    "sphere_mm",
                    "min_coverage",
                    "connectome",
                ),
                code=stage_digest("fmri"),
            message:
                "Cleaning {wildcards.run_key} with several strategies"
            script:
                "../scripts/fmri_compare_run.py"

        rule fmri_compare:
            input:
                unpack(compare_inputs),
            output:
                ledger="results/fmri/compare.tsv",
                rows="results/fmri/compare_runs.tsv",
                edges="results/fmri/compare.h5",
            log:
                "results/logs/fmri/fmri_compare.log",
            benchmark:
                "results/benchmarks/fmri/fmri_compare.tsv"
            conda:
                "../../envs/fmri.yaml"
            threads: 1
            resources:
                mem_mb=memory(6, floor=2000),
                runtime=minutes(60, everybody=True),
            params:
                run_keys=runs(),
                settings=settings("fmri", "compare", "connectome", "strategy"),
                seed=config["execution"]["seed"],
                code=stage_digest("fmri"),
            message:
                "What each strategy costs, and what motion it leaves"
            script:
                "../scripts/fmri_compare.py"

    rule fmri_publish:
        input:
            files=published_files,
            exclusions=run_files("fmri", "desc-exclusions.tsv"),
        output:
            table=ensure("results/fmri/published.tsv", non_empty=True),
        log:
            "results/logs/fmri/fmri_publish.log",
        benchmark:
            "results/benchmarks/fmri/fmri_publish.tsv"
        conda:
            "../../envs/fmri.yaml"
        threads: 1
        resources:
            mem_mb=memory(floor=1000),
            runtime=minutes(30, everybody=True),
        params:
            run_keys=runs(),
            code=stage_digest("fmri"),
        message:
            "Publishing the results of all runs as one data set"
        script:
            "../scripts/fmri_publish.py"


rule fmri_connectome:
    input:
        series="results/fmri/timeseries.h5",
    output:
        connectomes="results/fmri/connectomes.h5",
        relmat=relmats(),
    log:
        "results/logs/fmri/fmri_connectome.log",
    benchmark:
        "results/benchmarks/fmri/fmri_connectome.tsv"
    conda:
        "../../envs/fmri.yaml"
    threads: 1
    resources:
        mem_mb=memory(6, floor=4000),
        runtime=minutes(60, everybody=True),
    params:
        run_keys=runs(),
        settings=settings("fmri", "connectome"),
        code=stage_digest("fmri"),
    message:
        "Computing the connectomes of all runs"
    script:
        "../scripts/fmri_connectome.py"


rule fmri_qc:
    input:
        unpack(qc_inputs),
    output:
        qc="results/fmri/group_qc.tsv",
        qc_fc="results/fmri/qc_fc.tsv",
        exclusions="results/fmri/exclusions.tsv",
        description="results/fmri/dataset_description.json",
        report=ensure("results/fmri/report.json", non_empty=True),
    log:
        "results/logs/fmri/fmri_qc.log",
    benchmark:
        "results/benchmarks/fmri/fmri_qc.tsv"
    conda:
        "../../envs/fmri.yaml"
    threads: 1
    resources:
        mem_mb=memory(3, floor=4000),
        runtime=minutes(30, everybody=True),
    params:
        config={"data": config["data"], "fmri": config["fmri"]},
        source=config["data"]["root"],
        code=stage_digest("fmri"),
    message:
        "Quality control of all runs"
    script:
        "../scripts/fmri_qc.py"
