"""The `spec` marks of the tests, read from the sources without running them.

A mark names sections and, behind a section, the one rule that its test holds:
`"RFC 6749 §4.1.2 code-once, RFC 9207 §2 iss"`. A comma or colon ends a reference; what follows may be free
words. A section without a specification before it belongs to the last one that was named.
"""

import ast
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

TESTS = Path(__file__).parent.parent
_SECTION = re.compile(r"(?:(?P<specification>[^§]+) )?§(?P<section>\d+(?:\.\d+)*)(?P<rest>[ :].*)?")


@dataclass(frozen=True, slots=True)
class Mark:
    """One reference to a rule.

    Attributes:
        test: its id, as pytest takes it; "" for a mark that is no single test's.
        path: its file, relative to the project's folder.
        specification, section, rule: what it names.
    """

    test: str
    path: str
    specification: str
    section: str
    rule: str

    @property
    def reference(self) -> str:
        """As the rules are called."""
        return f"{self.specification} §{self.section} {self.rule}"


def collect(names: Mapping[str, str], folder: Path = TESTS) -> list[Mark]:
    """Every reference to a rule in the tests below a folder.

    Arguments:
        names: the short name of each specification, by every name that it has; others are passed over.
        folder: where to look.
    """
    found = []
    for path in sorted(folder.rglob("test_*.py")):
        relative = path.relative_to(folder.parent).as_posix()
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for test, text in _marks(tree.body, relative):
            found += [Mark(test, relative, *reference) for reference in references(text, names)]
    return found


def references(text: str, names: Mapping[str, str]) -> Iterator[tuple[str, str, str]]:
    """The rules that a mark names: specification, section, rule."""
    specification = ""
    for part in text.split(", "):
        match = _SECTION.fullmatch(part)
        if match is None:
            continue
        specification = match["specification"] or specification
        rest = match["rest"] or ""
        if specification in names and rest.startswith(" "):
            yield names[specification], match["section"], rest[1:]


def _marks(body: Iterable[ast.stmt], prefix: str) -> Iterator[tuple[str, str]]:
    """The id of each test with each text of its marks; "" instead of the id where a mark is many tests'."""
    for node in body:
        if isinstance(node, ast.ClassDef):
            yield from (("", text) for text in _texts(node.decorator_list))
            yield from _marks(node.body, f"{prefix}::{node.name}")
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield from ((f"{prefix}::{node.name}", text) for text in _texts(node.decorator_list))
        elif isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
            yield from (("", text) for text in _texts([node.value]))


def _texts(expressions: Iterable[ast.expr]) -> Iterator[str]:
    for expression in expressions:
        for node in ast.walk(expression):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "spec":
                yield from (str(ast.literal_eval(argument)) for argument in node.args)
