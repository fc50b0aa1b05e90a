"""The kinds of fault that are planted, and the seeded draw of them."""

from __future__ import annotations

import ast
import functools
import random
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

BOUNDARIES = {ast.Lt: "<=", ast.LtE: "<", ast.Gt: ">=", ast.GtE: ">"}
COMPARISONS = {
    ast.Lt: ">", ast.LtE: ">=", ast.Gt: "<", ast.GtE: "<=", ast.Eq: "!=", ast.NotEq: "==",
    ast.In: "not in", ast.NotIn: "in", ast.Is: "is not", ast.IsNot: "is",
}  # fmt: skip
"""Between real numbers a boundary changes nothing: there the direction is turned."""
SIGNS = {ast.Add: "-", ast.Sub: "+", ast.Mult: "/", ast.Div: "*"}
SIDES = {"train": "test", "training": "held_out", "inner": "outer"}
SEEDS = {"random_state", "seed", "rng"}
SETTING = ast.Name | ast.Attribute | ast.Subscript
SAME = {"dtype", "device", "file", "log", "text", "env", "cwd"}
"""Keywords that change precision, place or messages only."""
SILENT = {"debug", "info", "warning", "warn", "print", "close", "flush", "write", "progress"}


@dataclass(frozen=True)
class Mutant:
    """One replacement in one file."""

    path: str
    line: int
    kind: str
    start: int
    end: int
    old: str
    new: str
    scope: tuple[str, ...]

    def apply(self, source: str) -> str:
        data = source.encode()
        assert data[self.start : self.end].decode() == self.old, self
        return (data[: self.start] + self.new.encode() + data[self.end :]).decode()

    def __str__(self):
        old, new = (" ".join(text.split())[:60] for text in (self.old, self.new))
        return f"{self.path}:{self.line} {self.kind}: `{old}` -> `{new or 'nothing'}`"


def is_whole(node) -> bool:
    """Whether an expression is a whole number."""
    if isinstance(node, ast.Constant):
        return type(node.value) is int
    return isinstance(node, ast.Call) and getattr(node.func, "id", "") == "len"


class Sites(ast.NodeVisitor):
    """Collects the places of one file where a fault can be planted."""

    def __init__(self, path: str, source: str):
        self.path, self.data = path, source.encode()
        lines = source.encode().splitlines(keepends=True)
        self.starts = [0]
        for line in lines:
            self.starts.append(self.starts[-1] + len(line))
        self.found: list[Mutant] = []
        self.scope: tuple[str, ...] = ()
        self.visit(ast.parse(source))

    def at(self, node, end=False) -> int:
        line, column = (
            (node.end_lineno, node.end_col_offset) if end else (node.lineno, node.col_offset)
        )
        return self.starts[line - 1] + column

    def add(self, kind, node, new, start=None, end=None):
        start = self.at(node) if start is None else start
        end = self.at(node, end=True) if end is None else end
        old = self.data[start:end].decode()
        if old != new:
            self.found.append(
                Mutant(self.path, node.lineno, kind, start, end, old, new, self.scope)
            )

    def between(self, kind, left, right, symbols, new):
        """Replace the operator that stands between two nodes."""
        start, end = self.at(left, end=True), self.at(right)
        text = self.data[start:end].decode()
        for symbol in symbols:
            if text.count(symbol) == 1 and "#" not in text:
                place = start + len(text[: text.index(symbol)].encode())
                self.add(kind, right, new, place, place + len(symbol))
                return

    def visit_FunctionDef(self, node):
        outer, self.scope = self.scope, (*self.scope, node.name)
        for child in [*node.args.defaults, *node.args.kw_defaults, *node.body]:
            if child is not None:
                self.visit(child)
        self.scope = outer

    def visit_ClassDef(self, node):
        outer, self.scope = self.scope, (*self.scope, node.name)
        for child in node.body:
            self.visit(child)
        self.scope = outer

    def visit_AnnAssign(self, node):
        if node.value is not None:
            self.visit(node.value)

    def visit_Raise(self, node):
        """What an error says is not mutated."""

    def visit_If(self, node):
        if "TYPE_CHECKING" not in ast.unparse(node.test):
            self.generic_visit(node)

    def visit_Compare(self, node):
        if len(node.ops) == 1 and "__name__" not in ast.unparse(node):
            words = {ast.Is: ["is"], ast.IsNot: ["is not"], ast.In: ["in"], ast.NotIn: ["not in"]}
            texts = {ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=", ast.Eq: "=="}
            op = type(node.ops[0])
            symbols = words.get(op) or [texts.get(op, "!=")]
            whole = any(is_whole(side) for side in (node.left, *node.comparators))
            new = BOUNDARIES.get(op, COMPARISONS[op]) if whole else COMPARISONS[op]
            self.between("comparison", node.left, node.comparators[0], symbols, new)
        self.generic_visit(node)

    def visit_BinOp(self, node):
        strings = any(
            isinstance(side, ast.JoinedStr)
            or (isinstance(side, ast.Constant) and isinstance(side.value, str))
            for side in (node.left, node.right)
        )
        if type(node.op) in SIGNS and not strings:
            symbol = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/"}[type(node.op)]
            self.between("sign", node.left, node.right, [symbol], SIGNS[type(node.op)])
        self.generic_visit(node)

    def visit_UnaryOp(self, node):
        if isinstance(node.op, ast.USub) and not isinstance(node.operand, ast.Constant):
            self.add("sign", node, "", self.at(node), self.at(node.operand))
        self.generic_visit(node)

    def visit_Call(self, node):
        name = getattr(node.func, "attr", getattr(node.func, "id", ""))
        for k, word in enumerate(node.keywords):
            constant = isinstance(word.value, ast.Constant)
            if word.arg == "axis" and constant and word.value.value in (0, 1, -1):
                self.add("axis", word.value, "1" if word.value.value == 0 else "0")
            elif word.arg in SEEDS and not constant:
                self.add("constant seed", word.value, "0")
            elif word.arg not in (None, *SAME) and isinstance(word.value, SETTING):
                following = node.keywords[k + 1 :]
                end = self.at(following[0]) if following else self.at(node, end=True) - 1
                self.add("ignored setting", word, "", self.at(word), end)
        if name in ("default_rng", "SeedSequence") and node.args:
            self.add("constant seed", node.args[0], "0")
        self.generic_visit(node)

    def visit_Subscript(self, node):
        for part in ast.walk(node.slice):
            self.off_by_one(part)
        self.generic_visit(node)

    def off_by_one(self, node):
        if isinstance(node, ast.Constant) and type(node.value) is int:
            self.add("off by one", node, str(node.value + 1))

    def visit_Name(self, node):
        pairs = [*SIDES.items(), *((b, a) for a, b in SIDES.items())]
        for a, b in pairs:
            if node.id == a and isinstance(node.ctx, ast.Load):
                text = self.data.decode()
                if f"{b} =" in text or f", {b}" in text or f"{b}," in text:
                    self.add("training for test", node, b)

    def visit_AugAssign(self, node):
        self.add("dropped line", node, "pass")
        self.generic_visit(node)

    def visit_Assign(self, node):
        if all(isinstance(target, ast.Subscript) for target in node.targets):
            self.add("dropped line", node, "pass")
        self.generic_visit(node)

    def visit_Expr(self, node):
        if isinstance(node.value, ast.Call):
            func = node.value.func
            if getattr(func, "attr", getattr(func, "id", "")) not in SILENT:
                self.add("dropped line", node, "pass")
            self.generic_visit(node)


@functools.cache
def sites_of(name: str, source: str) -> tuple[Mutant, ...]:
    """The mutants of one file; a second draw does not parse it again."""
    return tuple(Sites(name, source).found)


def mutants(root: Path, seed: int, n: int) -> list[Mutant]:
    """Draw `n` mutants: as many for every room of `neuro/`, kinds alike where a room has them."""
    sites: dict[str, dict[str, list[Mutant]]] = defaultdict(lambda: defaultdict(list))
    for path in sorted((root / "neuro").rglob("*.py")):
        name = str(path.relative_to(root))
        if name.count("/") > 1:
            for mutant in sites_of(name, path.read_text()):
                sites[name.split("/")[1]][mutant.kind].append(mutant)
    chosen: list[Mutant] = []
    rooms = sorted(sites)
    for k, room in enumerate(rooms):
        rng = random.Random(f"{seed} {room}")
        share = n // len(rooms) + (k < n % len(rooms))
        kinds = sites[room]
        while share and any(kinds.values()):
            pool = kinds[rng.choice(sorted(kind for kind in kinds if kinds[kind]))]
            mutant = pool.pop(rng.randrange(len(pool)))
            try:
                ast.parse(mutant.apply((root / mutant.path).read_text()))
            except SyntaxError:
                continue
            chosen.append(mutant)
            share -= 1
    return chosen
