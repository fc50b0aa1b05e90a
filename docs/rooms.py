"""Write the chart of rooms into docs/architecture.md: which folder of neuro imports which."""

from pathlib import Path

from rulegraph import updated

from neuro.run import digest

PAGE = Path(__file__).with_name("architecture.md")
MARKERS = ("<!-- rooms: start -->", "<!-- rooms: end -->")
STAGES = ("fmri", "adhd", "demovae", "ntf", "hmmglm", "mds", "braindive")


def edges() -> set[tuple[str, str]]:
    """Pairs of rooms of which the first imports the second; the stages count as one room."""
    pairs = set()
    for path in digest.PACKAGE.rglob("*.py"):
        name = path.relative_to(digest.PACKAGE).as_posix()
        for other in digest.imports(name):
            pair = tuple(_room(item) for item in (name, other))
            if pair[0] != pair[1] and all(pair):
                pairs.add(pair)
    return pairs


def _room(name: str) -> str:
    room = name.partition("/")[0] if "/" in name else ""
    return "stages" if room in STAGES else room


def chart() -> str:
    """The flow chart; no arrow where a room in no circle with its end leads there as well."""
    pairs = edges()
    rooms = {pair[1] for pair in pairs}
    direct = {
        (a, b)
        for a, b in pairs
        if not any({(a, c), (c, b)} <= pairs and (b, c) not in pairs for c in rooms)
    }
    lines = ["flowchart TD", f'  stages["{", ".join(STAGES)}"]']
    return "\n".join([*lines, *(f"  {a} --> {b}" for a, b in sorted(direct))])


def page() -> str:
    """The page as it should be."""
    return updated(PAGE.read_text("utf-8"), chart(), MARKERS)


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
