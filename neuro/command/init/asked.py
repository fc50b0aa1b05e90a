"""Read files of one kind once: what was taken for what, and the questions that are left."""

from __future__ import annotations

import re
import warnings

from neuro.command.init.found import comment, quoted, wrap
from neuro.io.formats.damaged import readable
from neuro.io.problems import InputProblem

LISTED = 12
"""So many files are described; the others are counted."""


def read_all(paths, read, answers):
    """Read every file; sort what is wrong into questions and reasons to leave a file out.

    Parameters
    ----------
    paths : sequence of pathlib.Path
    read : callable
        Reader of one path; raises `InputProblem`.
    answers : dict of str to str
        Words of a problem line to the setting that answers it. `{choice}` stands for the first
        of the choices that the line names.

    Returns
    -------
    read : list of (path, data or None)
        None where a question has to be answered first.
    questions : list of str
        Lines for the section.

    Raises
    ------
    InputProblem
        When no file can be used.
    """
    contents, questions, problems = [], {}, []
    for path in paths:
        try:
            with warnings.catch_warnings(), readable(path, "cannot be read"):
                warnings.simplefilter("ignore")
                contents.append((path, read(path)))
        except InputProblem as problem:
            asked = [_answer(line, answers) for line in problem.problems]
            if not all(asked):
                problems += problem.problems
                continue
            for line, answer in zip(problem.problems, asked):
                questions.setdefault(answer, line)
            contents.append((path, None))
    if not contents:
        raise InputProblem(problems)
    lines = [comment(f"left out: {line}", 2) for line in problems]
    for answer, line in questions.items():
        lines += [comment(line, 2), f"  # {answer}"]
    return contents, lines


def _answer(line, answers) -> str | None:
    """The setting that answers a problem line."""
    for words, setting in answers.items():
        if words in line:
            choice = re.search(r"(?:one of|found):? (.+)$", line)
            first = re.split(r"[,;]", choice[1])[0].strip() if choice else "NAME"
            return setting.replace("{choice}", quoted(first))
    return None


def about(contents, describe, title) -> list[str]:
    """Comment lines for the head: one per file, and below it what was taken for what.

    Parameters
    ----------
    contents : list of (path, data or None)
    describe : callable
        Of data: the line, and a list of further lines.
    title : str

    Returns
    -------
    list of str
    """
    lines = wrap(title)
    for path, data in contents[:LISTED]:
        if data is None:
            lines += wrap(f"{path.as_posix()}: a question is open, see below")
            continue
        first, further = describe(data)
        lines += wrap(f"{path.as_posix()}: {first}")
        for line in further:
            lines += wrap(f"  {line}")
    return lines + (wrap(f"and {len(contents) - LISTED} more") if len(contents) > LISTED else [])


def name_of(path, taken) -> str:
    """A name of letters and digits that is not taken yet."""
    stem = "".join(letter for letter in path.name.split(".")[0] if letter.isalnum())
    stem = "".join(letter for letter in stem if letter.isascii()) or "set"
    name, number = stem, 2
    while name in taken:
        name, number = f"{stem}{number}", number + 1
    return name
