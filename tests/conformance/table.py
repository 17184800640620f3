"""The page that shows which tests hold which rule."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from tests.conformance.marks import Mark, collect
from tests.conformance.rules import Rule, Specification, specifications

PAGE = Path(__file__).parent.parent.parent / "docs/conformance.md"
Cells = Callable[[Rule], tuple[str, ...]]
_HEAD = """# Conformance

Every rule of these specifications that falls to the server, and the tests that hold it. The rules are told in our own words; the section says where to read the original. Of RFC 9700 the recommendations are listed too.

This page is written by `make conformance`, from the rules in `tests/conformance/` and the `spec` marks of the tests. A test fails when a rule has no test, when a mark names a rule that isn't there, and when the page is not what would be written.

Not here is what falls to clients, to other people's resource servers, and to those who run the proxy, where TLS ends: [production.md](production.md) says what they have to see to.
"""  # noqa: E501  (a paragraph is a line)


class Conformance:
    """The rules and the marks, put together.

    Attributes:
        specifications: with their rules.
        marks: every reference to a rule in the tests.
        tests: the marks of each rule, by its reference.
    """

    def __init__(self, found: Sequence[Specification], marks: Sequence[Mark]) -> None:
        self.specifications = found
        self.marks = marks
        self.rules = {rule.reference: rule for specification in found for rule in specification.rules}
        self.tests: defaultdict[str, list[Mark]] = defaultdict(list)
        for mark in marks:
            if mark.test and mark not in self.tests[mark.reference]:
                self.tests[mark.reference].append(mark)

    def without_test(self) -> list[str]:
        """Rules that no test holds."""
        return [name for name, rule in self.rules.items() if not (self.tests[name] or rule.declined)]

    def page(self) -> str:
        """The page as Markdown."""
        return "\n".join([_HEAD, self._summary(), *map(self._chapter, self.specifications)])

    def _summary(self) -> str:
        lines = ["| Specification | Rules |", "|---|---|"]
        for specification in self.specifications:
            name = specification.names[0]
            lines.append(f"| [{name}: {specification.title}](#{_anchor(name)}) | {len(specification.rules)} |")
        return "\n".join([*lines, ""])

    def _chapter(self, specification: Specification) -> str:
        name = specification.names[0]
        lines = [f"## {name}", "", f"[{specification.title}]({specification.address})", ""]
        held = [rule for rule in specification.rules if not self._is_beside(rule)]
        if held:
            lines += self._table(held, ("§", "Rule", "Tests"), lambda rule: (_text(rule), self._tests_of(rule)))
        absent = [rule for rule in specification.rules if rule.absent]
        if absent:
            lines += ["Rules about what Signet doesn't have:", ""]
            header = ("§", "Rule", "Why it can't be broken", "Tests")
            lines += self._table(absent, header, lambda rule: (_text(rule), rule.absent, self._tests_of(rule)))
        declined = [rule for rule in specification.rules if rule.declined]
        if declined:
            lines += ["Recommendations that Signet doesn't follow:", ""]
            lines += self._table(declined, ("§", "Rule", "Why"), lambda rule: (_text(rule), rule.declined))
        return "\n".join(lines)

    def _is_beside(self, rule: Rule) -> bool:
        return bool(rule.absent or rule.declined)

    def _tests_of(self, rule: Rule) -> str:
        return "<br>".join(f"[`{mark.test}`](../{mark.path})" for mark in self.tests[rule.reference])

    @staticmethod
    def _table(rules: Iterable[Rule], header: Sequence[str], cells: Cells) -> list[str]:
        lines = [f"| {' | '.join(header)} |", "|" + "---|" * len(header)]
        lines += [f"| {' | '.join((f'{rule.section} {rule.name}', *cells(rule)))} |" for rule in rules]
        return [*lines, ""]


def _text(rule: Rule) -> str:
    return f"*Should:* {rule.text}" if rule.level == "SHOULD" else rule.text


def _anchor(name: str) -> str:
    return "".join(letter for letter in name.lower().replace(" ", "-") if letter.isalnum() or letter == "-")


def conformance() -> Conformance:
    """As the files of this project say it."""
    found = specifications()
    names = {name: specification.names[0] for specification in found for name in specification.names}
    return Conformance(found, collect(names))
