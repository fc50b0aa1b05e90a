"""Methods text with citations, and the bibliography of what is cited.

Sentences cite with `[@key]` or `[@one; @two]`; keys are those of `references.bib`.
"""

from __future__ import annotations

import difflib
import re
from importlib import resources
from pathlib import Path

from neuro.report.site import model

TITLES = {
    "fmri": "Preprocessing and connectomes",
    "adhd": "Graph maps and diagnosis",
    "demovae": "Removal of demographic information",
    "ntf": "Dynamic connectome",
    "hmmglm": "Switching brain states",
    "mds": "Functional types",
    "braindive": "Preferred images",
}

_CITATION = re.compile(r"\s*\[(@[\w:-]+(?:\s*;\s*@[\w:-]+)*)\]")
_LATEX = {"--": "–", "\\&": "&", "~": " ", "\\'": "", '\\"': "", "\\v": "", "\\c": ""}


def bibliography() -> dict[str, dict[str, str]]:
    """The bundled bibliography: key to fields, `type` among them, in file order."""
    text = resources.files("neuro.report").joinpath("references.bib").read_text("utf-8")
    return parse_bib(text)


def parse_bib(text: str) -> dict[str, dict[str, str]]:
    """Parse BibTeX whose values stand in braces, one field per line or several.

    Parameters
    ----------
    text : str

    Returns
    -------
    dict
        Key to fields; field names in lower case, values without the outer braces.

    Raises
    ------
    ValueError
        When a key is repeated or a brace is left open.
    """
    entries: dict[str, dict[str, str]] = {}
    for match in re.finditer(r"@(\w+)\{([^,\s]+),", text):
        key, position, fields = match[2], match.end(), {"type": match[1].lower()}
        if key in entries:
            raise ValueError(f"references.bib: key '{key}' is repeated")
        while field := re.compile(r"\s*(\w+)\s*=\s*\{").match(text, position):
            end = _closing(text, field.end(), key)
            fields[field[1].lower()] = " ".join(text[field.end() : end].split())
            position = end + 1
            if text[position : position + 1] == ",":
                position += 1
        entries[key] = fields
    return entries


def _closing(text: str, start: int, key: str) -> int:
    depth = 1
    for position in range(start, len(text)):
        depth += {"{": 1, "}": -1}.get(text[position], 0)
        if depth == 0:
            return position
    raise ValueError(f"references.bib: entry '{key}' has an open brace")


def cited(methods) -> list[str]:
    """Citation keys in the order of their first use.

    Parameters
    ----------
    methods : sequence of tuple
        `(stage, sentences, keys)`, or `(sentences, keys)` without a heading; sentences are
        a text or a list of texts. Keys that no sentence cites are listed at the end.

    Returns
    -------
    list of str

    Raises
    ------
    ValueError
        For a key that the bundled bibliography lacks, with the nearest one.
    """
    library = bibliography()
    order: list[str] = []
    rest: list[str] = []
    for _, sentences, keys in _parts(methods):
        inline = [key for s in sentences for m in _CITATION.finditer(s) for key in _keys(m[1])]
        order += inline
        rest += keys
    unique = list(dict.fromkeys([*order, *rest]))
    for key in unique:
        if key not in library:
            near = difflib.get_close_matches(key, library, 1)
            hint = f"; did you mean '{near[0]}'?" if near else ""
            raise ValueError(f"references.bib: no entry '{key}'{hint}")
    return unique


def _parts(methods):
    for entry in methods:
        *stage, sentences, keys = entry
        sentences = [sentences] if isinstance(sentences, str) else list(sentences)
        yield (stage[0] if stage else ""), sentences, list(keys)


def _keys(group: str) -> list[str]:
    return [key.strip().lstrip("@") for key in group.split(";")]


def paragraphs(methods, cite) -> list[tuple[str, str]]:
    """Headings and paragraphs, citations replaced by `cite(keys)`.

    Parameters
    ----------
    methods : sequence of tuple
    cite : callable
        Turns a list of keys into text such as `[1, 2]`.

    Returns
    -------
    list of (str, str)
    """
    mentioned = {
        key
        for _, sentences, _ in _parts(methods)
        for sentence in sentences
        for match in _CITATION.finditer(sentence)
        for key in _keys(match[1])
    }
    out, software = [], []
    for stage, sentences, keys in _parts(methods):
        text = " ".join(sentences)
        out.append(
            (TITLES.get(stage, stage), _CITATION.sub(lambda m: f" {cite(_keys(m[1]))}", text))
        )
        software += [key for key in keys if key not in mentioned]
    if software := list(dict.fromkeys(software)):
        library = bibliography()
        names = [f"{_short_title(library[key])} {cite([key])}" for key in software]
        out.append(("Software", f"Computations used {listing(names)}."))
    return out


def _short_title(fields: dict) -> str:
    return fields.get("shorttitle") or plain(fields.get("title", ""))


def listing(names: list[str]) -> str:
    """Names in a sentence: `a, b and c`."""
    return names[0] if len(names) == 1 else ", ".join(names[:-1]) + " and " + names[-1]


def text(methods) -> str:
    """The methods section as Markdown, citations as (author, year), references at the end."""
    library = bibliography()
    order = cited(methods)

    def cite(keys):
        return (
            "("
            + "; ".join(f"{_authors_short(library[k])}, {library[k]['year']}" for k in keys)
            + ")"
        )

    lines = ["# Methods", ""]
    for title, paragraph in paragraphs(methods, cite):
        lines += [f"## {title}", ""] if title else []
        lines += [paragraph, ""]
    if order:
        lines += ["## References", ""]
        references = sorted(reference(library[key]) for key in order)
        lines += [f"- {words}{' ' + link if link else ''}" for words, link in references]
        lines.append("")
    return "\n".join(lines)


def section(methods) -> model.Section:
    """The methods section of the report: numbered citations and the list of references."""
    order = cited(methods)
    library = bibliography()
    numbers = {key: number for number, key in enumerate(order, 1)}

    def cite(keys):
        return "[" + ", ".join(str(number) for number in sorted(numbers[key] for key in keys)) + "]"

    blocks: list = []
    for title, paragraph in paragraphs(methods, cite):
        blocks += [model.Heading(title)] if title else []
        blocks.append(model.Text(paragraph))
    if order:
        blocks.append(model.Heading("References"))
        blocks.append(model.References([reference(library[key]) for key in order]))
    if not blocks:
        blocks = [model.Text("No stage has described its methods.")]
    return model.Section("methods", "Methods", blocks)


def write(methods, out: Path) -> None:
    """Write `methods.md` and `references.bib` (cited entries only, in order of citation).

    Parameters
    ----------
    methods : sequence of tuple
    out : pathlib.Path
    """
    library = bibliography()
    (out / "methods.md").write_text(text(methods), "utf-8")
    entries = []
    for key in cited(methods):
        fields = library[key]
        lines = [
            f"  {name} = {{{value}}}"
            for name, value in fields.items()
            if name not in ("type", "shorttitle")
        ]
        entries.append(f"@{fields['type']}{{{key},\n" + ",\n".join(lines) + "\n}\n")
    (out / "references.bib").write_text("\n".join(entries), "utf-8")


def plain(value: str) -> str:
    """A BibTeX value as plain text."""
    for code, letter in _LATEX.items():
        value = value.replace(code, letter)
    return value.replace("{", "").replace("}", "")


def _authors(fields: dict) -> list[str]:
    raw = fields.get("author", "")
    if raw.startswith("{"):
        return [plain(raw)]
    return [plain(name.strip()) for name in raw.split(" and ")]


def _authors_short(fields: dict) -> str:
    names = [name.split(",")[0] for name in _authors(fields)]
    if len(names) > 2 or names[-1] == "others":
        return f"{names[0]} et al."
    return " and ".join(names)


def _initials(name: str) -> str:
    """`Power, Jonathan D.` becomes `Power JD`; names of groups stay."""
    family, comma, given = name.partition(",")
    letters = [word[0] for word in given.replace("-", " ").split()]
    return f"{family} {''.join(letters)}" if comma else name


def reference(fields: dict) -> tuple[str, str]:
    """A reference as text, and its link (DOI, else address, else empty)."""
    names = _authors(fields)
    many = len(names) > 6 or names[-1] == "others"
    names = [_initials(name) for name in names]
    shown = ", ".join(names[:6] if len(names) > 6 else [n for n in names if n != "others"])
    shown = f"{shown}, et al." if many else shown
    where = plain(fields.get("journal") or fields.get("booktitle") or fields.get("publisher", ""))
    number = fields.get("volume", "")
    number += f"({fields['number']})" if "number" in fields else ""
    pages = plain(fields.get("pages", ""))
    tail = ":".join(piece for piece in (number, pages) if piece)
    where = " ".join(piece for piece in (where, tail) if piece)
    words = f"{shown} ({fields['year']}). {plain(fields['title'])}."
    words += f" {where}." if where else ""
    link = f"https://doi.org/{fields['doi']}" if "doi" in fields else fields.get("url", "")
    return words, link
