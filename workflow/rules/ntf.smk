include: "ntf_helpers.smk"


rule ntf:
    input:
        stage_targets("ntf"),
    message:
        "Stage ntf is complete"


rule ntf_simulate:
    output:
        recordings=ntf_simulated(),
        events="results/simulated/calcium/events.tsv",
        truth="results/simulated/calcium/truth.tsv",
    log:
        "results/logs/ntf/ntf_simulate.log",
    benchmark:
        "results/benchmarks/ntf/ntf_simulate.tsv"
    conda:
        "../../envs/ntf.yaml"
    threads: 1
    resources:
        mem_mb=memory(floor=1000),
        runtime=minutes(10),
    params:
        settings=config["ntf"]["simulated"],
        seed=config["execution"]["seed"],
        code=stage_digest("simulate/motifs"),
    message:
        "Simulating calcium recordings with planted communities"
    script:
        "../scripts/ntf_simulate.py"


rule ntf_tensor:
    input:
        recordings=ntf_files,
        events=ntf_events,
    output:
        values=temp("results/ntf/{dataset}/tensor.npy"),
        axes="results/ntf/{dataset}/axes.npz",
    log:
        "results/logs/ntf/{dataset}/ntf_tensor.log",
    benchmark:
        "results/benchmarks/ntf/{dataset}/ntf_tensor.tsv"
    wildcard_constraints:
        dataset="[a-zA-Z0-9]+",
    conda:
        "../../envs/ntf.yaml"
    threads: 1
    resources:
        mem_mb=memory(8, floor=2000, base=1000),
        runtime=minutes(60),
    params:
        inputs=stamp(ntf_files, ntf_events),
        source=lambda wildcards: ntf_source(wildcards.dataset),
        settings=settings("ntf", *NTF_TENSOR),
        code=stage_digest("ntf"),
    message:
        "Computing the affinities of {wildcards.dataset}"
    script:
        "../scripts/ntf_tensor.py"


rule ntf_rank:
    input:
        values="results/ntf/{dataset}/tensor.npy",
        axes="results/ntf/{dataset}/axes.npz",
    output:
        sweep="results/ntf/{dataset}/rank_sweep.tsv",
        rank="results/ntf/{dataset}/rank.json",
    log:
        "results/logs/ntf/{dataset}/ntf_rank.log",
    benchmark:
        "results/benchmarks/ntf/{dataset}/ntf_rank.tsv"
    wildcard_constraints:
        dataset="[a-zA-Z0-9]+",
    conda:
        "../../envs/ntf.yaml"
    threads: 1
    resources:
        mem_mb=memory(1.3, floor=1500, base=1500),
        runtime=minutes(240),
        gpu=ntf_gpu,
    params:
        settings=settings("ntf", "ranks", "rank", "rank_rule", *NTF_MODEL),
        seed=config["execution"]["seed"],
        code=stage_digest("ntf"),
    message:
        "Choosing the number of components of {wildcards.dataset}"
    script:
        "../scripts/ntf_rank.py"


rule ntf_factorize:
    input:
        values="results/ntf/{dataset}/tensor.npy",
        axes="results/ntf/{dataset}/axes.npz",
        rank="results/ntf/{dataset}/rank.json",
    output:
        factors="results/ntf/{dataset}/factors.npz",
        presence="results/ntf/{dataset}/presence.tsv",
        time_map="results/ntf/{dataset}/time_map.tsv",
    log:
        "results/logs/ntf/{dataset}/ntf_factorize.log",
    benchmark:
        "results/benchmarks/ntf/{dataset}/ntf_factorize.tsv"
    wildcard_constraints:
        dataset="[a-zA-Z0-9]+",
    conda:
        "../../envs/ntf.yaml"
    threads: 1
    resources:
        mem_mb=memory(1.3, floor=1500, base=1500),
        runtime=minutes(120),
        gpu=ntf_gpu,
    params:
        settings=settings("ntf", *NTF_MODEL),
        seed=config["execution"]["seed"],
        code=stage_digest("ntf"),
    message:
        "Factorising {wildcards.dataset}"
    script:
        "../scripts/ntf_factorize.py"


rule ntf_null:
    input:
        recordings=ntf_files,
        events=ntf_events,
        rank="results/ntf/{dataset}/rank.json",
    output:
        null="results/ntf/{dataset}/null_{chunk}.npz",
    log:
        "results/logs/ntf/{dataset}/ntf_null_{chunk}.log",
    benchmark:
        "results/benchmarks/ntf/{dataset}/ntf_null_{chunk}.tsv"
    wildcard_constraints:
        dataset="[a-zA-Z0-9]+",
        chunk="[0-9]+",
    conda:
        "../../envs/ntf.yaml"
    threads: 1
    resources:
        mem_mb=memory(30, floor=2000, base=2000),
        runtime=minutes(240),
        gpu=ntf_gpu,
    params:
        inputs=stamp(ntf_files, ntf_events),
        source=lambda wildcards: ntf_source(wildcards.dataset),
        settings=settings("ntf", "n_null", "surrogate", *NTF_TENSOR, *NTF_MODEL),
        per_chunk=NTF_PER_CHUNK,
        seed=config["execution"]["seed"],
        code=stage_digest("ntf"),
    message:
        "Running surrogates of {wildcards.dataset}, part {wildcards.chunk}"
    script:
        "../scripts/ntf_null.py"


rule ntf_communities:
    input:
        factors="results/ntf/{dataset}/factors.npz",
        axes="results/ntf/{dataset}/axes.npz",
        recordings=ntf_files,
        nulls=ntf_nulls,
        known=ntf_known,
        groups=ntf_groups,
        rank="results/ntf/{dataset}/rank.json",
    output:
        communities="results/ntf/{dataset}/communities.tsv",
        components="results/ntf/{dataset}/components.tsv",
        recurrence="results/ntf/{dataset}/recurrence.tsv",
        baselines="results/ntf/{dataset}/baselines.tsv",
        states="results/ntf/{dataset}/states.tsv",
        transitions="results/ntf/{dataset}/transitions.tsv",
        groups="results/ntf/{dataset}/groups.tsv",
        nulls="results/ntf/{dataset}/nulls.tsv",
        membership="results/ntf/{dataset}/membership.npz",
        traces="results/ntf/{dataset}/back_projection.npz",
        motifs=directory("results/ntf/{dataset}/motifs"),
        known="results/ntf/{dataset}/known.tsv",
        exclusions="results/ntf/{dataset}/exclusions.tsv",
        report=ensure("results/ntf/{dataset}/report.json", non_empty=True),
    log:
        "results/logs/ntf/{dataset}/ntf_communities.log",
    benchmark:
        "results/benchmarks/ntf/{dataset}/ntf_communities.tsv"
    wildcard_constraints:
        dataset="[a-zA-Z0-9]+",
    conda:
        ntf_community_env()
    threads: 1
    resources:
        mem_mb=memory(3, floor=2000),
        runtime=minutes(120),
    params:
        inputs=stamp(ntf_files, ntf_known, ntf_groups),
        source=lambda wildcards: ntf_source(wildcards.dataset),
        settings=settings(
            "ntf", "communities", "n_moves", "recordings", "identity", "fmri_runs"
        ),
        seed=config["execution"]["seed"],
        code=stage_digest("ntf"),
    message:
        "Finding the communities of {wildcards.dataset}"
    script:
        "../scripts/ntf_communities.py"


rule ntf_summary:
    input:
        reports=expand("results/ntf/{dataset}/report.json", dataset=NTF_SETS),
        exclusions=expand("results/ntf/{dataset}/exclusions.tsv", dataset=NTF_SETS),
    output:
        sets="results/ntf/sets.tsv",
        exclusions="results/ntf/exclusions.tsv",
        description="results/ntf/dataset_description.json",
        report=ensure("results/ntf/report.json", non_empty=True),
    log:
        "results/logs/ntf/ntf_summary.log",
    benchmark:
        "results/benchmarks/ntf/ntf_summary.tsv"
    conda:
        "../../envs/ntf.yaml"
    threads: 1
    resources:
        mem_mb=memory(floor=1000),
        runtime=minutes(10),
    params:
        config={"ntf": config["ntf"]},
        sets=list(NTF_SETS),
        code=stage_digest("ntf"),
    message:
        "Summing up the sets of the tensor factorisation"
    script:
        "../scripts/ntf_summary.py"
