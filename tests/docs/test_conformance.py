"""Every rule of a specification has a test that names it, and docs/conformance.md shows which."""

import textwrap
from collections import Counter
from pathlib import Path

import pytest

from tests.conformance.marks import collect, references
from tests.conformance.table import PAGE, conformance

NAMES = {"RFC 6749": "RFC 6749", "RFC 9207": "RFC 9207", "OpenID Connect Core": "OIDC Core", "OIDC Core": "OIDC Core"}
FOUND = conformance()


@pytest.mark.spec("house.md, docs")
def test_every_rule_has_a_test() -> None:
    assert FOUND.without_test() == []


@pytest.mark.spec("house.md, docs")
def test_every_mark_names_a_rule_that_is_there() -> None:
    assert [(mark.path, mark.reference) for mark in FOUND.marks if mark.reference not in FOUND.rules] == []


@pytest.mark.spec("house.md, docs")
def test_a_rule_is_named_by_the_test_that_holds_it_and_not_by_a_whole_module() -> None:
    assert [(mark.path, mark.reference) for mark in FOUND.marks if not mark.test] == []


@pytest.mark.spec("house.md, docs")
def test_only_a_recommendation_is_declined() -> None:
    assert [rule.reference for rule in FOUND.rules.values() if rule.declined and rule.level != "SHOULD"] == []
    assert {rule.level for rule in FOUND.rules.values()} == {"MUST", "SHOULD"}


@pytest.mark.spec("house.md, docs")
def test_no_rule_stands_there_twice() -> None:
    names = Counter(name for specification in FOUND.specifications for name in specification.names)
    assert [name for name, times in names.items() if times > 1] == []
    rules = Counter((rule.specification, rule.section, rule.text) for rule in FOUND.rules.values())
    assert [rule for rule, times in rules.items() if times > 1 and rule[2] != "none is not among them."] == []


@pytest.mark.spec("house.md, docs")
def test_the_page_is_the_one_that_would_be_written() -> None:
    assert PAGE.read_text(encoding="utf-8") == FOUND.page(), "run make conformance"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("RFC 6749 §4.1.2 code-once", ["RFC 6749 §4.1.2 code-once"]),
        ("RFC 6749 §4.1.2", []),
        ("RFC 6749 §5.2: invalid_client, no-store", []),
        ("RFC 6749 §6, scope-never-grows", []),
        ("RFC 6749 §4.1.2 a, §4.1.3 b, RFC 9207 §2 c", ["RFC 6749 §4.1.2 a", "RFC 6749 §4.1.3 b", "RFC 9207 §2 c"]),
        ("OpenID Connect Core §2 nonce", ["OIDC Core §2 nonce"]),
        ("RFC 6749 §4.1.2 code_once", ["RFC 6749 §4.1.2 code_once"]),
        ("RFC 8725 §3.1 something, §3.2 else", []),
        ("keys.md Rows: no gap", []),
    ],
)
def test_what_a_mark_names(text: str, found: list[str]) -> None:
    assert [f"{name} §{section} {rule}" for name, section, rule in references(text, NAMES)] == found


def test_marks_are_read_where_tests_have_them(tmp_path: Path) -> None:
    source = """
        import pytest
        pytestmark = pytest.mark.spec("RFC 6749 §1 of-all")

        @pytest.mark.parametrize("x", [pytest.param(1, id="a")])
        @pytest.mark.spec("RFC 6749 §2 one", "RFC 9207 §2 two")
        def test_first(x): ...

        class TestSome:
            @pytest.mark.spec("RFC 6749 §3 three")
            def test_second(self): ...

        def test_third(): ...
    """
    folder = tmp_path / "tests"
    folder.mkdir()
    (folder / "test_x.py").write_text(textwrap.dedent(source), encoding="utf-8")
    assert [(mark.test, mark.reference) for mark in collect(NAMES, folder)] == [
        ("", "RFC 6749 §1 of-all"),
        ("tests/test_x.py::test_first", "RFC 6749 §2 one"),
        ("tests/test_x.py::test_first", "RFC 9207 §2 two"),
        ("tests/test_x.py::TestSome::test_second", "RFC 6749 §3 three"),
    ]
