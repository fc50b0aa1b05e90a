"""Public names exist, load lazily and are documented as numpydoc.

Functions need Parameters, Returns and Raises where they have them, classes Parameters or
Attributes, methods a docstring that says when they raise.
"""

import ast
import importlib
import inspect
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = (
    *("fmri", "adhd", "demovae", "ntf", "hmmglm", "mds", "braindive"),
    *("encoding", "stats", "simulate", "io", "report", "config"),
)
NAMES = [
    f"neuro.{package}.{name}"
    for package in PACKAGES
    for name in importlib.import_module(f"neuro.{package}").__all__
]


def find(path):
    """The object of a dotted name."""
    package, _, name = path.rpartition(".")
    return getattr(importlib.import_module(package), name)


def own_nodes(node):
    """Nodes of a function's body without those of functions inside it."""
    todo = list(node.body)
    while todo:
        inner = todo.pop()
        if not isinstance(inner, (ast.FunctionDef, ast.ClassDef, ast.Lambda)):
            yield inner
            todo += ast.iter_child_nodes(inner)


def sections_wanted(function) -> set[str]:
    """Sections that a function's docstring must have, from its signature and its source."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(function))).body[0]
    wanted = set()
    arguments = [*tree.args.posonlyargs, *tree.args.args, *tree.args.kwonlyargs]
    if any(argument.arg not in ("self", "cls") for argument in arguments):
        wanted.add("Parameters")
    for node in own_nodes(tree):
        if isinstance(node, ast.Return) and node.value is not None:
            itself = isinstance(node.value, ast.Name) and node.value.id == "self"
            wanted |= set() if itself else {"Returns"}
        if isinstance(node, ast.Raise) and node.exc is not None:
            wanted.add("Raises")
    return wanted


def lacking(item, name) -> list[str]:
    """What the docstrings of a function, or of a class and its public methods, lack."""
    item = getattr(item, "py_func", item)
    doc = inspect.getdoc(item) if "__doc__" in vars(item) or not inspect.isclass(item) else None
    if not doc:
        return [f"{name}: no docstring"]
    out = []
    if inspect.isclass(item):
        start = vars(item).get("__init__")
        made_of_fields = hasattr(item, "__dataclass_fields__")
        if start is not None and len(inspect.signature(start).parameters) > 1:
            if "Parameters\n" not in doc and "Attributes\n" not in doc:
                out.append(f"{name}: no Parameters")
        elif made_of_fields and "Attributes\n" not in doc and "Parameters\n" not in doc:
            out.append(f"{name}: no Attributes")
        for method, value in vars(item).items():
            value = getattr(value, "__func__", value)
            if not method.startswith("_") and inspect.isfunction(value):
                # Methods of scikit-learn's contract may say their shapes in one line.
                missing = lacking(value, f"{name}.{method}")
                out += [line for line in missing if line.endswith(("no docstring", "no Raises"))]
        return out
    if inspect.isfunction(item):
        out += [f"{name}: no {s}" for s in sorted(sections_wanted(item)) if f"{s}\n---" not in doc]
    return out


@pytest.mark.parametrize("path", NAMES)
def test_public_name_is_documented(path):
    item = find(path)
    if inspect.isroutine(item) or inspect.isclass(item) or hasattr(item, "py_func"):
        assert lacking(item, path) == []


@pytest.mark.parametrize("package", PACKAGES)
def test_package_lists_its_names_and_refuses_others(package):
    module = importlib.import_module(f"neuro.{package}")
    assert set(module.__all__) <= set(dir(module))
    # A module of the same name would take the place of the public one as soon as it is imported.
    modules = {path.stem for path in Path(module.__file__).parent.glob("*.py")}
    assert not modules & set(getattr(module, "_HOMES", ()))
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = module.nonsense


def test_importing_the_packages_is_light():
    code = (
        f"import sys, {', '.join(f'neuro.{name}' for name in PACKAGES)};"
        "print([m for m in ('sklearn', 'nilearn', 'torch', 'pandas', 'numba') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_check_sees_what_is_missing():
    def bare(x):
        """One line."""
        if x:
            raise ValueError(x)
        return x

    assert lacking(bare, "f") == ["f: no Parameters", "f: no Raises", "f: no Returns"]

    def without():
        pass

    assert lacking(without, "g") == ["g: no docstring"]


def described(docstring):
    """Names in the section Parameters of a docstring."""
    lines, names = docstring.split("\n"), []
    if "Parameters" not in lines:
        return names
    own = lines[lines.index("Parameters") + 2 :]
    for line, below in zip(own, [*own[1:], ""]):
        if below.startswith("---"):
            break
        if line and not line.startswith(" "):
            names += [name.strip().lstrip("*") for name in line.partition(" :")[0].split(",")]
    return [name for name in names if name.isidentifier()]


def test_docstrings_describe_the_parameters_that_there_are():
    wrong = []
    for path in sorted((ROOT / "neuro").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not isinstance(node, ast.FunctionDef):
                continue
            own = node.args
            known = {one.arg for one in (*own.posonlyargs, *own.args, *own.kwonlyargs)}
            known |= {one.arg for one in (own.vararg, own.kwarg) if one}
            odd = set(described(ast.get_docstring(node) or "")) - known
            wrong += [f"{path.relative_to(ROOT)}, {node.name}: {name}" for name in sorted(odd)]
    assert wrong == []
