"""Upstream providers in a configuration: exported, imported, and their client secrets beside it alone."""

import json
import logging
from pathlib import Path
from typing import Any

import pytest

from accounts.models import UpstreamProvider
from accounts.services.upstreams import client_secret_of
from audit.models import Event
from tests.idp_project.configuration.documents import document, everything, exported, imported
from tests.idp_project.configuration.test_export_config import forget_everything
from tests.keys.commands import Ran

pytestmark = [pytest.mark.django_db, pytest.mark.spec("issue 3 of 6: upstreams, secrets never in clear")]
Patch = pytest.MonkeyPatch
SECRET, ANOTHER = "s3cr3t-at-corp", "an0ther-at-corp"
CORP = {
    "name": "Corp",
    "issuer": "https://login.corp.example/tenant",
    "client_id": "signet",
    "scopes": ["openid", "email", "profile"],
    "allowed_domains": ["corp.example"],
    "trusts_second_factor": True,
}
OPEN = {"issuer": "https://open.example", "client_id": "public"}


@pytest.fixture
def secrets(tmp_path: Path) -> Any:
    """Writes the file of secrets, and gives the option that names it."""

    def write(found: Any = None, mode: int = 0o600, **realms: Any) -> str:
        file = tmp_path / "secrets.json"
        file.write_text(found if isinstance(found, str) else json.dumps(realms))
        file.chmod(mode)
        return f"--upstream-secrets={file}"

    return write


def shop(**upstreams: Any) -> dict[str, Any]:
    return document(shop={"upstreams": upstreams})


@pytest.fixture
def stored(rows: None, monkeypatch: Patch, secrets: Any) -> UpstreamProvider:
    """The realm `shop` with one provider that has a secret."""
    wanted = shop(corp={**CORP, "client_secret": "stored"})
    ran = imported(monkeypatch, wanted, secrets(shop={"corp": SECRET}))
    assert ran.code == 0, ran.err
    return UpstreamProvider.objects.get()


def test_a_provider_is_made_with_a_secret_from_beside_the_document(stored: UpstreamProvider) -> None:
    assert (stored.slug, stored.issuer, stored.enabled) == ("corp", CORP["issuer"], True)
    assert stored.scopes == CORP["scopes"]
    assert client_secret_of(stored) == SECRET
    assert Event.objects.filter(name="upstream.created", actor="command:import_config").count() == 1


def test_an_export_says_that_there_is_a_secret_and_no_more(stored: UpstreamProvider) -> None:
    assert exported()["realms"]["shop"]["upstreams"] == {"corp": {**CORP, "enabled": True, "client_secret": "stored"}}
    assert exported("--portable")["realms"]["shop"]["upstreams"]["corp"]["issuer"] == CORP["issuer"]


def test_importing_an_export_again_changes_nothing(stored: UpstreamProvider, monkeypatch: Patch, secrets: Any) -> None:
    before, sealed = everything(), bytes(stored.client_secret or b"")
    for options in ((), (secrets(shop={"corp": SECRET}),)):
        assert imported(monkeypatch, exported(), *options).json == {"changes": [], "client_secrets": {}}
        assert imported(monkeypatch, exported(), "--dry-run", *options) == Ran("Nothing would change.\n", "", 0)
    assert everything() == before
    assert bytes(UpstreamProvider.objects.get().client_secret or b"") == sealed


def test_another_database_gets_all_but_the_secret_from_an_export(
    stored: UpstreamProvider, monkeypatch: Patch, secrets: Any
) -> None:
    monkeypatch.setattr("idp_project.management.commands.import_config.follow_with_keys", lambda *_a, **_b: None)
    before = exported()
    forget_everything()
    ran = imported(monkeypatch, before)
    assert ran.code == 2
    assert "realms/shop/upstreams/corp/client_secret: none is stored here: give it with --upstream-secrets." in ran.err
    assert everything()[0] == []
    assert imported(monkeypatch, before, secrets(shop={"corp": SECRET})).code == 0
    assert exported() == before


def test_a_dry_run_shows_each_difference_without_a_secret(
    stored: UpstreamProvider, monkeypatch: Patch, secrets: Any
) -> None:
    option = secrets(shop={"corp": ANOTHER})
    wanted = shop(corp={"enabled": False, "allowed_domains": []}, open=OPEN)
    ran = imported(monkeypatch, wanted, "--dry-run", option)
    assert (ran.code, ran.err) == (3, "")
    lines = ran.out.splitlines()
    assert lines[:3] == [
        'realms/shop/upstreams/corp/allowed_domains: ["corp.example"] → []',
        "realms/shop/upstreams/corp/enabled: true → false",
        'realms/shop/upstreams/corp/client_secret: "stored" → "given"',
    ]
    assert lines[3].startswith('realms/shop/upstreams/open: nothing → {"name": "open", "issuer": "https://open')
    assert client_secret_of(UpstreamProvider.objects.get()) == SECRET
    done = imported(monkeypatch, wanted, option)
    assert done.json["changes"] == lines
    assert client_secret_of(UpstreamProvider.objects.get(slug="corp")) == ANOTHER
    assert UpstreamProvider.objects.get(slug="open").client_secret is None
    assert imported(monkeypatch, wanted, "--dry-run", option).code == 0
    [event] = Event.objects.filter(name="upstream.changed")
    assert event.details == {"fields": "allowed_domains client_secret enabled", "enabled": False}


def test_a_secret_may_be_all_that_changes(stored: UpstreamProvider, monkeypatch: Patch, secrets: Any) -> None:
    ran = imported(monkeypatch, document(), secrets(shop={"corp": ANOTHER}))
    assert ran.json["changes"] == ['realms/shop/upstreams/corp/client_secret: "stored" → "given"']
    assert client_secret_of(UpstreamProvider.objects.get()) == ANOTHER


def test_a_secret_stays_until_the_document_says_none(stored: UpstreamProvider, monkeypatch: Patch) -> None:
    assert imported(monkeypatch, shop(corp={"name": "C"})).code == 0
    assert client_secret_of(UpstreamProvider.objects.get()) == SECRET
    assert imported(monkeypatch, shop(corp={"client_secret": "none"})).json["changes"] == [
        'realms/shop/upstreams/corp/client_secret: "stored" → "none"'
    ]
    assert UpstreamProvider.objects.get().client_secret is None


@pytest.mark.parametrize(
    ("upstreams", "why"),
    [
        ({"corp": {"issuer": "https://evil.example"}}, "corp/issuer: it never changes: add another upstream provider."),
        ({"corp": {"scopes": ["email"]}}, "corp/scopes: The scope openid"),
        ({"corp": {"allowed_domains": ["@x"]}}, "corp/allowed_domains: Domains are"),
        ({"corp": {"client_secret": SECRET}}, "corp/client_secret: it has to be one of none, stored."),
        ({"corp": {"client_secret": "given"}}, "corp/client_secret: it has to be one of none, stored."),
        ({"corp": {"client_secret": {"file": "/etc/shadow"}}}, "it has to be one of none, stored."),
        ({"corp": {"created_at": "x"}}, "corp/created_at: there is no such member."),
        ({"Corp": {}}, "upstreams/Corp: a slug has"),
        ({"new": {}}, "new/issuer: An issuer is an address"),
        ({"new": {"issuer": "http://login.example", "client_id": "x"}}, "new/issuer: An issuer begins with https://."),
        ({"new": {**OPEN, "client_secret": "stored"}}, "new/client_secret: none is stored here"),
    ],
)
def test_what_breaks_a_rule_is_refused_and_no_secret_repeated(
    stored: UpstreamProvider, monkeypatch: Patch, upstreams: dict[str, Any], why: str
) -> None:
    before = everything()
    ran = imported(monkeypatch, shop(**upstreams))
    assert (ran.code, ran.out) == (2, "")
    assert why in ran.err
    assert SECRET not in ran.err
    assert imported(monkeypatch, shop(**upstreams), "--dry-run") == ran
    assert everything() == before


@pytest.mark.parametrize(
    ("realms", "why"),
    [
        ({"shop": {"nowhere": ANOTHER}}, "upstreams/nowhere: a secret is given for it, but it is neither here nor"),
        ({"elsewhere": {"corp": ANOTHER}}, "realms/elsewhere/upstreams/corp: a secret is given for it"),
        ({"shop": {"corp": ""}}, "corp/client_secret: A client secret has 1 to"),
        ({"shop": {"corp": "zoë" + ANOTHER}}, "corp/client_secret: A client secret has 1 to"),
        ({"shop": {"corp": 7}}, "an object for each realm, with a text for each slug"),
        ({"shop": ANOTHER}, "an object for each realm, with a text for each slug"),
        (f"[{ANOTHER}", "The file of secrets is not plain JSON"),
        (f'{{"shop": {{"corp": "{ANOTHER}", "corp": "x"}}}}', "with each member once"),
    ],
)
def test_a_file_of_secrets_is_read_strictly(
    stored: UpstreamProvider, monkeypatch: Patch, secrets: Any, realms: Any, why: str
) -> None:
    option = secrets(realms) if isinstance(realms, str) else secrets(**realms)
    ran = imported(monkeypatch, shop(), option)
    assert (ran.code, ran.out) == (2, "")
    assert why in ran.err
    assert ANOTHER not in ran.err
    assert client_secret_of(UpstreamProvider.objects.get()) == SECRET


def test_a_file_that_others_may_read_or_that_is_not_there_is_refused(
    stored: UpstreamProvider, monkeypatch: Patch, secrets: Any
) -> None:
    assert "open to every user" in imported(monkeypatch, shop(), secrets(mode=0o644)).err
    assert imported(monkeypatch, shop(), "--upstream-secrets=/nowhere/at/all").code == 2


def test_a_given_secret_and_none_contradict_each_other(
    stored: UpstreamProvider, monkeypatch: Patch, secrets: Any
) -> None:
    ran = imported(monkeypatch, shop(corp={"client_secret": "none"}), secrets(shop={"corp": ANOTHER}))
    assert (ran.code, "the document says none, and one is given" in ran.err) == (2, True)


def test_no_secret_is_told_or_logged(
    rows: None,
    monkeypatch: Patch,
    secrets: Any,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.DEBUG)
    wanted = shop(corp={**CORP, "client_secret": "stored"})
    done = imported(monkeypatch, wanted, secrets(shop={"corp": SECRET}))
    told = [done.out, json.dumps(exported()), caplog.text, *capfd.readouterr(), str(everything())]
    assert not any(SECRET in text for text in told)
