"""The conformance set: what is read right, what is refused in one line, what is wrong.

`python tests/conformance/table.py` reads every entry and prints the table and the rate;
`--docs` writes docs/what_is_read.md; `--failing` prints what is not as the table says.
"""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
PAGE = ROOT / "docs" / "what_is_read.md"
sys.path[:0] = [str(HERE), str(ROOT / "tests/unit"), str(ROOT)]

import of_downloads  # noqa: E402
import of_found  # noqa: E402
import of_listed  # noqa: E402
import of_recordings  # noqa: E402
import of_regions  # noqa: E402
import of_responses  # noqa: E402
import of_spikes  # noqa: E402
import of_strangers  # noqa: E402
import of_trees  # noqa: E402
from conformance_cases import DATA, run  # noqa: E402

MODULES = (
    *(of_trees, of_listed, of_found, of_regions, of_spikes, of_recordings, of_responses),
    of_downloads,
    of_strangers,
)
CASES = [case for module in MODULES for case in module.CASES]


def rate() -> tuple[int, int]:
    """Entries that are read right or refused in one line, and all."""
    return sum(not case.wrong for case in CASES), len(CASES)


def page() -> str:
    """The docs page; what it states of each entry is what the tests hold."""
    good, n = rate()
    refused = sum(isinstance(case.want, str) and not case.wrong for case in CASES)
    lines = [
        "# What is read",
        "",
        f"{good} of {n} inputs of the conformance set ({good / n:.1%}) are read right "
        f"({good - refused}) or refused in one line ({refused}); {n - good} are read wrong today. "
        "Written by `python tests/conformance/table.py --docs`; every entry is a test "
        '(`tests/conformance`). "Right" means that all numbers of the line, and the arrays '
        "behind them, came out; for trees, that `neuro init` writes settings with which exactly "
        "these runs are found, and that `neuro check` ends without a traceback.",
    ]
    for group in dict.fromkeys(case.group for case in CASES):
        members = [case for case in CASES if case.group == group]
        lines += ["", f"## {group}", "", "| input | kind | expected | today |", "|---|---|---|---|"]
        for case in members:
            refuses = isinstance(case.want, str)
            today = f"wrong: {case.wrong}" if case.wrong else "refused" if refuses else "right"
            cells = (case.name, case.way, case.expected(), today)
            lines.append(f"| {' | '.join(cell.replace('|', '&#124;') for cell in cells)} |")
    return "\n".join(lines) + "\n"


def main(arguments) -> int:
    only = [word for word in arguments if not word.startswith("-")]
    if "--docs" in arguments:
        PAGE.write_text(page(), "utf-8")
        return 0
    verdicts: Counter = Counter()
    surprising = 0
    for case in CASES:
        if only and not any(word in case.id for word in only):
            continue
        if case.listed and not DATA.exists():
            verdict, detail = "not looked at", f"no folder {DATA}"
        else:
            verdict, detail = run(case)
        verdicts[verdict] += 1
        odd = (verdict == "wrong") != bool(case.wrong)
        surprising += odd
        if odd or "--failing" not in arguments:
            print(f"{'!' if odd else ' '} {verdict:8} {case.id}: {case.expected()}  {detail}")
    n = sum(verdicts.values()) - verdicts["not looked at"]
    good = verdicts["right"] + verdicts["refused"]
    words = ", ".join(f"{count} {verdict}" for verdict, count in verdicts.most_common())
    print(f"{good} of {n} right or refused in one line ({good / max(n, 1):.1%}): {words}")
    return 1 if surprising else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
