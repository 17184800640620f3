"""Configurations for tests: realms with rings and clients of every kind, exported and imported by the commands."""

import io
import json
import sys
from typing import Any

import pytest

from audit.models import Event
from keys.models import KeyPair, KeyRing
from realms.models import Realm
from tests.keys.commands import Ran, run
from tests.tokens.clients import jwk, jwks, key
from tokens.models import Client

PEOPLE = {
    "redirect_uris": ["https://app.example.test/cb"],
    "grant_types": ["authorization_code", "refresh_token"],
    "response_types": ["code"],
    "id_token_signed_response_alg": "ES256",
}
CLIENTS: dict[str, dict[str, Any]] = {
    "app": {
        **PEOPLE,
        "client_name": "Äpp",
        "token_endpoint_auth_method": "none",
        "scope": "openid profile",
        "subject_type": "pairwise",
        "sector_identifier": "app.example.test",
        "cors_origins": ["https://app.example.test"],
        "first_party": True,
        "require_second_factor": True,
    },
    "machine": {
        "grant_types": ["client_credentials"],
        "scope": "read write",
        "resources": ["https://api.example.test"],
        "access_token_lifetime": "PT5M",
    },
    "off": {"token_endpoint_auth_method": "client_secret_post", "enabled": False},
    "signer": {
        "token_endpoint_auth_method": "private_key_jwt",
        "jwks": jwks((key(), "ES256", "k1")),
        "grant_types": ["client_credentials"],
        "opaque_access_tokens": True,
    },
}


def document(**realms: Any) -> dict[str, Any]:
    """A configuration with these realms."""
    return {"version": 1, "realms": realms}


def shop(**members: Any) -> dict[str, Any]:
    """A realm whose RSA keys are quick to make, with clients of every kind."""
    return {"name": "Shop", "rings": {"sign RS256 2048": {}}, "clients": CLIENTS, **members}


def imported(monkeypatch: pytest.MonkeyPatch, wanted: dict[str, Any] | str | bytes, *options: str) -> Ran:
    """Run `import_config -` with a document at standard input."""
    text = json.dumps(wanted) if isinstance(wanted, dict) else wanted
    typed = io.TextIOWrapper(io.BytesIO(text.encode() if isinstance(text, str) else text))
    with monkeypatch.context() as patched:
        patched.setattr(sys, "stdin", typed)
        return run("import_config", "-", *options)


def exported(*options: str) -> dict[str, Any]:
    """What `export_config` prints."""
    ran = run("export_config", *options)
    assert (ran.code, ran.err) == (0, "")
    found: dict[str, Any] = ran.json
    return found


def everything() -> list[Any]:
    """All rows that an import could touch."""
    return [list(model.objects.order_by("pk").values()) for model in (Realm, KeyRing, KeyPair, Client, Event)]


def refused(monkeypatch: pytest.MonkeyPatch, wanted: Any, *why: str) -> str:
    """Both ways refuse it, in the same words, and nothing is written."""
    before = everything()
    ran = imported(monkeypatch, wanted)
    assert (ran.code, ran.out) == (2, ""), ran.err
    assert imported(monkeypatch, wanted, "--dry-run") == ran
    assert everything() == before
    assert "Traceback" not in ran.err
    for part in why:
        assert part in ran.err
    return ran.err


PRIVATE = {"keys": [jwk(key(), "ES256", "k1") | {"d": "AAAA"}]}
