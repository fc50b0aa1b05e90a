"""Write docs/benchmarks.md: one table of all peer comparisons, from benchmarks/results/*.md."""

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results"
INTRO = """# Benchmarks

Every method beside its peers, measured side by side in one run, on one thread, on one machine. CPU
seconds count, not wall time. `make bench` runs all of them and writes this page (`python
docs/benchmarks.py`); each line can be repeated alone by its command. The figures below are read
from the result files, which say machine, versions and date.
"""


@dataclass(frozen=True)
class Comparison:
    """One line of the table: two rows of a result file.

    Attributes
    ----------
    stage, what : str
    file : str
        In `benchmarks/results/`, without suffix.
    ours, peer : tuple of str
        Texts that a row must hold; the first row that holds them all is taken.
    column : str
        Header of the column with the figure.
    unit : str
    peer_name : str
        Empty: the last text of `peer`.
    ratio : str
        Header of the column of our row with the factor, where the file has it unrounded.
    ours_column : str
        Header of our figure where it is not `column`; then the row may be the peer's own.
    """

    stage: str
    what: str
    file: str
    ours: tuple
    peer: tuple
    column: str
    unit: str = "CPU s"
    peer_name: str = ""
    ratio: str = ""
    ours_column: str = ""


_GRAPH = "voxel graph of 29,398 voxels x 172 volumes: degree, distance degree, 3-cycles"
COMPARISONS = (
    Comparison(
        "fmri",
        "filter and regression, 30,000 voxels x 172 volumes, 36 confounds",
        *("clean", ("neuro joint",), ("nilearn signal.clean",), "CPU s"),
        ratio="nilearn / this",
    ),
    Comparison(
        "fmri",
        "ReHo map of 74,088 voxels x 200 volumes, 27 neighbours",
        *("maps", ("ReHo, 27 voxels", "neuro"), ("ReHo, 27 voxels", "numpy, whole"), "CPU s"),
        peer_name="numpy, ranks once",
    ),
    Comparison(
        "fmri",
        "five strategies on one run of 264 regions x 240 volumes",
        *("strategies", ("region series",), ("nilearn signal.clean",), "CPU s"),
    ),
    Comparison(
        "hmmglm",
        "switching GLM of 20 neurons, 3 sequences of 2,000 bins, 6 starts (the peer 1)",
        *("hmmglm", ("one-hot prior (few data)",), ("dynamax",), "CPU s"),
    ),
    *(
        Comparison("adhd", _GRAPH, "voxel_graphs", ours, peer, "from X (s)", peer_name=name)
        for ours, peer, name in (
            (("29,398", "threshold=0.8"), ("29,398", "networkx"), "networkx (extrapolated)"),
            (("29,398", "threshold=0.8"), ("29,398", "igraph"), "igraph"),
            (("29,398", "threshold=0.8"), ("29,398", "scipy.sparse"), "scipy.sparse"),
        )
    ),
    Comparison(
        "adhd",
        "network-based statistic of 632 people x 6,670 edges, 1,000 permutations",
        *("group_inference", ("632 people",), ("632 people",), "plain loop"),
        peer_name="loop of least squares and networkx (extrapolated)",
        ours_column="tests and components",
    ),
    *(
        Comparison(
            "ntf",
            "240 x 20 x 4950 tensor of planted rank 6, one start to the peer's error",
            *("ntf", (name,), (name,), "its CPU s"),
            ours_column="neuro, CPU s to its error",
        )
        for name in ("tensorly HALS", "tensortools ncp_hals", "pyttb gcp_opt")
    ),
    *(
        Comparison(
            "demovae",
            f"500 people x 264 regions without demographics: {what}",
            *("demovae", ("neuro, network (default), 60",), ("neuroHarmonize",), column, unit),
            peer_name="neuroHarmonize 2.5.2, then linear residuals",
        )
        for what, column, unit in (
            ("site read from new people, 0.33 is chance", "site", "balanced accuracy"),
            ("time of the fit", "CPU s of the fit", "CPU s"),
        )
    ),
    *(
        Comparison(
            "demovae",
            f"site removed in 500 people, 2,016 edges, applied to 500 others: {what}",
            *("referee", (ours,), (peer,), column, unit),
        )
        for what, ours, peer, column, unit in (
            ("ComBat, time", "neuro ComBat", "neuroHarmonize 2.5.2", "CPU s", "CPU s"),
            ("CovBat, time", "neuro CovBat", "combatlearn 2.3.0, CovBat", "CPU s", "CPU s"),
        )
    ),
    *(
        Comparison(
            "hmmglm",
            f"planted spike trains, 3 sequences: {what}",
            *("hmmglm", ("one-hot prior (few data)",), ("dynamax, own emission",), column, unit),
        )
        for what, column, unit in (
            ("held-out log-likelihood below the truth", "below the truth", "nats per bin"),
        )
    ),
    Comparison(
        "hmmglm",
        "one-state GLM of 20 neurons, 60,000 bins, to one held-out log-likelihood",
        *("hmmglm_onestate", ("one state, no ridge", "neuro"), ("NeMoS",), "CPU s"),
        peer_name="NeMoS 0.2.8, L-BFGS, compilation excluded",
    ),
    *(
        Comparison(
            "mds",
            f"a step of a stimulus, {what}",
            *("mds", (model, how), (model, "one by one"), "ms per stimulus step"),
            unit="CPU ms",
            peer_name="loop over single stimuli",
            ratio="times as fast",
        )
        for what, model, how in (
            ("240 planted cells, 8 clusters", "8 clusters", "1 restart"),
            ("240 planted cells, 8 clusters, 4 restarts at once", "8 clusters", "4 restarts"),
            ("160 units of a convolutional twin, 16 clusters", "16 clusters", "crop"),
            ("160 units of a convolutional twin, 32 clusters", "32 clusters", "crop"),
        )
    ),
    Comparison(
        "mds",
        "a twin trained on 3,600 images until its test correlation is 0.9",
        *("mds", ("0.900 reached",), ("0.900 reached",)),
        "neuralpredictors 0.3.0, CPU s (correlation)",
        peer_name="neuralpredictors",
        unit="CPU s",
        ours_column="`Twin`, CPU s (correlation)",
    ),
    Comparison(
        "braindive",
        "a guided step of an image, 8 at once, self-attention guidance 0.75",
        *("braindive", ("batch 8, SAG 0.75",), ("published scheme, SAG 0.75",)),
        "CPU ms per image and step",
        unit="CPU ms",
        peer_name="published scheme, one by one",
    ),
)


def tables(text: str) -> list[dict[str, str]]:
    """Rows of all Markdown tables of a text, by header."""
    rows, head = [], None
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if not line.startswith("|"):
            head = None
        elif head is None:
            head = cells
        elif not set(line) <= set("|-: "):
            rows.append(dict(zip(head, cells)))
    return rows


def find(rows, texts, column: str, where: str) -> str:
    """The figure of the first row that holds all texts."""
    for row in rows:
        if column in row and all(any(text in cell for cell in row.values()) for text in texts):
            return row[column]
    raise ValueError(f"{where}: no row with {' and '.join(texts)} and a column '{column}'")


def number(cell: str) -> float:
    """The first number of a cell; `~` marks an extrapolation."""
    match = re.search(r"\d[\d,]*\.?\d*(?:e[-+]?\d+)?", cell)
    if not match:
        raise ValueError(f"no number in '{cell}'")
    return float(match[0].replace(",", ""))


def commands() -> dict[str, str]:
    """Result file to the command that writes it, from the recipe of `make bench`."""
    recipe = (ROOT / "Makefile").read_text("utf-8")
    lines = re.findall(r"^\t(\S.*? --out benchmarks/results/(\S+)\.md.*)$", recipe, re.MULTILINE)
    return {name: command for command, name in lines}


def page() -> str:
    """The page as text."""
    rows = ["| stage | what | here | peer | its figure | unit | peer / here | result |"]
    rows.append("|---|---|---:|---|---:|---|---:|---|")
    for item in COMPARISONS:
        found = tables((RESULTS / f"{item.file}.md").read_text("utf-8"))
        ours = find(found, item.ours, item.ours_column or item.column, item.file)
        peer = find(found, item.peer, item.column, item.file)
        if item.ratio:
            ratio = number(find(found, item.ours, item.ratio, item.file))
        else:
            ratio = number(peer) / number(ours)
        link = f"[{item.file}](../benchmarks/results/{item.file}.md)"
        cells = (item.stage, item.what, ours, item.peer_name or item.peer[-1], peer, item.unit)
        rows.append("| " + " | ".join([*cells, f"{ratio:.3g}", link]) + " |")
    lines = [INTRO, *rows, "", "## To repeat", ""]
    lines += ["Peers that are not installed with neuro are named in each script's first lines.", ""]
    lines += ["| result | command | what it measures |", "|---|---|---|"]
    known = commands()
    for path in sorted(RESULTS.glob("*.md")):
        command = known.get(path.stem, "")
        lines.append(
            f"| [{path.stem}](../benchmarks/results/{path.name}) | "
            f"{f'`{command}`' if command else 'see the file'} | {purpose(path.stem)} |"
        )
    return "\n".join(lines) + "\n"


def purpose(name: str) -> str:
    """First sentence of the script that writes a result."""
    script = ROOT / "benchmarks" / f"{name}.py"
    if not script.is_file():
        # a script may write several results; they name it
        named = re.search(r"benchmarks/\w+\.py", (RESULTS / f"{name}.md").read_text("utf-8"))
        if not named:
            return ""
        script = ROOT / named[0]
    match = re.search(r'^"""(.+?)(?:\.\s|\.?"""|\n\n)', script.read_text("utf-8"), re.S)
    return " ".join(match[1].split()) if match else ""


if __name__ == "__main__":
    (ROOT / "docs" / "benchmarks.md").write_text(page(), "utf-8")
