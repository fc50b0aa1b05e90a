"""Write the rule graph of the demo as mermaid text into README.md, between its two markers."""

import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
MARKERS = ("<!-- rule graph: start -->", "<!-- rule graph: end -->")


def rule_graph() -> str:
    """The demo's rules and what feeds what, as a mermaid flow chart."""
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
    edges = sorted((names[a], names[b]) for a, b in edges if names[b] != "all")
    return "\n".join(["flowchart LR", *(f"  {a} --> {b}" for a, b in edges)])


def updated(text: str, graph: str) -> str:
    """README text with the graph in its place."""
    start, end = MARKERS
    head, _, rest = text.partition(start)
    tail = rest.partition(end)[2]
    return f"{head}{start}\n```mermaid\n{graph}\n```\n{end}{tail}"


if __name__ == "__main__":
    readme = ROOT / "README.md"
    readme.write_text(updated(readme.read_text("utf-8"), rule_graph()), "utf-8")
