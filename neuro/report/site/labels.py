"""What the report calls people and files: no paths, no machine names, numbers if wanted."""

from __future__ import annotations

import re
import socket

_PART = r"[^\s/\\:;,'\"<>|()\[\]]"
_POSIX = re.compile(rf"(?<![\w.:/<])~?/(?:{_PART}+/)*{_PART}*")
_WINDOWS = re.compile(rf"\b[A-Za-z]:\\(?:{_PART}+\\)*{_PART}*")
_HOME = re.compile(r"(?:/home/|/Users/|[A-Za-z]:\\Users\\)[^/\\]+[/\\]?|/root/?|~/?")
_FILE_URL = re.compile(r"\bfile://")
_ACCOUNT = re.compile(r"\b[\w.-]+@[\w.-]+")
_SUBJECT = re.compile(r"sub-([A-Za-z0-9]+)")


def without_machine(text: str) -> str:
    """A text in which absolute paths are file names and the machine has no name.

    Parameters
    ----------
    text : str

    Returns
    -------
    str
        `/home/ann/bids/sub-01_bold.json` becomes `sub-01_bold.json`; relative paths and
        web addresses stay.
    """
    text = _FILE_URL.sub("", str(text))
    text = _POSIX.sub(_file_name, text)
    text = _WINDOWS.sub(_file_name, text)
    text = _ACCOUNT.sub(_account, text)
    host = socket.gethostname()
    for name in {host, host.split(".")[0]}:
        if len(name) > 3 and name != "localhost":
            text = re.sub(rf"(?<![\w-]){re.escape(name)}(?![\w-])", "host", text)
    return text


def _file_name(match: re.Match) -> str:
    if _HOME.fullmatch(match[0]):
        return "~"
    parts = [name for name in re.split(r"[/\\]", match[0]) if name]
    return parts[-1] if parts else match[0]


def _account(match: re.Match) -> str:
    # `ann@node7` names a user and a machine; `[@dey2012]` and e-mail-free text never match.
    return "user@host"


class Labels:
    """Names of participants in the report.

    Parameters
    ----------
    participants : iterable of str
        Labels without `sub-`.
    anonymous : bool
        Replace labels by numbers `P001`, `P002`, ... in the order of the sorted labels.
    """

    def __init__(self, participants=(), anonymous: bool = False):
        self.anonymous = anonymous
        self._numbers: dict[str, str] = {}
        if anonymous:
            for label in sorted({str(name) for name in participants}):
                self._number(label)
        # Short labels are too easily a number in a sentence; they are replaced after `sub-` only.
        long = [re.escape(label) for label in self._numbers if len(label) >= 5]
        self._words = re.compile(rf"(?<!\w)({'|'.join(long)})(?!\w)") if long else None

    def _number(self, label: str) -> str:
        return self._numbers.setdefault(label, f"P{len(self._numbers) + 1:03d}")

    def without_names(self, page: str) -> str:
        """A finished page in which no known participant is named as `sub-<label>` any more."""
        # Labels that look like our numbers cannot be told from them.
        if not self.anonymous or any(re.fullmatch(r"P\d{3,}", label) for label in self._numbers):
            return page
        return _SUBJECT.sub(lambda m: f"sub-{self._numbers.get(m[1], m[1])}", page)

    def subject(self, label) -> str:
        """The name of a participant."""
        label = str(label).removeprefix("sub-")
        return self._number(label) if self.anonymous else label

    def text(self, value) -> str:
        """A free text (file name, run key, reason) that may name participants or paths."""
        text = without_machine(value)
        if not self.anonymous:
            return text
        if text in self._numbers:
            return self._numbers[text]
        text = _SUBJECT.sub(lambda match: f"sub-{self._number(match[1])}", text)
        return self._words.sub(lambda match: self._number(match[1]), text) if self._words else text
