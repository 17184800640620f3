"""Where mail goes, from one address in the environment: read strictly, and never repeated when it is wrong."""

from pathlib import Path
from typing import Any

import pytest
from django.conf import LazySettings
from django.core.exceptions import ImproperlyConfigured

from idp_project import checks
from idp_project.environment import Environment

NAME = "IDP_EMAIL_URL"
SMTP = "django.core.mail.backends.smtp.EmailBackend"


def read(text: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    monkeypatch.setenv(NAME, text)
    return Environment().mail(NAME)


@pytest.mark.parametrize(
    ("text", "host", "port", "tls", "ssl"),
    [
        ("smtp+tls://u:p%40ss@mail.example.org", "mail.example.org", 587, True, False),
        ("smtp+ssl://u:p%40ss@mail.example.org", "mail.example.org", 465, False, True),
        ("smtp://u:p%40ss@mail.example.org:2525", "mail.example.org", 2525, False, False),
    ],
)
def test_a_mail_server_is_one_address(
    text: str, host: str, port: int, tls: bool, ssl: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = read(text, monkeypatch)
    assert (found["EMAIL_BACKEND"], found["EMAIL_HOST"], found["EMAIL_PORT"]) == (SMTP, host, port)
    assert (found["EMAIL_USE_TLS"], found["EMAIL_USE_SSL"]) == (tls, ssl)
    assert (found["EMAIL_HOST_USER"], found["EMAIL_HOST_PASSWORD"]) == ("u", "p@ss")


def test_a_trial_writes_files(monkeypatch: pytest.MonkeyPatch) -> None:
    found = read("filemail:///tmp/a%20folder/mail", monkeypatch)
    assert found["EMAIL_BACKEND"].endswith("filebased.EmailBackend")
    assert found["EMAIL_FILE_PATH"] == "/tmp/a folder/mail"  # noqa: S108


def test_nothing_is_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    assert read("", monkeypatch) == {}


def test_the_address_may_stand_in_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "mail"
    file.write_text("smtp+tls://u:p@mail.example.org\n")
    file.chmod(0o600)
    monkeypatch.delenv(NAME, raising=False)
    monkeypatch.setenv(f"{NAME}_FILE", str(file))
    assert Environment().mail(NAME)["EMAIL_HOST"] == "mail.example.org"


@pytest.mark.parametrize(
    "text",
    [
        "mail.example.org",
        "http://canary",
        "smtps://u:canary@mail.example.org:465",
        "memorymail://canary:1",
        "smtp+tls://",
        "smtp://canary:port",
        "filemail://",
        "smtp://[canary",
    ],
)
def test_anything_else_is_refused_and_not_repeated(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ImproperlyConfigured, match=NAME) as refusal:
        read(text, monkeypatch)
    assert "canary" not in str(refusal.value)


def ids(found: Any) -> list[str]:
    return [message.id for message in found]


def test_a_deployment_without_mail_is_warned(settings: LazySettings) -> None:
    settings.IDP_CAN_MAIL = False
    assert ids(checks.somebody_gets_mail(None)) == ["signet.W011"]
    settings.IDP_CAN_MAIL = True
    assert ids(checks.somebody_gets_mail(None)) == []


@pytest.mark.parametrize("sender", ["nobody", "a@b\r\nBcc: c@d", "", "a b@"])
def test_a_sender_that_is_no_address_is_refused(sender: str, settings: LazySettings) -> None:
    settings.IDP_CAN_MAIL, settings.DEFAULT_FROM_EMAIL = True, sender
    assert ids(checks.mail_can_be_sent(None)) == ["signet.E011"]


@pytest.mark.parametrize("sender", ["no-reply@example.org", "The Shop <no-reply@example.org>"])
def test_a_sender_may_have_a_name(sender: str, settings: LazySettings) -> None:
    settings.IDP_CAN_MAIL, settings.DEFAULT_FROM_EMAIL = True, sender
    assert ids(checks.mail_can_be_sent(None)) == []


@pytest.mark.parametrize(
    ("file", "url", "faults"),
    [
        ("", "", 0),
        ("", "https://api.example.org/range", 0),
        ("", "http://localhost:8000/range", 0),
        ("", "http://api.example.org/range", 1),
        ("", "ftp://localhost", 1),
        ("", "https://[", 1),
        ("/nowhere/at/all", "", 1),
        (__file__, "", 0),
        (__file__, "https://api.example.org/range", 1),
    ],
)
def test_one_list_of_breaches_is_asked_that_nobody_reads_along(
    file: str, url: str, faults: int, settings: LazySettings
) -> None:
    settings.IDP_BREACHED_PASSWORDS_FILE, settings.IDP_BREACHED_PASSWORDS_URL = file, url
    assert ids(checks.breaches_can_be_asked(None)) == ["signet.E012"] * faults
