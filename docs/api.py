"""Write docs/api.md: the public names of every package with their signatures and docstrings."""

import importlib
import inspect
import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
ROOMS = (
    *("fmri", "adhd", "demovae", "ntf", "hmmglm", "mds", "braindive"),
    *("encoding", "stats", "io", "config", "report"),
)
INTRO = """# Python API

Every stage is plain Python and works without the workflow: `from neuro.adhd import VoxelGraph`.
Names are imported on first use, so `import neuro.adhd` is light. Below are the names that stay;
everything else may change. Generated from the docstrings by `python docs/api.py`; a test compares
the names.

**Estimators keep scikit-learn's contract**, and `tests/sklearn_contract` holds every class with a
`fit` to it:

- `clone`, `Pipeline`, `GridSearchCV`, `cross_val_score`, `check_is_fitted`, pickle and the HTML
  representation work, on lists of runs or of spike sequences and on images too. Rows come first,
  the target (or nothing) second; coordinates, masks, confounds, the sampling interval and
  demographics are keywords, which a pipeline takes as `step__name`.
- Before `fit`, `NotFittedError`. `fit` changes no parameter and marks what it learned with an
  underscore at the end; the same rows and seed give the same fit.
- Rows that are a table have `n_features_in_` and `feature_names_in_`: columns in another order,
  sparse matrices, complex numbers and text are refused, NaN as well where it has no meaning.
- Classifiers have two classes of any kind; the later in order is the one whose decision is
  above 0 (with 0 and 1: the case).
- Transformers with names for their columns know `set_output(transform="pandas")`. Results of
  float32 stay so where the docstring says it.
- Classes that rules with one job per run or per start load do not import scikit-learn until one
  of its tools asks (1.4 s per process); hence they do not derive from its `BaseEstimator`.

Checks that an estimator cannot pass are listed in the test with the reason: most often its input
is no table of numbers.
"""


def page() -> str:
    """The page as text."""
    parts = [INTRO]
    for room in ROOMS:
        module = importlib.import_module(f"neuro.{room}")
        first, _, more = inspect.getdoc(module).partition("\n")
        parts.append(f"## `neuro.{room}`\n\n{first}\n{more}".rstrip() + "\n")
        for name in sorted(module.__all__, key=str.lower):
            parts.append(entry(f"neuro.{room}.{name}", getattr(module, name)))
    return "\n".join(parts)


def entry(path: str, item) -> str:
    """One name: signature, first sentence, the whole docstring folded."""
    name = path.rpartition(".")[2]
    if not callable(item):
        return f"### `{name}`\n\nA constant: `{item!r}`.\n"
    item = getattr(item, "py_func", item)
    doc = inspect.getdoc(item) or ""
    first, _, rest = doc.partition("\n\n")
    parts = [f"### `{name}{_signature(item)}`\n", " ".join(first.split()) + "\n"]
    methods = _methods(item) if inspect.isclass(item) else []
    body = rest.strip()
    if methods:
        body += "\n\nMethods\n-------\n" + "\n".join(methods)
    if body:
        parts.append(f"<details><summary>Details</summary>\n\n```text\n{body.strip()}\n```\n")
        parts.append("</details>\n")
    return "\n".join(parts)


def _signature(item) -> str:
    try:
        text = str(inspect.signature(item))
    except ValueError:
        return ""
    text = re.sub(r"<([\w.]+) object at 0x[0-9a-f]+>", r"\1", text)
    # Types stand in the docstring.
    return re.sub(r" -> .*$", "", text).replace("'", "")


def _methods(item) -> list[str]:
    out = []
    for name, value in sorted(vars(item).items()):
        function = getattr(value, "__func__", value)
        if name.startswith("_") or not inspect.isfunction(function):
            continue
        line = (inspect.getdoc(function) or "").partition("\n")[0]
        out.append(f"{name}{_signature(function).replace('(self, ', '(')}\n    {line}")
    return [line.replace("(self)", "()") for line in out]


if __name__ == "__main__":
    (ROOT / "docs" / "api.md").write_text(page(), "utf-8")
