include: "braindive_helpers.smk"


rule braindive:
    input:
        stage_targets("braindive"),
    message:
        "Stage braindive is complete"


rule braindive_generator:
    input:
        braindive_generator_input,
    output:
        directory("results/braindive/{dataset}/generator"),
    log:
        "results/logs/braindive/{dataset}/braindive_generator.log",
    benchmark:
        "results/benchmarks/braindive/{dataset}/braindive_generator.tsv"
    conda:
        "../../envs/braindive.yaml"
    threads: 1
    resources:
        mem_mb=memory(12, floor=3000, base=3000),
        runtime=minutes(120),
    params:
        inputs=stamp(braindive_generator_input),
        settings=braindive_generator_settings(),
        seed=config["execution"]["seed"],
        code=stage_digest("braindive", "encoding"),
    message:
        "Making the image generator ready"
    script:
        "../scripts/braindive_generator.py"


rule braindive_encode:
    input:
        data=braindive_data,
        generator=braindive_reconstructions,
    output:
        model="results/braindive/{dataset}/{role}.safetensors",
        card="results/braindive/{dataset}/{role}_card.tsv",
    log:
        "results/logs/braindive/{dataset}/{role}_braindive_encode.log",
    benchmark:
        "results/benchmarks/braindive/{dataset}/{role}_braindive_encode.tsv"
    wildcard_constraints:
        role="encoder|independent|category",
    conda:
        "../../envs/braindive.yaml"
    threads: 1
    resources:
        mem_mb=memory(12, floor=3000, base=3000),
        runtime=minutes(240),
        gpu=braindive_encode_gpu,
    params:
        inputs=stamp(braindive_data, BRAINDIVE_NETWORKS),
        settings=braindive_encode_settings,
        seed=config["execution"]["seed"],
        code=stage_digest("encoding", "braindive"),
    message:
        "Fitting the model '{wildcards.role}' on images and responses"
    script:
        "../scripts/braindive_encode.py"


rule braindive_sample:
    input:
        encoder="results/braindive/{dataset}/encoder.safetensors",
        card="results/braindive/{dataset}/encoder_card.tsv",
        generator="results/braindive/{dataset}/generator",
        table=braindive_table,
    output:
        "results/braindive/{dataset}/{objective}/block-{block}.tsv",
    log:
        "results/logs/braindive/{dataset}/{objective}/block-{block}_braindive_sample.log",
    benchmark:
        "results/benchmarks/braindive/{dataset}/{objective}/block-{block}_braindive_sample.tsv"
    wildcard_constraints:
        objective=r"[a-zA-Z0-9.\-]+",
        block="[0-9]+",
    conda:
        "../../envs/braindive.yaml"
    threads: 1
    resources:
        mem_mb=braindive_sample_memory,
        runtime=minutes(240),
        gpu=0 if config["braindive"]["device"] == "cpu" else 1,
    params:
        inputs=stamp(braindive_table, BRAINDIVE_NETWORKS),
        settings=braindive_sample_settings(),
        names=BRAINDIVE_NAMES,
        seed=config["execution"]["seed"],
        code=stage_digest("braindive", "encoding"),
    message:
        "Sampling images for {wildcards.objective}, block {wildcards.block}"
    script:
        "../scripts/braindive_sample.py"


rule braindive_judge:
    input:
        blocks=braindive_blocks,
        data=braindive_data,
        encoder=f"{BRAINDIVE}/encoder.safetensors",
        card=f"{BRAINDIVE}/encoder_card.tsv",
        independent=braindive_independent,
        independent_card=braindive_independent_card,
        category=braindive_category,
        table=braindive_table,
    output:
        scores=ensure("results/braindive/scores.tsv", non_empty=True),
        summary=ensure("results/braindive/summary.tsv", non_empty=True),
        natural="results/braindive/natural.tsv",
        panel="results/braindive/panel.tsv",
        own=directory(f"{BRAINDIVE}/judged"),
        exclusions="results/braindive/exclusions.tsv",
        description="results/braindive/dataset_description.json",
        report=ensure("results/braindive/report.json", non_empty=True),
    log:
        "results/logs/braindive/braindive_judge.log",
    benchmark:
        "results/benchmarks/braindive/braindive_judge.tsv"
    conda:
        "../../envs/braindive.yaml"
    threads: 1
    resources:
        mem_mb=memory(12, floor=3000, base=3000),
        runtime=minutes(60),
    params:
        inputs=stamp(
            braindive_data, braindive_category, braindive_table, BRAINDIVE_NETWORKS
        ),
        settings=braindive_judge_settings(),
        names=BRAINDIVE_NAMES,
        seed=config["execution"]["seed"],
        code=stage_digest("braindive", "encoding"),
    message:
        "Judging the images by encoders that did not make them"
    script:
        "../scripts/braindive_judge.py"
