"""What both discovery documents have to have, and may not have."""

import json
from typing import Any
from urllib.parse import urlsplit

import pytest

from keys.services.rings import add_ring
from keys.services.rotation import rotate
from realms.models import Realm
from tests.provider import ISSUER, Browser, make_realm

DOCUMENTS = (".well-known/openid-configuration", ".well-known/oauth-authorization-server")


@pytest.fixture(params=DOCUMENTS)
def found(request: pytest.FixtureRequest, browser: Browser, realm: Realm) -> Any:
    """The document."""
    return browser.get(f"/{request.param}").json()


@pytest.mark.spec(
    "RFC 8414 §2 issuer, RFC 8414 §2 authorization-endpoint, RFC 8414 §2 token-endpoint",
    "RFC 8414 §2 response-types, RFC 8414 §2 jwks-https, RFC 8414 §2 challenge-methods, RFC 9207 §2 https",
    "OIDC Discovery §3 issuer, OIDC Discovery §3 authorization-endpoint, OIDC Discovery §3 token-endpoint",
    "OIDC Discovery §3 jwks-uri, OIDC Discovery §3 response-types, OIDC Discovery §3 subject-types",
    "OIDC Discovery §3 id-token-algorithms, OIDC Discovery §3 openid-scope, OIDC Discovery §3 endpoints-https",
    "OIDC RP-Initiated Logout §2.1 metadata, RFC 7009 §2 https-published",
    "RFC 6749 §3.1 address, RFC 6749 §3.2 address",
)
def test_what_has_to_be_there_is_there(found: dict[str, Any]) -> None:
    assert found["issuer"] == ISSUER
    for name in ("authorization", "token", "userinfo", "end_session", "revocation", "introspection"):
        address = urlsplit(found[f"{name}_endpoint"])
        assert (address.scheme, address.netloc, address.query, address.fragment) == (
            *urlsplit(ISSUER)[:2], "", "",
        )  # fmt: skip
    for address in (found["issuer"], found["jwks_uri"]):
        assert (urlsplit(address).scheme, urlsplit(address).query, urlsplit(address).fragment) == ("https", "", "")
    lists = ("response_types", "subject_types", "id_token_signing_alg_values", "code_challenge_methods", "scopes")
    for name in lists:
        assert found[f"{name}_supported"]
    assert "openid" in found["scopes_supported"]
    assert "S256" in found["code_challenge_methods_supported"]


@pytest.mark.spec("RFC 8414 §3.2 no-empty-lists, OIDC Discovery §4.2 no-empty-lists")
def test_nothing_that_is_empty_is_there(browser: Browser, db: None) -> None:
    """Also where a realm has no keys yet, and so no algorithm."""
    make_realm(purposes=())
    for document in DOCUMENTS:
        for name, value in browser.get(f"/{document}").json().items():
            assert value not in ([], {}, "", None), name


@pytest.mark.spec(
    "RFC 8414 §2 token-algorithms, RFC 8414 §2 token-no-none, RFC 8414 §2 revocation-algorithms",
    "RFC 8414 §2 revocation-no-none, RFC 8414 §2 introspection-algorithms, RFC 8414 §2 introspection-no-none",
    "OIDC Discovery §3 no-none, OIDC Core §9 shared-key",
)
@pytest.mark.parametrize("endpoint", ["token", "revocation", "introspection"])
def test_algorithms_of_assertions_are_listed_and_none_is_none(endpoint: str, found: dict[str, Any]) -> None:
    methods = found[f"{endpoint}_endpoint_auth_methods_supported"]
    assert "private_key_jwt" in methods
    assert "client_secret_jwt" not in methods
    algorithms = found[f"{endpoint}_endpoint_auth_signing_alg_values_supported"]
    assert "RS256" in algorithms
    assert not [name for name in algorithms if name == "none" or name.startswith("HS")]


@pytest.mark.spec("RFC 8414 §3.2 json, OIDC Discovery §4 json, OIDC Discovery §4.2 status-200, RFC 8414 §3 document")
@pytest.mark.parametrize("document", DOCUMENTS)
@pytest.mark.parametrize("accept", ["", "*/*", "text/html", "application/xml"])
def test_the_document_is_json_whatever_is_accepted(document: str, accept: str, browser: Browser, realm: Realm) -> None:
    answer = browser.get(f"/{document}", headers={"accept": accept})
    assert (answer.status_code, answer["Content-Type"]) == (200, "application/json")
    assert isinstance(json.loads(answer.content), dict)


@pytest.mark.spec("OIDC Discovery §3 rs256")
def test_rs256_is_listed_where_the_realm_has_its_ring(browser: Browser, realm: Realm, now: Any) -> None:
    rotate(add_ring(realm=realm, algorithm="RS256", bits=2048, actor="test", now=now), now=now, actor="test")
    listed = browser.get("/.well-known/openid-configuration").json()["id_token_signing_alg_values_supported"]
    assert {"RS256", "ES256"} == set(listed)


@pytest.mark.spec("RFC 8414 §2.1 signed-metadata, OIDC Core §15.2 dynamic, OIDC Discovery §2 webfinger")
def test_what_the_provider_does_not_have_it_does_not_announce(found: dict[str, Any], browser: Browser) -> None:
    assert not {"signed_metadata", "registration_endpoint"} & found.keys()
    assert found["request_uri_parameter_supported"] is False
    assert browser.get("/.well-known/webfinger?resource=acct:ana@id.example.test").status_code == 404


@pytest.mark.spec(
    "RFC 8414 §2 key-use, OIDC Discovery §3 key-use, OIDC Discovery §3 jwks-public, OIDC Core §10.1 shared-key"
)
def test_the_published_set_has_public_keys_for_signatures_alone(found: dict[str, Any], browser: Browser) -> None:
    keys = browser.get(found["jwks_uri"].removeprefix(ISSUER)).json()["keys"]
    assert keys
    for key in keys:
        assert key["use"] == "sig"
        assert key["kty"] != "oct"
        assert not {"d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"} & key.keys()
