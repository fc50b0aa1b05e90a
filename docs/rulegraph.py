"""Write two charts of the demo as mermaid text: stages into docs/index.md, rules into rules.md."""

import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
STAGES = {
    "fmri": "fmri: clean series, connectomes",
    "adhd": "adhd: graph maps, diagnosis",
    "demovae": "demovae: features without demographics",
    "ntf": "ntf: dynamic connectome",
    "hmmglm": "hmmglm: brain states",
    "mds": "mds: functional types",
    "braindive": "braindive: preferred images",
    "report": "report",
}
"""Stages in the order of the chain, with what they give; a test compares them with the workflow."""

INPUTS = {
    "fmri": "BOLD images or region tables",
    "ntf": "calcium traces",
    "hmmglm": "spike trains",
    "mds": "stimuli and responses",
    "braindive": "images and betas",
}
"""What a stage reads besides what other stages leave."""

FILES = {
    "docs/index.md": ("<!-- stage chart: start -->", "<!-- stage chart: end -->"),
    "docs/rules.md": ("<!-- rule graph: start -->", "<!-- rule graph: end -->"),
}


def rule_edges() -> list[tuple[str, str]]:
    """What feeds what among the demo's rules, sorted."""
    with tempfile.TemporaryDirectory() as folder:
        result = subprocess.run(
            [
                *(sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile")),
                *("--directory", folder, "--workflow-profile", "none", "--rulegraph", "mermaid-js"),
            ],
            capture_output=True,
            text=True,
            check=True,
        )
    names = dict(re.findall(r"id(\d+)\[(\w+)\]", result.stdout))
    edges = set(re.findall(r"id(\d+) --> id(\d+)", result.stdout))
    return sorted((names[a], names[b]) for a, b in edges if names[b] != "all")


def rule_graph(edges) -> str:
    """The flow chart of all rules, a box for each stage."""
    stages = {}
    for name in sorted({name for edge in edges for name in edge}):
        stages.setdefault(stage_of(name), []).append(name)
    lines = ["flowchart LR"]
    for stage, names in stages.items():
        inside = [f"    {name}" for name in names]
        lines += [f"  subgraph {stage}_rules [{stage}]", *inside, "  end"]
    return "\n".join([*lines, *(f"  {a} --> {b}" for a, b in edges)])


def stage_of(rule: str) -> str:
    """The stage that a rule belongs to."""
    return rule.partition("_")[0]


def stage_chart(edges) -> str:
    """The flow chart of the stages: what each reads of the user and takes from other stages."""
    between = {(stage_of(a), stage_of(b)) for a, b in edges}
    present = [name for name in STAGES if any(name in pair for pair in between)]
    lines = ["flowchart LR"]
    lines += [f"  {name}_in([{INPUTS[name]}]) --> {name}" for name in present if name in INPUTS]
    lines += [f'  {name}["{STAGES[name]}"]' for name in present]
    order = list(STAGES)
    chain = [(a, b) for a, b in between if a in STAGES and b in STAGES and a != b]
    chain.sort(key=lambda pair: [order.index(name) for name in pair])
    return "\n".join([*lines, *(f"  {a} --> {b}" for a, b in chain)])


def updated(text: str, chart: str, markers) -> str:
    """A text with the chart in its place."""
    start, end = markers
    head, _, rest = text.partition(start)
    tail = rest.partition(end)[2]
    return f"{head}{start}\n```mermaid\n{chart}\n```\n{end}{tail}"


def texts() -> dict[str, str]:
    """The files that hold a chart, as they should be."""
    edges = rule_edges()
    stages = stage_chart(edges)
    charts = {"docs/index.md": stages, "docs/rules.md": rule_graph(edges)}
    return {
        name: updated((ROOT / name).read_text("utf-8"), charts[name], markers)
        for name, markers in FILES.items()
    }


if __name__ == "__main__":
    for name, text in texts().items():
        (ROOT / name).write_text(text, "utf-8")
