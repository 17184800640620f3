"""How a client's registration is told (RFC 7591 §3.2.1)."""

import json
from dataclasses import fields

import pytest

from realms.models import Realm
from tests.tokens.clients import jwks, key, register, register_signer
from tokens.client_metadata import ClientMetadata
from tokens.models import Client
from tokens.registration import registration_of
from tokens.vocabulary import AuthMethod

pytestmark = pytest.mark.spec("RFC 7591 §3.2.1")
# What no standard has a member for, and what is the operator's own affair.
UNTOLD = {
    "first_party", "require_second_factor", "require_pkce", "access_token_lifetime", "refresh_idle_lifetime",
    "refresh_absolute_lifetime",
}  # fmt: skip


def test_everything_that_is_registered_is_told_once() -> None:
    columns = {"client_id", "name", *(field.name for field in fields(ClientMetadata))}
    client = Client(**{column: f"<{column}>" for column in columns - {"scopes"}}, scopes=["<scopes>"])
    assert sorted(map(str, registration_of(client).values())) == sorted(f"<{column}>" for column in columns - UNTOLD)


def test_no_secret_is_told_and_no_digest(realm: Realm) -> None:
    client, secret = register(realm, "demo", scopes=("read", "write"))
    text = json.dumps(registration_of(client))
    assert secret not in text
    assert client.secret_digests[0] not in text
    assert "secret_" not in text.replace("client_secret_basic", "")
    assert registration_of(client)["scope"] == "read write"


def test_what_is_not_set_is_left_out(realm: Realm) -> None:
    told = registration_of(register(realm, "app", auth_method=AuthMethod.NONE, grant_types=())[0])
    assert not {"jwks", "scope", "logo_uri", "sector_identifier", "backchannel_logout_uri"} & told.keys()
    assert not {"id_token_encrypted_response_alg", "opaque_access_tokens"} & told.keys()
    assert registration_of(register_signer(realm))["jwks"] == jwks((key(), "ES256", "k1"))
