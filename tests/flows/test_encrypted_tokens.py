"""ID tokens and userinfo that only the client can read; opened here as a client opens them."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import jwt
import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric import ec, rsa, x25519
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from django.utils import timezone
from joserfc import jwe as joserfc_jwe
from joserfc.jwk import ECKey
from jwt import PyJWKSet

from accounts.models import Session, User
from keys import api
from keys.errors import EncryptionRefused
from keys.jwk import key_members
from realms.models import Realm
from tests.flows.code_flow import CALLBACK, VERIFIER, App, post, register
from tests.flows.test_code_exchange import userinfo
from tests.keys.jwe import RecipientKey, opened
from tests.provider import ISSUER, Browser
from tests.tokens.clients import basic
from tests.tokens.clients import register as register_machine
from tests.tokens.test_id_token import SIGNED_IN
from tokens.authorization import Encryption
from tokens.id_token import half_hash
from tokens.models import Client
from tokens.services.issuance import issue, token_for_client
from tokens.vocabulary import ResponseType, SubjectType

EC_KEY = ec.generate_private_key(ec.SECP256R1())
CASES: dict[str, tuple[RecipientKey, str, str]] = {
    "RSA": (rsa.generate_private_key(public_exponent=65_537, key_size=2048), "RSA-OAEP-256", "A256GCM"),
    "EC": (EC_KEY, "ECDH-ES", "A128GCM"),
    "X25519": (x25519.X25519PrivateKey.generate(), "ECDH-ES+A256KW", "A256GCM"),
}


def keys_of(*privates: RecipientKey) -> dict[str, Any]:
    """A client's JWK Set."""
    members = [key_members(private.public_key(), "") for private in privates]
    return {"keys": [{**one, "use": "enc", "kid": f"enc-{number}"} for number, one in enumerate(members, 1)]}


def wants(private: RecipientKey = EC_KEY, alg: str = "ECDH-ES", enc: str = "A128GCM", **changes: Any) -> dict[str, Any]:
    """What a client registers that wants both encrypted."""
    return {
        "jwks": keys_of(private),
        "id_token_encryption_alg": alg,
        "id_token_encryption_enc": enc,
        "userinfo_alg": "ES256",
        "userinfo_encryption_alg": alg,
        "userinfo_encryption_enc": enc,
        **changes,
    }


@pytest.fixture
def app(realm: Realm, ana: User, browser: Browser, now: datetime) -> App:
    """A client with a key for encryption, and ana signed in."""
    found = register(realm, browser, now, **wants())
    found.sign_in()
    return found


def verified(app: App, text: str, typ: str = "JWT") -> dict[str, Any]:
    """The claims of a signed token, held against the published keys as a client does."""
    header = jwt.get_unverified_header(text)
    assert header["typ"] == typ
    keys = PyJWKSet.from_dict(app.browser.get("/.well-known/jwks.json").json())
    found: dict[str, Any] = jwt.decode(text, keys[header["kid"]], audience="app", issuer=ISSUER)
    return found


@pytest.mark.spec(
    "OIDC Core §10.2 algorithm-of-client, OIDC Core §10.2 key-of-client, OIDC Core §2 signed-then-encrypted",
    "OpenID Connect Core §16.14: signed, then encrypted",
    "RFC 7516 §5.2, RFC 7519 §11.2",
)
@pytest.mark.parametrize(("private", "alg", "enc"), CASES.values(), ids=CASES)
def test_a_client_opens_its_id_token_and_finds_a_signed_one(
    private: RecipientKey, alg: str, enc: str, realm: Realm, ana: User, browser: Browser, now: datetime
) -> None:
    app = register(realm, browser, now, **wants(private, alg, enc))
    app.sign_in()
    tokens = app.exchange(app.code()).json()
    found = opened(tokens["id_token"], private)
    header = {name: value for name, value in found.header.items() if name != "epk"}
    assert header == {"alg": alg, "enc": enc, "cty": "JWT", "kid": "enc-1"}
    claims = verified(app, found.plaintext)
    assert (claims["sub"], claims["nonce"]) == (ana.subject, "n1")
    assert claims["at_hash"] == half_hash(tokens["access_token"], "ES256")
    assert ana.subject not in tokens["id_token"]
    assert len(found.plaintext) < 2_048


@pytest.mark.spec("RFC 7516 §5.2")
def test_a_library_opens_it_too(app: App, ana: User) -> None:
    token = app.exchange(app.code()).json()["id_token"]
    pem = EC_KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    content = joserfc_jwe.decrypt_compact(token, ECKey.import_key(pem), algorithms=["ECDH-ES", "A128GCM"]).plaintext
    assert content is not None
    assert verified(app, content.decode())["sub"] == ana.subject


@pytest.mark.spec("OpenID Connect Core §12.2, RFC 7516 §5.1: a content key for each")
def test_a_refreshed_id_token_is_encrypted_anew(app: App) -> None:
    tokens = app.exchange(app.code(scope="openid offline_access")).json()
    again = app.refresh(tokens["refresh_token"], scope="openid").json()
    found = [opened(one["id_token"], EC_KEY) for one in (tokens, again)]
    assert found[0].content_key != found[1].content_key
    assert verified(app, found[1].plaintext)["aud"] == "app"


@pytest.mark.spec("OpenID Connect Core §3.3.2.11, §3.2.2.5")
@pytest.mark.parametrize("response_type", ["code id_token", "code id_token token"])
def test_an_id_token_through_the_browser_is_encrypted_as_well(
    response_type: str, realm: Realm, ana: User, browser: Browser, now: datetime
) -> None:
    kinds = (ResponseType.CODE, ResponseType(response_type))
    grants = ("authorization_code", "implicit") if "token" in response_type.split() else ("authorization_code",)
    app = register(realm, browser, now, **wants())
    Client.objects.filter(client_id="app").update(response_types=list(kinds), grant_types=list(grants))
    app.sign_in()
    fragment = urlsplit(app.authorize(response_type=response_type)["Location"]).fragment
    assert ana.subject not in fragment
    claims = verified(app, opened(dict(parse_qsl(fragment))["id_token"], EC_KEY).plaintext)
    assert claims["c_hash"] == half_hash(dict(parse_qsl(fragment))["code"], "ES256")


@pytest.mark.spec(
    "OIDC Core §5.3.2 signed-then-encrypted, OIDC Core §5.3.2 jwt-content-type, OpenID Connect Core §16.14",
    "OIDC Core §10.2 algorithm-of-client",
)
@pytest.mark.parametrize(("private", "alg", "enc"), CASES.values(), ids=CASES)
def test_userinfo_is_signed_and_then_encrypted(
    private: RecipientKey, alg: str, enc: str, realm: Realm, ana: User, browser: Browser, now: datetime
) -> None:
    User.objects.filter(pk=ana.pk).update(email="canary@example.org")
    app = register(realm, browser, now, **wants(private, alg, enc, subject_type=SubjectType.PAIRWISE))
    app.sign_in()
    tokens = app.exchange(app.code(scope="openid email")).json()
    answer = userinfo(app, tokens["access_token"])
    assert (answer.status_code, answer["Content-Type"], answer["Cache-Control"]) == (200, "application/jwt", "no-store")
    found = opened(answer.content.decode("ascii"), private)
    assert (found.header["alg"], found.header["enc"], found.header["cty"]) == (alg, enc, "JWT")
    told = verified(app, found.plaintext, typ="userinfo+jwt")
    assert told["email"] == "canary@example.org"
    assert told["sub"] == verified(app, opened(tokens["id_token"], private).plaintext)["sub"] != ana.subject


@pytest.mark.spec("RFC 7591 §2: each as it was registered")
@pytest.mark.parametrize("encrypted", ["id_token", "userinfo"])
def test_one_may_be_encrypted_without_the_other(
    encrypted: str, realm: Realm, ana: User, browser: Browser, now: datetime
) -> None:
    plain = "userinfo" if encrypted == "id_token" else "id_token"
    none: dict[str, Any] = {f"{plain}_encryption_alg": "", f"{plain}_encryption_enc": ""}
    app = register(realm, browser, now, **wants(**none))
    app.sign_in()
    tokens = app.exchange(app.code()).json()
    answers = {"id_token": tokens["id_token"], "userinfo": userinfo(app, tokens["access_token"]).content.decode()}
    assert {name: text.count(".") for name, text in answers.items()} == {encrypted: 4, plain: 2}


@pytest.mark.spec(
    "RFC 7517 §4.2, OpenID Connect Core §10.2: the key that fits what was registered, OIDC Core §10.2 key-of-client",
)
def test_each_client_has_its_own_key_and_each_algorithm_the_one_that_fits(
    realm: Realm, ana: User, browser: Browser, now: datetime
) -> None:
    rsa_key, x_key = CASES["RSA"][0], CASES["X25519"][0]
    changes: dict[str, Any] = {"userinfo_encryption_alg": "RSA-OAEP-256", "jwks": keys_of(x_key, rsa_key)}
    app = register(realm, browser, now, **wants(x_key, "ECDH-ES+A128KW", **changes))
    app.sign_in()
    tokens = app.exchange(app.code()).json()
    shown = userinfo(app, tokens["access_token"]).content.decode()
    assert opened(tokens["id_token"], x_key).header["kid"] == "enc-1"
    assert opened(shown, rsa_key).header["kid"] == "enc-2"
    other = register(realm, browser, now, client_id="other", **wants())
    theirs = other.exchange(other.code()).json()["id_token"]
    assert opened(theirs, EC_KEY)
    with pytest.raises(InvalidTag):
        opened(theirs, ec.generate_private_key(ec.SECP256R1()))


@pytest.mark.spec("OpenID Connect RP-Initiated Logout §2, OpenID Connect Core §3.1.2.1: the hint is the signed token")
def test_a_hint_is_what_was_inside_and_what_is_encrypted_is_garbage(app: App) -> None:
    Client.objects.filter(client_id="app").update(post_logout_redirect_uris=[CALLBACK])
    token = app.exchange(app.code()).json()["id_token"]
    inside = opened(token, EC_KEY).plaintext
    refused = app.authorize(id_token_hint=token)
    assert dict(parse_qsl(urlsplit(refused["Location"]).query))["error"] == "invalid_request"
    assert "code" in dict(parse_qsl(urlsplit(app.authorize(id_token_hint=inside)["Location"]).query))
    form = {"id_token_hint": token, "post_logout_redirect_uri": CALLBACK}
    assert app.browser.get(f"/logout?{urlencode(form)}").status_code == 400  # it names no client
    assert Session.objects.get().ended_at is None
    assert app.browser.get(f"/logout?{urlencode({**form, 'id_token_hint': inside})}")["Location"] == CALLBACK
    assert Session.objects.get().ended_at is not None


@pytest.mark.spec("RFC 8725 §3.11: nothing that is encrypted for a client is taken back")
def test_an_encrypted_token_opens_nothing_here(app: App, realm: Realm) -> None:
    tokens = app.exchange(app.code()).json()
    _, secret = register_machine(realm, "service", grant_types=(), introspects=(ISSUER,))
    for text in (tokens["id_token"], userinfo(app, tokens["access_token"]).content.decode()):
        assert userinfo(app, text).status_code == 401
        asked = post(app.browser, "/introspect", {"token": text}, **basic("service", secret))
        assert asked.json() == {"active": False}
        assert app.refresh(text[:512]).json()["error"] == "invalid_grant"


@pytest.mark.spec("design: fails closed; never signed alone where encryption was registered")
@pytest.mark.parametrize(
    "change",
    [
        {"jwks": keys_of(CASES["RSA"][0])},
        {"jwks": {"keys": []}},
        {"id_token_encryption_alg": "dir", "userinfo_encryption_alg": "RSA1_5"},
        {"id_token_encryption_enc": "A128CBC-HS256", "userinfo_encryption_enc": "none"},
    ],
)
def test_what_cannot_be_encrypted_is_not_sent(change: Mapping[str, Any], app: App) -> None:
    shown, code = app.exchange(app.code()).json()["access_token"], app.code()
    Client.objects.filter(client_id="app").update(**change)
    for answer in (app.exchange(code), userinfo(app, shown)):
        assert answer.status_code == 503
        assert answer.json().keys() == {"error", "error_description"}


@pytest.mark.spec("OpenID Connect Back-Channel Logout §2.4: encrypted as ID tokens are")
def test_any_token_for_a_client_gets_the_form_that_it_registered(realm: Realm, now: datetime) -> None:
    claims = {"iss": ISSUER, "aud": "app", "exp": int((now + timedelta(minutes=2)).timestamp()), "jti": "1"}

    def made(encryption: Encryption | None) -> str:
        return token_for_client(
            claims, typ="logout+jwt", algorithm="ES256", encryption=encryption, realm=realm, now=now
        )

    inside = opened(made(Encryption("ECDH-ES", "A128GCM", keys_of(EC_KEY))), EC_KEY).plaintext
    for text in (inside, made(None)):
        assert api.verify_jwt(text, realm=realm, typ="logout+jwt", now=now, audience="app").claims == claims
    assert "keys" not in repr(Encryption("ECDH-ES", "A128GCM", keys_of(EC_KEY)))


@pytest.mark.spec("OpenID Connect Core §3.1.3.3")
def test_the_mint_encrypts_what_the_decision_says(realm: Realm) -> None:
    now = timezone.now()
    encryption = Encryption("ECDH-ES", "A128GCM", keys_of(EC_KEY))
    decided = replace(SIGNED_IN, issuer=ISSUER, refreshable=False, expires_at=now + timedelta(days=1))
    plain = issue(decided, realm=realm, now=now).id_token
    hidden = issue(replace(decided, id_token_encryption=encryption), realm=realm, now=now).id_token
    assert plain is not None
    assert hidden is not None
    inside = opened(hidden, EC_KEY).plaintext
    one, other = (api.verify_jwt(text, realm=realm, typ="JWT", now=now).claims for text in (plain, inside))
    assert {**one, "at_hash": ""} == {**other, "at_hash": ""}
    assert VERIFIER not in inside


@pytest.mark.spec("RFC 7519 §11.2: what is inside is signed")
def test_nothing_unsigned_is_ever_encrypted() -> None:
    with pytest.raises(EncryptionRefused):
        api.encrypt_nested("e30.e30.", jwks=keys_of(EC_KEY), alg="ECDH-ES", enc="A128GCM")
