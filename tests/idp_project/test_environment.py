"""The environment contract: typed values, secret files with tight permissions, one sentence for each mistake."""

from datetime import timedelta
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from idp_project.environment import Environment, refuse_if_readable_by_others


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("A_SECRET", "A_SECRET_FILE", "A_DURATION", "A_NAME"):
        monkeypatch.delenv(name, raising=False)


def secret_file(folder: Path, text: str, mode: int = 0o600) -> Path:
    path = folder / "secret"
    path.write_text(text, encoding="utf-8")
    path.chmod(mode)
    return path


def test_a_secret_comes_from_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A_SECRET", "hush")
    assert Environment().secret("A_SECRET", hint="") == "hush"


def test_a_secret_comes_from_a_file_without_its_last_newline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("A_SECRET_FILE", str(secret_file(tmp_path, "hush\n")))
    assert Environment().secret("A_SECRET", hint="") == "hush"


def test_two_sources_of_one_secret_are_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("A_SECRET", "hush")
    monkeypatch.setenv("A_SECRET_FILE", str(secret_file(tmp_path, "hush")))
    with pytest.raises(ImproperlyConfigured, match="both set") as refusal:
        Environment().secret("A_SECRET", hint="")
    assert "hush" not in str(refusal.value)


@pytest.mark.parametrize("text", ["", "\n"])
def test_a_secret_that_is_not_there_is_named_with_a_hint(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str
) -> None:
    if text:
        monkeypatch.setenv("A_SECRET_FILE", str(secret_file(tmp_path, text)))
    with pytest.raises(ImproperlyConfigured, match=r"^A_SECRET \(or A_SECRET_FILE\) is not set: make one\.$"):
        Environment().secret("A_SECRET", hint="make one.")


@pytest.mark.parametrize("mode", [0o604, 0o602, 0o644, 0o666])
def test_a_file_with_secrets_that_everybody_reads_or_writes_is_refused(tmp_path: Path, mode: int) -> None:
    with pytest.raises(ImproperlyConfigured, match="chmod o-rw"):
        refuse_if_readable_by_others(secret_file(tmp_path, "hush", mode))


@pytest.mark.parametrize("mode", [0o600, 0o400, 0o640])
def test_a_file_with_secrets_that_only_its_owner_or_group_reads_is_taken(tmp_path: Path, mode: int) -> None:
    refuse_if_readable_by_others(secret_file(tmp_path, "hush", mode))


def test_a_missing_file_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("A_SECRET_FILE", str(tmp_path / "none"))
    with pytest.raises(ImproperlyConfigured, match=r"none can't be read: No such file or directory\.$"):
        Environment().secret("A_SECRET", hint="")


def test_the_process_wins_over_its_env_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("A_NAME", "from the process")
    monkeypatch.setenv("A_SECRET", "")  # so that what the file sets is undone afterwards
    monkeypatch.delenv("A_SECRET")
    Environment().read_file(secret_file(tmp_path, "A_NAME=from the file\nA_SECRET=k1:a+/b==\n"))
    assert Environment().required("A_NAME", hint="") == "from the process"
    assert Environment().required("A_SECRET", hint="") == "k1:a+/b=="


def test_an_env_file_that_is_open_to_others_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ImproperlyConfigured, match="open to every user"):
        Environment().read_file(secret_file(tmp_path, "A_NAME=value\n", 0o644))


def test_a_required_value_that_is_not_there_is_named_with_a_hint() -> None:
    with pytest.raises(ImproperlyConfigured, match=r"^A_NAME is not set: say it\.$"):
        Environment().required("A_NAME", hint="say it.")


@pytest.mark.parametrize(
    ("text", "length"),
    [("P90D", timedelta(days=90)), ("PT48H", timedelta(hours=48)), ("PT5S", timedelta(seconds=5))],
)
def test_durations_are_iso_8601(monkeypatch: pytest.MonkeyPatch, text: str, length: timedelta) -> None:
    assert Environment().duration("A_DURATION", text) == length
    monkeypatch.setenv("A_DURATION", text)
    assert Environment().duration("A_DURATION", "PT1S") == length


@pytest.mark.parametrize("text", ["", "90", "5m", "1 day", "-P1D", "P", "PT", "p1d"])
def test_other_durations_are_refused(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("A_DURATION", text)
    with pytest.raises(ImproperlyConfigured, match="A_DURATION is not an ISO 8601 duration such as P90D"):
        Environment().duration("A_DURATION", "P90D")
