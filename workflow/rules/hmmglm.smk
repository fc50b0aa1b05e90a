include: "hmmglm_helpers.smk"


HMMGLM_READ_KEYS = (
    "kind",
    "time_unit",
    "sampling_hz",
    "mat_key",
    "unit_filter",
    "trial_window",
    "min_rate_hz",
    "bin_s",
    "segment_s",
    "covariates",
    "folds",
    "fold_order",
    "events",
)
HMMGLM_FIT_KEYS = (
    "model",
    "solver",
    "emission",
    "link",
    "bias",
    "n_history",
    "decay",
    "basis",
    "n_basis",
    "diagonal",
    "prior_sd",
    "ridge",
    "covariate_ridge",
    "covariate_weights",
    "stop",
    "alpha",
    "tau",
    "pi_kappa",
    "start",
    "n_starts",
    "n_finish",
    "max_iter",
    "newton",
    "device",
    "folds",
    "events",
)


rule hmmglm:
    input:
        stage_targets("hmmglm"),
    message:
        "Stage hmmglm is complete"


rule hmmglm_simulate:
    output:
        counts="results/simulated/spikes.npz",
        truth="results/simulated/spikes_truth.npz",
    log:
        "results/logs/hmmglm/hmmglm_simulate.log",
    benchmark:
        "results/benchmarks/hmmglm/hmmglm_simulate.tsv"
    conda:
        "../../envs/hmmglm.yaml"
    threads: 1
    resources:
        mem_mb=memory(floor=1500),
        runtime=minutes(10),
    params:
        settings=settings("hmmglm", "simulated", "bin_s"),
        seed=config["execution"]["seed"],
        code=stage_digest("simulate/switching"),
    message:
        "Simulating spike trains of a switching network"
    script:
        "../scripts/hmmglm_simulate.py"


rule hmmglm_bin:
    input:
        unpack(hmmglm_bin_inputs),
    output:
        counts="results/hmmglm/{dataset}/counts.npz",
        sequences="results/hmmglm/{dataset}/sequences.tsv",
        units="results/hmmglm/{dataset}/units.tsv",
        exclusions="results/hmmglm/{dataset}/exclusions.tsv",
    log:
        "results/logs/hmmglm/{dataset}/hmmglm_bin.log",
    benchmark:
        "results/benchmarks/hmmglm/{dataset}/hmmglm_bin.tsv"
    wildcard_constraints:
        dataset="[a-zA-Z0-9]+",
    conda:
        "../../envs/hmmglm.yaml"
    threads: 1
    resources:
        mem_mb=memory(10, floor=2000),
        runtime=minutes(20),
    params:
        inputs=stamp(hmmglm_bin_inputs),
        settings=hmmglm_settings(*HMMGLM_READ_KEYS),
        run_keys=hmmglm_runs,
        code=stage_digest("hmmglm"),
    message:
        "Counting the spikes of {wildcards.dataset}"
    script:
        "../scripts/hmmglm_bin.py"


if config["hmmglm"]["grid"] == "jobs":

    rule hmmglm_fit_one:
        input:
            counts="results/hmmglm/{dataset}/counts.npz",
            sequences="results/hmmglm/{dataset}/sequences.tsv",
            units="results/hmmglm/{dataset}/units.tsv",
        output:
            fits="results/hmmglm/{dataset}/fits/K-{k}_fold-{fold}_start-{start}.npz",
            sweep="results/hmmglm/{dataset}/fits/K-{k}_fold-{fold}_start-{start}.tsv",
        log:
            "results/logs/hmmglm/{dataset}/fits/K-{k}_fold-{fold}_start-{start}_hmmglm_fit_one.log",
        benchmark:
            "results/benchmarks/hmmglm/{dataset}/fits/K-{k}_fold-{fold}_start-{start}_hmmglm_fit_one.tsv"
        wildcard_constraints:
            dataset="[a-zA-Z0-9]+",
            k="[0-9]+",
            fold="[0-9]+",
            start="[0-9]+",
        conda:
            "../../envs/hmmglm.yaml"
        threads: 1
        resources:
            mem_mb=memory(40, floor=2000),
            gpu=hmmglm_gpu,
            runtime=minutes(60),
        params:
            settings=hmmglm_settings(*HMMGLM_FIT_KEYS),
            seed=config["execution"]["seed"],
            code=stage_digest("hmmglm"),
        message:
            "Fitting {wildcards.k} states to {wildcards.dataset}, fold {wildcards.fold}, start {wildcards.start}"
        script:
            "../scripts/hmmglm_fit_one.py"

    rule hmmglm_fit:
        input:
            fits=expand(
                "results/hmmglm/{{dataset}}/fits/K-{{k}}_fold-{fold}_start-{start}.npz",
                fold=range(config["hmmglm"]["folds"]),
                start=range(config["hmmglm"]["n_starts"]),
            ),
            sweep=expand(
                "results/hmmglm/{{dataset}}/fits/K-{{k}}_fold-{fold}_start-{start}.tsv",
                fold=range(config["hmmglm"]["folds"]),
                start=range(config["hmmglm"]["n_starts"]),
            ),
        output:
            fits="results/hmmglm/{dataset}/fits/K-{k}.npz",
            sweep="results/hmmglm/{dataset}/fits/K-{k}.tsv",
        log:
            "results/logs/hmmglm/{dataset}/fits/K-{k}_hmmglm_fit.log",
        benchmark:
            "results/benchmarks/hmmglm/{dataset}/fits/K-{k}_hmmglm_fit.tsv"
        wildcard_constraints:
            dataset="[a-zA-Z0-9]+",
            k="[0-9]+",
        conda:
            "../../envs/hmmglm.yaml"
        threads: 1
        resources:
            mem_mb=memory(floor=1000),
            runtime=minutes(10),
        params:
            settings={},
            seed=config["execution"]["seed"],
            code=stage_digest("hmmglm"),
        message:
            "Joining the fits of {wildcards.k} states to {wildcards.dataset}"
        script:
            "../scripts/hmmglm_fit.py"

else:

    rule hmmglm_fit:
        input:
            counts="results/hmmglm/{dataset}/counts.npz",
            sequences="results/hmmglm/{dataset}/sequences.tsv",
            units="results/hmmglm/{dataset}/units.tsv",
        output:
            fits="results/hmmglm/{dataset}/fits/K-{k}.npz",
            sweep="results/hmmglm/{dataset}/fits/K-{k}.tsv",
        log:
            "results/logs/hmmglm/{dataset}/fits/K-{k}_hmmglm_fit.log",
        benchmark:
            "results/benchmarks/hmmglm/{dataset}/fits/K-{k}_hmmglm_fit.tsv"
        wildcard_constraints:
            dataset="[a-zA-Z0-9]+",
            k="[0-9]+",
        conda:
            "../../envs/hmmglm.yaml"
        threads: 1
        resources:
            mem_mb=memory(40, floor=2000),
            gpu=hmmglm_gpu,
            runtime=minutes(240),
        params:
            settings=hmmglm_settings(*HMMGLM_FIT_KEYS),
            seed=config["execution"]["seed"],
            code=stage_digest("hmmglm"),
        message:
            "Fitting {wildcards.k} states to {wildcards.dataset}"
        script:
            "../scripts/hmmglm_fit.py"


rule hmmglm_select:
    input:
        counts="results/hmmglm/{dataset}/counts.npz",
        sequences="results/hmmglm/{dataset}/sequences.tsv",
        units="results/hmmglm/{dataset}/units.tsv",
        fits=expand(
            "results/hmmglm/{{dataset}}/fits/K-{k}.npz",
            k=sorted(set(config["hmmglm"]["n_states"])),
        ),
        sweep=expand(
            "results/hmmglm/{{dataset}}/fits/K-{k}.tsv",
            k=sorted(set(config["hmmglm"]["n_states"])),
        ),
    output:
        sweep="results/hmmglm/{dataset}/sweep.tsv",
        curve="results/hmmglm/{dataset}/curve.tsv",
        restarts="results/hmmglm/{dataset}/restarts.tsv",
        convergence="results/hmmglm/{dataset}/convergence.tsv",
        model="results/hmmglm/{dataset}/model.npz",
    log:
        "results/logs/hmmglm/{dataset}/hmmglm_select.log",
    benchmark:
        "results/benchmarks/hmmglm/{dataset}/hmmglm_select.tsv"
    wildcard_constraints:
        dataset="[a-zA-Z0-9]+",
    conda:
        "../../envs/hmmglm.yaml"
    threads: 2
    resources:
        mem_mb=memory(40, floor=2000),
        gpu=hmmglm_gpu,
        runtime=minutes(120),
    params:
        settings=hmmglm_settings(*HMMGLM_FIT_KEYS, "rule", "n_states"),
        seed=config["execution"]["seed"],
        code=stage_digest("hmmglm"),
    message:
        "Choosing the number of states of {wildcards.dataset}"
    script:
        "../scripts/hmmglm_select.py"


if config["hmmglm"]["ladder"]:

    rule hmmglm_ladder:
        input:
            counts="results/hmmglm/{dataset}/counts.npz",
            sequences="results/hmmglm/{dataset}/sequences.tsv",
            units="results/hmmglm/{dataset}/units.tsv",
            model="results/hmmglm/{dataset}/model.npz",
        output:
            ladder="results/hmmglm/{dataset}/ladder.tsv",
            days="results/hmmglm/{dataset}/days.tsv",
        log:
            "results/logs/hmmglm/{dataset}/hmmglm_ladder.log",
        benchmark:
            "results/benchmarks/hmmglm/{dataset}/hmmglm_ladder.tsv"
        wildcard_constraints:
            dataset="[a-zA-Z0-9]+",
        conda:
            "../../envs/hmmglm.yaml"
        threads: 1
        resources:
            mem_mb=memory(60, floor=2000),
            gpu=hmmglm_gpu,
            runtime=minutes(120),
        params:
            settings=hmmglm_settings(*HMMGLM_FIT_KEYS, "days"),
            seed=config["execution"]["seed"],
            code=stage_digest("hmmglm"),
        message:
            "Comparing what couplings, history and states add for {wildcards.dataset}"
        script:
            "../scripts/hmmglm_ladder.py"


rule hmmglm_export:
    input:
        counts="results/hmmglm/{dataset}/counts.npz",
        sequences="results/hmmglm/{dataset}/sequences.tsv",
        units="results/hmmglm/{dataset}/units.tsv",
        sweep="results/hmmglm/{dataset}/sweep.tsv",
        curve="results/hmmglm/{dataset}/curve.tsv",
        model="results/hmmglm/{dataset}/model.npz",
        ladder=hmmglm_ladder,
        truth=hmmglm_truth,
    output:
        states="results/hmmglm/{dataset}/states.tsv",
        dwell="results/hmmglm/{dataset}/dwell.tsv",
        transitions="results/hmmglm/{dataset}/transitions.tsv",
        weights="results/hmmglm/{dataset}/weights.tsv",
        prior="results/hmmglm/{dataset}/prior.tsv",
        rates="results/hmmglm/{dataset}/rates.tsv",
        covariates="results/hmmglm/{dataset}/covariates.tsv",
        aligned="results/hmmglm/{dataset}/events_aligned.tsv",
        graphs=directory("results/hmmglm/{dataset}/graphs"),
        report="results/hmmglm/{dataset}/report.json",
    log:
        "results/logs/hmmglm/{dataset}/hmmglm_export.log",
    benchmark:
        "results/benchmarks/hmmglm/{dataset}/hmmglm_export.tsv"
    wildcard_constraints:
        dataset="[a-zA-Z0-9]+",
    conda:
        "../../envs/hmmglm.yaml"
    threads: 1
    resources:
        mem_mb=memory(10, floor=1500),
        runtime=minutes(20),
    params:
        settings=hmmglm_settings("events", "switch_s"),
        code=stage_digest("hmmglm"),
    message:
        "Writing states, couplings and graphs of {wildcards.dataset}"
    script:
        "../scripts/hmmglm_export.py"


rule hmmglm_summary:
    input:
        reports=hmmglm_files("report.json"),
        exclusions=hmmglm_files("exclusions.tsv"),
    output:
        exclusions="results/hmmglm/exclusions.tsv",
        sets="results/hmmglm/sets.tsv",
        description="results/hmmglm/dataset_description.json",
        report=ensure("results/hmmglm/report.json", non_empty=True),
    log:
        "results/logs/hmmglm/hmmglm_summary.log",
    benchmark:
        "results/benchmarks/hmmglm/hmmglm_summary.tsv"
    conda:
        "../../envs/hmmglm.yaml"
    threads: 1
    resources:
        mem_mb=memory(floor=1000),
        runtime=minutes(10),
    params:
        config={"hmmglm": config["hmmglm"]},
        sets={name: source for name, (source, _) in HMMGLM_SETS.items()},
        code=stage_digest("hmmglm"),
    message:
        "Summing up the stage hmmglm"
    script:
        "../scripts/hmmglm_summary.py"
