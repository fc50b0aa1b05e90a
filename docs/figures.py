"""Write docs/figures.md from a finished demo: `python docs/figures.py results`."""

import re
import sys
from pathlib import Path

import yaml

from neuro import config as settings
from neuro.report.pages.methods import TITLES
from neuro.report.site import model, page
from neuro.report.site.labels import Labels

ROOT = Path(__file__).parents[1]
INTRO = """# How to read the figures

Every figure of the report with its caption and how to read it, as the demo shows them; written by
`python docs/figures.py results` after `make demo`. The same words stand below each figure in the
report. With other data some figures are missing and others appear; the file name is the one below
`results/report/figures/`.
"""


def entries(results: Path, config: dict) -> list[str]:
    """The page's parts: a heading per stage and an entry per figure."""
    parts = []
    for stage, make in page.SECTIONS.items():
        if not config[stage]["enabled"]:
            continue
        parts.append(f"## {TITLES[stage]} (`{stage}`)\n")
        for section in make(results, config, Labels(anonymous=True), 1):
            parts += [f"Page section: {section.title}.\n"]
            parts += [entry(section.slug, figure) for figure in section.figures()]
    return parts


def entry(slug: str, figure: model.Figure) -> str:
    """One figure."""
    text = (
        f"### `{slug}/{figure.name}.png`\n\n{figure.caption}\n\n"
        f"**How to read this:** {figure.how_to_read}\n"
    )
    return re.sub(r"sub-P\d+", "sub-*", text)


def main(results: Path) -> None:
    """Write the page."""
    config = yaml.safe_load((ROOT / "config.yaml").read_text("utf-8"))
    if problems := settings.resolve(config):
        sys.exit("\n".join(problems))
    text = "\n".join([INTRO, *entries(results, config)])
    (ROOT / "docs" / "figures.md").write_text(text, "utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
