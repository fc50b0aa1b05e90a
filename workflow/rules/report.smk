rule report:
    input:
        stages=[path for name in neuro.config.STAGES for path in stage_end(name)],
        participants=[] if INPUTS.kind == "none" else "results/participants.tsv",
    output:
        page=ensure("results/report/index.html", non_empty=True),
        figures=report(
            directory("results/report/figures"),
            patterns=["{section}/{name}.png"],
            caption="../report/figures.rst",
            category="{section}",
            labels={"figure": "{name}"},
        ),
        # A page per stage, and per participant where a stage shows them.
        pages=[
            ensure(f"results/report/{name}.html", non_empty=True)
            for name in [*enabled_stages(), "exclusions", "methods", "record"]
        ],
        parts=directory("results/report/pages"),
        views=directory("results/report/views"),
        methods="results/report/methods.md",
        references="results/report/references.bib",
    log:
        "results/logs/report/report.log",
    benchmark:
        "results/benchmarks/report/report.tsv"
    conda:
        "../../envs/report.yaml"
    threads: 1
    resources:
        mem_mb=memory(floor=4000),
        runtime=minutes(30, everybody=True),
    params:
        config=config,
        code=stage_digest("report", "config"),
    message:
        "Writing the report to results/report/index.html"
    script:
        "../scripts/report.py"
