"""`manage.py create_client`."""

import json
from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management.base import BaseCommand

from realms.models import Realm
from tests.keys.commands import Ran, run
from tests.provider import make_realm
from tests.tokens.clients import API, jwk, jwks, key
from tokens.client_auth.secret import digest_of
from tokens.management.commands.create_client import Command
from tokens.models import Client


def created(*arguments: str) -> Client:
    found = run("create_client", *arguments)
    assert (found.err, found.code) == ("", 0)
    return Client.objects.get(client_id=arguments[0])


def refused(*arguments: str) -> Ran:
    found = run("create_client", *arguments)
    assert (found.code, found.out) == (2, "")
    assert not Client.objects.filter(client_id="demo").exists()
    assert "Traceback" not in found.err
    return found


@pytest.mark.spec("issue 2 of 6: manage.py create_client prints JSON")
def test_a_client_is_registered_and_printed_with_its_secret_this_once(realm: Realm) -> None:
    found = run(
        "create_client", "demo", "--name", "Démo", "--grant-type", "client_credentials", "--scope", "read", "--scope",
        "write", "--resource", API, "--introspects", realm.issuer, "--access-token-lifetime", "PT5M",
    )  # fmt: skip
    client = Client.objects.get(client_id="demo")
    assert client.secret_digests == [digest_of(found.json.pop("client_secret"))]
    assert found.json | {"client_secret": ""} == {
        "client_id": "demo",
        "client_name": "Démo",
        "token_endpoint_auth_method": "client_secret_basic",
        "redirect_uris": [],
        "post_logout_redirect_uris": [],
        "id_token_signed_response_alg": "RS256",
        "access_token_signed_response_alg": "ES256",
        "subject_type": "public",
        "cors_origins": [],
        "contacts": [],
        "grant_types": ["client_credentials"],
        "response_types": [],
        "scope": "read write",
        "resources": [API],
        "introspects": [realm.issuer],
        "client_secret": "",
    }
    assert (client.name, client.access_token_lifetime) == ("Démo", timedelta(minutes=5))
    assert (client.scopes, client.resources, client.introspects) == (["read", "write"], [API], [realm.issuer])


CODES = (
    "--grant-type", "authorization_code", "--grant-type", "refresh_token", "--redirect-uri", "https://app.example.test/cb",
    "--scope", "openid", "--id-token-alg", "ES256",
)  # fmt: skip


@pytest.mark.spec("RFC 7591 §2, OpenID Connect Registration §2")
def test_every_option_reaches_its_column_and_what_is_printed(realm: Realm) -> None:
    found = run(
        "create_client", "demo", *CODES, "--first-party", "--response-type", "code", "--response-type", "code id_token",
        "--userinfo-alg", "ES256", "--access-token-alg", "ES256", "--opaque-access-tokens",
        "--dpop-bound-access-tokens",
        "--require-second-factor", "--subject-type", "pairwise", "--sector-identifier", "example.test",
        "--refresh-idle-lifetime", "P1D", "--refresh-absolute-lifetime", "P7D",
        "--post-logout-redirect-uri", "https://app.example.test/bye",
        "--backchannel-logout-uri", "https://app.example.test/ended", "--backchannel-logout-session-required",
        "--cors-origin", "https://app.example.test", "--cors-origin", "http://127.0.0.1:3000",
        "--client-uri", "https://app.example.test/", "--logo-uri", "https://app.example.test/logo.svg",
        "--policy-uri", "https://app.example.test/privacy", "--tos-uri", "https://app.example.test/terms",
        "--contact", "ops@example.test",
    )  # fmt: skip
    assert (found.err, found.code) == ("", 0)
    client = Client.objects.get(client_id="demo")
    lifetimes = {"refresh_idle_lifetime": timedelta(days=1), "refresh_absolute_lifetime": timedelta(days=7)}
    assert {name: getattr(client, name) for name in lifetimes} == lifetimes
    assert (client.first_party, client.require_pkce, client.require_second_factor) == (True, True, True)
    told = {
        "response_types": ["code", "code id_token"],
        "id_token_signed_response_alg": "ES256",
        "userinfo_signed_response_alg": "ES256",
        "access_token_signed_response_alg": "ES256",
        "opaque_access_tokens": True,
        "dpop_bound_access_tokens": True,
        "subject_type": "pairwise",
        "sector_identifier": "example.test",
        "post_logout_redirect_uris": ["https://app.example.test/bye"],
        "backchannel_logout_uri": "https://app.example.test/ended",
        "backchannel_logout_session_required": True,
        "cors_origins": ["https://app.example.test", "http://127.0.0.1:3000"],
        "client_uri": "https://app.example.test/",
        "logo_uri": "https://app.example.test/logo.svg",
        "policy_uri": "https://app.example.test/privacy",
        "tos_uri": "https://app.example.test/terms",
        "contacts": ["ops@example.test"],
    }
    assert {name: found.json[name] for name in told} == told
    assert (client.subject_type, client.cors_origins) == ("pairwise", told["cors_origins"])


@pytest.mark.spec("design: docs change with the code")
def test_every_option_is_in_the_documentation() -> None:
    parser = Command().create_parser("manage.py", "create_client")
    own = {option for action in parser._actions for option in action.option_strings if option.startswith("--")}
    django = {option for action in BaseCommand().create_parser("", "")._actions for option in action.option_strings}
    page = (Path(settings.BASE_DIR) / "docs/clients.md").read_text(encoding="utf-8")
    for option in own - django:
        assert f"`{option}`" in page, option


def test_the_sector_follows_from_the_redirect_uris(realm: Realm) -> None:
    assert created("demo", *CODES, "--subject-type", "pairwise").sector_identifier == "app.example.test"


def test_without_options_it_has_a_secret_and_may_do_nothing(realm: Realm) -> None:
    client = created("demo")
    assert (client.name, client.kind, client.auth_method) == ("demo", "confidential", "client_secret_basic")
    assert (client.grant_types, client.scopes, client.resources, client.introspects) == ([], [], [], [])
    assert (client.realm, client.access_token_lifetime) == (realm, None)


def test_a_client_with_a_key_and_a_public_one_have_no_secret(realm: Realm, tmp_path: Path) -> None:
    file = tmp_path / "jwks.json"
    file.write_text(json.dumps(jwks((key(), "ES256", "k1"))))
    found = run("create_client", "signer", "--auth-method", "private_key_jwt", "--jwks-file", str(file))
    assert "client_secret" not in found.json
    assert Client.objects.get(client_id="signer").jwks == jwks((key(), "ES256", "k1"))
    assert created("app", "--auth-method", "none").kind == "public"
    make_realm("other")
    assert created("abroad", "--realm", "other").realm.slug == "other"


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("demo", "--realm", "nowhere"), "no realm 'nowhere'"),
        (("-",), "required|unrecognized|1 to 64"),
        (("de mo",), "1 to 64 letters"),
        (("signet-direct",), "provider's own"),
        (("demo", "--name", "x" * 201), "A name has"),
        (("demo", "--name", "\udcff"), "A name has"),
        (("demo", "--grant-type", "password"), "no grant type password"),
        (("demo", "--scope", "a b"), "'a b' is no scope"),
        (("demo", "--scope", ""), "'' is no scope"),
        (("demo", "--resource", API + "#x"), "without a fragment"),
        (("demo", "--introspects", "api"), "no absolute URI"),
        (("demo", "--scope", "a", "--scope", "a"), "twice"),
        (("demo", "--access-token-lifetime", "soon"), "ISO 8601"),
        (("demo", "--access-token-lifetime", ""), "at least a second"),
        (("demo", "--access-token-lifetime", "P9999999999999D"), "ISO 8601"),
        (("demo", "--access-token-lifetime", "PT1H"), "at most the realm's"),
        (("demo", "--access-token-lifetime=-PT1M"), "at least a second"),
        (("demo", "--refresh-idle-lifetime", "P8D"), "at most the realm's"),
        (("demo", "--refresh-idle-lifetime", "x"), "--refresh-idle-lifetime wants an ISO 8601"),
        (("demo", "--refresh-absolute-lifetime", "P31D"), "at most the realm's"),
        (("demo", "--refresh-absolute-lifetime", "PT0S"), "at least a second"),
        (("demo", "--response-type", "token"), "no response type token"),
        (("demo", "--response-type", "id_token code"), "no response type"),
        (("demo", *CODES, "--response-type", "id_token"), "exactly when it may use authorization_code"),
        (("demo", "--response-type", "id_token"), "redirect URIs exactly when"),
        (("demo", "--subject-type", "pairwise"), "sector identifier"),
        (("demo", *CODES, "--sector-identifier", "example.test"), "is for pairwise subjects"),
        (("demo", "--cors-origin", "null"), "'null' is no origin"),
        (("demo", "--cors-origin", "https://app.example.test/"), "is no origin"),
        (("demo", "--logo-uri", "javascript:alert(1)"), "The address"),
        (("demo", "--backchannel-logout-uri", "http://app.example.test/"), "The address"),
        (("demo", "--contact", "nobody"), "no email address"),
        (("demo", "--access-token-alg", "ES512"), "no ring that signs access tokens with ES512"),
        (("demo", "--userinfo-alg", "ES384"), "no ring that signs userinfo with ES384"),
        (("demo", *CODES, "--id-token-alg", "PS256"), "no ring that signs ID tokens with PS256"),
        (("demo", "--auth-method", "private_key_jwt"), "exactly when"),
        (("demo", "--auth-method", "none", "--grant-type", "client_credentials"), "RFC 6749"),
        (("demo", "--auth-method", "none", "--introspects", API), "RFC 7662"),
        (("demo", "--auth-method", "private_key_jwt", "--jwks-file", "/nowhere/x"), "can't be read"),
        (("demo", "--auth-method", "private_key_jwt", "--jwks-file", "/"), "can't be read"),
    ],
)
def test_what_cannot_be_registered_is_told_and_nothing_is_written(
    arguments: tuple[str, ...], why: str, realm: Realm
) -> None:
    assert any(part in refused(*arguments).err for part in why.split("|"))


@pytest.mark.spec("RFC 8725 §3.1, RFC 7591 §2")
@pytest.mark.parametrize(
    ("option", "word"),
    [
        ("--userinfo-alg", "none"), ("--userinfo-alg", "HS256"), ("--access-token-alg", "none"),
        ("--id-token-alg", "none"), ("--id-token-alg", "HMAC-SHA256"), ("--subject-type", "secret"),
        ("--auth-method", "tls_client_auth"),
    ],
)  # fmt: skip
def test_another_word_is_no_choice(option: str, word: str, realm: Realm) -> None:
    assert "invalid choice" in run("create_client", "demo", option, word).err
    assert not Client.objects.filter(client_id="demo").exists()


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"\xff", "UTF-8"),
        (b"{", "JSON"),
        (b"[]", "JSON object"),
        (b"[" * 50_000, "JSON"),
        (b'{"keys":[]}', "1 to 20 keys"),
        (b" " * 70_000, "65536"),
    ],
)
def test_a_file_that_is_no_jwk_set_is_refused(content: bytes, why: str, realm: Realm, tmp_path: Path) -> None:
    (tmp_path / "jwks").write_bytes(content)
    assert why in refused("demo", "--auth-method", "private_key_jwt", "--jwks-file", str(tmp_path / "jwks")).err


@pytest.mark.spec("RFC 7517 §9.2")
def test_a_private_key_is_refused_and_not_repeated(realm: Realm, tmp_path: Path) -> None:
    (tmp_path / "jwks").write_text(json.dumps({"keys": [{**jwk(key(), "ES256", "k1"), "d": "canary"}]}))
    found = refused("demo", "--auth-method", "private_key_jwt", "--jwks-file", str(tmp_path / "jwks"))
    assert "this one has leaked" in found.err
    assert "canary" not in found.err


@pytest.mark.spec("RFC 7591 §2, OpenID Connect Registration §2")
def test_a_client_that_wants_its_tokens_encrypted_is_registered_and_told_of(realm: Realm, tmp_path: Path) -> None:
    file = tmp_path / "jwks.json"
    keys = {"keys": [{**jwk(key("ES384"), "ES384", "enc-1"), "use": "enc"}]}
    file.write_text(json.dumps(keys))
    encryption = (
        "--id-token-encryption-alg", "ECDH-ES", "--id-token-encryption-enc", "A128GCM", "--userinfo-alg", "ES256",
        "--userinfo-encryption-alg", "ECDH-ES+A256KW", "--userinfo-encryption-enc", "A256GCM",
    )  # fmt: skip
    found = run("create_client", "demo", "--jwks-file", str(file), *encryption).json
    told = {name: value for name, value in found.items() if name.startswith(("id_token", "userinfo", "jwks"))}
    assert told == {
        "id_token_signed_response_alg": "RS256",
        "id_token_encrypted_response_alg": "ECDH-ES",
        "id_token_encrypted_response_enc": "A128GCM",
        "userinfo_signed_response_alg": "ES256",
        "userinfo_encrypted_response_alg": "ECDH-ES+A256KW",
        "userinfo_encrypted_response_enc": "A256GCM",
        "jwks": keys,
    }
    Client.objects.filter(client_id="demo").delete()
    for wrong in (encryption[2:], encryption[:2], encryption[:4] + encryption[6:]):
        assert refused("demo", "--jwks-file", str(file), *wrong)
    for option, value in (("alg", "RSA1_5"), ("enc", "A128CBC-HS256")):
        assert (
            f"invalid choice: '{value}'" in run("create_client", "demo", f"--id-token-encryption-{option}", value).err
        )
    assert not Client.objects.filter(client_id="demo").exists()


def test_a_client_id_is_given_once(realm: Realm) -> None:
    created("demo")
    found = run("create_client", "demo")
    assert (found.code, found.out) == (2, "")
    assert "has a client 'demo' already" in found.err
