"""`manage.py`: what is no fault of ours is told in one sentence."""

from collections.abc import Callable

import pytest
from django.db import ProgrammingError
from psycopg.errors import SyntaxError as BadSyntax
from psycopg.errors import UndefinedColumn, UndefinedTable

import manage


def failing(cause: Exception) -> Callable[[list[str]], None]:
    """A command that the database refuses, as Django reports it."""

    def run(_arguments: list[str]) -> None:
        raise ProgrammingError(str(cause)) from cause

    return run


@pytest.mark.spec("kinder operation: a sentence instead of a traceback")
@pytest.mark.parametrize("cause", [UndefinedTable("no table"), UndefinedColumn("no column")])
def test_tables_of_another_version_are_told_in_one_sentence(
    cause: Exception, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(manage, "execute_from_command_line", failing(cause))
    assert manage.main(["manage.py", "list_keys"]) == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "run manage.py migrate first" in said


def test_a_fault_of_ours_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(manage, "execute_from_command_line", failing(BadSyntax("oops")))
    with pytest.raises(ProgrammingError):
        manage.main(["manage.py", "list_keys"])
