"""Where there is no Chromium, it is installed where that is allowed, and asked for otherwise."""

from pathlib import Path
from unittest.mock import Mock

import pytest

from tests import debian
from tests.browser import chromium

pytestmark = pytest.mark.spec("issue 3, What shows that it is done")


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[tuple[str, ...]]:
    """What would have been run, on a machine without Chromium."""
    found: list[tuple[str, ...]] = []
    monkeypatch.setattr(chromium, "PROGRAM", tmp_path / "chromium")
    monkeypatch.setattr(debian, "say", lambda _line: None)
    monkeypatch.setattr(debian, "succeeds", lambda *command: found.append(command))
    return found


def test_it_is_installed_from_debian(ran: list[tuple[str, ...]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(debian, "apt_get", lambda: ["apt-get"])
    chromium.install()
    assert ran[0] == ("apt-get", "install", "--yes", "--no-install-recommends", "chromium")
    assert ran[1] == ("apt-get", "update")
    ran.clear()
    chromium.PROGRAM.touch()
    chromium.install()
    assert ran == []


def test_nothing_is_installed_where_we_may_not(ran: list[tuple[str, ...]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(debian, "apt_get", list)
    chromium.install()
    assert ran == []


def test_what_is_missing_is_said_in_a_sentence(ran: list[tuple[str, ...]]) -> None:
    playwright = Mock()
    with pytest.raises(chromium.MissingBrowser, match="run apt-get install chromium as root"):
        chromium.launch(playwright)
    assert not playwright.mock_calls  # nothing is started, and nothing downloaded
