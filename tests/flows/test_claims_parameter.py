"""Claims that a client asks for one by one: who allows them, and where they are told."""

import json
from datetime import datetime
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from pytest_django import DjangoAssertNumQueries

from accounts.acr import SINGLE_FACTOR
from accounts.claims import SCOPE_CLAIMS, SUPPORTED_CLAIMS
from accounts.models import User
from realms.models import Realm
from tests.flows.code_flow import CALLBACK, CHALLENGE, App, post, register, sent_back, sent_by_fragment
from tests.flows.test_code_exchange import claims_of, userinfo
from tests.provider import Browser, make_person
from tokens.models import Consent, Grant
from tokens.reading import MAX_QUERY
from tokens.vocabulary import ResponseType

EMAIL = json.dumps({"id_token": {"email": None}})
TOLD = {"email", "email_verified", "name", "phone_number", "phone_number_verified", "address", "preferred_username"}
SECRETS: dict[str, Any] = {
    "email": "ana@example.org",
    "name": "Ana Lima",
    "phone_number": "+5511987654321",
    "address": "Rua 1",
}


@pytest.fixture
def ana(realm: Realm) -> User:
    return make_person(realm=realm, **SECRETS)


@pytest.fixture
def app(realm: Realm, ana: User, browser: Browser, now: datetime) -> App:
    found = register(realm, browser, now, response_types=tuple(ResponseType))
    found.sign_in()
    return found


def asked(**members: Any) -> str:
    return json.dumps(members)


def identity(app: App, claims: str, **changes: str | None) -> dict[str, Any]:
    """The ID token of the token endpoint."""
    found: dict[str, Any] = claims_of(app.exchange(app.code(claims=claims, **changes)).json()["id_token"])
    return found


@pytest.mark.spec("OpenID Connect Core §5.5, id_token")
def test_a_claim_asked_for_in_the_id_token_stands_there_alone(app: App) -> None:
    tokens = app.exchange(app.code(claims=EMAIL, scope="openid offline_access")).json()
    told = claims_of(tokens["id_token"])
    assert {name: told[name] for name in TOLD & told.keys()} == {"email": "ana@example.org"}
    assert not TOLD & claims_of(tokens["access_token"]).keys()
    assert not TOLD & userinfo(app, tokens["access_token"]).json().keys()
    again = app.refresh(tokens["refresh_token"], scope="openid").json()
    assert claims_of(again["id_token"])["email"] == "ana@example.org"
    assert tokens["scope"] == "openid offline_access"


@pytest.mark.spec("house: no superfluous query")
def test_the_person_is_read_only_for_an_id_token_that_tells_of_them(
    app: App, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    plain = app.exchange(app.code(scope="openid offline_access")).json()["refresh_token"]
    telling = app.exchange(app.code(claims=EMAIL, scope="openid offline_access")).json()["refresh_token"]
    others = app.exchange(app.code(claims=EMAIL, scope="offline_access")).json()
    assert "id_token" not in others
    for token in (plain, telling, others["refresh_token"]):
        with django_assert_num_queries(3):  # the realm, the client, the rotation
            found = app.refresh(token).json()
        assert "id_token" not in found


@pytest.mark.spec("design: product.md, ID token < 2 KB")
def test_an_id_token_with_every_claim_of_an_ordinary_person_is_below_2_kb(
    realm: Realm, browser: Browser, now: datetime
) -> None:
    make_person(
        "ana.maria.lima",
        realm=realm,
        name="Ana Maria Gonçalves Lima",
        given_name="Ana Maria",
        family_name="Gonçalves Lima",
        email="ana.maria.lima@example.org",
        email_verified=True,
        locale="pt-PT",
        zoneinfo="Europe/Lisbon",
        phone_number="+351211234567",
        address="Rua das Flores 12\n1200-195 Lisboa\nPortugal",
    )
    app = register(realm, browser, now, scopes=("openid", *SCOPE_CLAIMS), response_types=tuple(ResponseType))
    app.sign_in("ana.maria.lima")
    claims = asked(id_token=dict.fromkeys(SUPPORTED_CLAIMS))
    answer = sent_by_fragment(app.authorize(response_type="code id_token token", claims=claims, nonce="n" * 64))
    assert set(SUPPORTED_CLAIMS) <= claims_of(answer["id_token"]).keys()
    longer = 683 - 86  # characters of an RS256 signature of 4096 bits, against ES256's
    assert len(answer["id_token"]) + longer < 2_048


@pytest.mark.spec("OpenID Connect Core §5.5, userinfo")
def test_a_claim_asked_for_at_userinfo_is_none_of_the_id_token(app: App) -> None:
    claims = asked(userinfo={"email": {"essential": True}, "phone_number": None})
    tokens = app.exchange(app.code(claims=claims)).json()
    assert not TOLD & claims_of(tokens["id_token"]).keys()
    told = userinfo(app, tokens["access_token"]).json()
    assert {name: told[name] for name in TOLD & told.keys()} == {"email": "ana@example.org"}
    assert Grant.objects.get().claims == {"userinfo": ["email"]}
    answer = sent_by_fragment(app.authorize(response_type="id_token token", claims=claims))
    assert not TOLD & claims_of(answer["id_token"]).keys()
    assert userinfo(app, answer["access_token"]).json() == told


@pytest.mark.spec("OpenID Connect Core §5.5, §3.2.2.10, §3.3.2.11")
@pytest.mark.parametrize("response_type", ["code id_token", "id_token", "code id_token token", "id_token token"])
def test_the_id_token_of_the_browser_tells_it_as_well(response_type: str, app: App) -> None:
    answer = sent_by_fragment(app.authorize(response_type=response_type, claims=EMAIL))
    told = claims_of(answer["id_token"])
    assert {name: told[name] for name in TOLD & told.keys()} == {"email": "ana@example.org"}
    if "code" in answer:
        assert claims_of(app.exchange(answer["code"]).json()["id_token"])["email"] == "ana@example.org"


@pytest.mark.spec("OpenID Connect Core §5.5, RFC 6749 §3.3, house: the client's scopes are the most that it may have")
@pytest.mark.parametrize("response_type", [kind.value for kind in ResponseType if "id_token" in kind])
@pytest.mark.parametrize("where", ["id_token", "userinfo"])
def test_what_the_client_may_never_have_it_gets_in_no_way(response_type: str, where: str, app: App) -> None:
    """`app` is registered for neither phone nor address."""
    claims = asked(**{where: {"phone_number": {"essential": True}, "address": None, "phone_number_verified": None}})
    answer = sent_by_fragment(app.authorize(response_type=response_type, claims=claims))
    found = [answer["id_token"]]
    if "code" in answer:
        found.append(app.exchange(answer["code"]).json()["id_token"])
    for token in found:
        assert not TOLD & claims_of(token).keys()
    assert Grant.objects.get().claims == {}


@pytest.mark.spec("OpenID Connect Core §3.1.2.4, §5.5, §17.1")
def test_a_person_is_asked_for_it_and_it_is_remembered(
    realm: Realm, ana: User, browser: Browser, now: datetime
) -> None:
    app = register(realm, browser, now, first_party=False)
    app.sign_in()
    post(app.browser, app.authorize()["Location"], {"decision": "allow"})
    assert "code" in sent_back(app.authorize())
    for claims in (EMAIL, asked(userinfo={"email": None})):
        assert sent_back(app.authorize(claims=claims, prompt="none"))["error"] == "consent_required"
        page = app.authorize(claims=claims)["Location"]
        assert urlsplit(page).path == "/consent"
        assert "read your email address" in app.browser.get(page).content.decode()
        assert sent_back(post(app.browser, page, {"decision": "deny"}))["error"] == "access_denied"
    assert Consent.objects.get().scopes == ["openid"]
    code = sent_back(post(app.browser, app.authorize(claims=EMAIL)["Location"], {"decision": "allow"}))["code"]
    assert claims_of(app.exchange(code).json()["id_token"])["email"] == "ana@example.org"
    assert Consent.objects.get().scopes == ["email", "openid"]
    assert "code" in sent_back(app.authorize(claims=EMAIL, prompt="none"))
    beyond = asked(id_token={"phone_number": None})
    assert "code" in sent_back(app.authorize(claims=beyond, prompt="none"))  # nothing that it could get


@pytest.mark.spec("OIDC Core §3.1.2.2 sub-of-another, OpenID Connect Core §5.5.1, sub")
@pytest.mark.parametrize("response_type", ResponseType)
def test_an_answer_is_about_the_person_who_was_asked_for_or_there_is_none(
    response_type: str, app: App, realm: Realm, ana: User
) -> None:
    read = sent_back if response_type == "code" else sent_by_fragment
    bo = make_person("bo", realm=realm)
    own, other = (asked(id_token={"sub": {"value": person.subject}}) for person in (ana, bo))
    assert "error" not in read(app.authorize(response_type=response_type, claims=own, prompt="none"))
    Grant.objects.all().delete()
    silent = read(app.authorize(response_type=response_type, claims=other, prompt="none"))
    assert silent["error"] == "login_required"
    assert silent.keys() == {"error", "error_description", "state", "iss"}
    page = urlsplit(app.authorize(response_type=response_type, claims=other)["Location"])
    assert page.path == "/sign-in"
    assert not Grant.objects.exists()
    following = parse_qs(page.query)["next"][0]
    again = app.sign_in(next=following)  # still the wrong one
    assert urlsplit(app.browser.get(again["Location"])["Location"]).path == "/sign-in"
    right = app.sign_in("bo", next=following)
    assert "error" not in read(app.browser.get(right["Location"]))
    assert Grant.objects.get().user == bo


@pytest.mark.spec("OIDC Core §5.5.1.1 essential-acr, OpenID Connect Core Unmet Authentication Requirements §2")
def test_a_demanded_class_that_no_sign_in_has_is_an_error(app: App) -> None:
    for acr in ({"values": ["urn:gold", "urn:silver"]}, {"value": "urn:gold"}):
        claims = asked(id_token={"acr": {"essential": True, **acr}})
        for prompt in (None, "none"):
            answer = sent_back(app.authorize(claims=claims, prompt=prompt))
            assert (answer["error"], answer["state"]) == ("unmet_authentication_requirements", "s1")
    by_fragment = sent_by_fragment(app.authorize(claims=claims, response_type="id_token token"))
    assert by_fragment["error"] == "unmet_authentication_requirements"
    assert not Grant.objects.exists()
    met = asked(id_token={"acr": {"essential": True, "values": ["urn:gold", SINGLE_FACTOR]}})
    assert identity(app, met)["acr"] == SINGLE_FACTOR


@pytest.mark.spec("OpenID Connect Core §5.5.1.1, OpenID Connect Core §3.1.2.1, acr_values")
def test_a_class_that_is_only_wished_for_is_no_condition(app: App) -> None:
    for acr in (None, {"values": ["urn:gold"]}, {"essential": False, "value": "urn:gold"}, {"essential": True}):
        assert identity(app, asked(id_token={"acr": acr}), acr_values="urn:gold urn:silver")["acr"] == SINGLE_FACTOR


@pytest.mark.spec("OpenID Connect Core §5.5.1.1, RFC 9700 §4.11.2")
def test_nobody_learns_of_an_unmet_class_before_the_sign_in(app: App) -> None:
    app.browser.cookies.clear()
    claims = asked(id_token={"acr": {"essential": True, "value": "urn:gold"}})
    assert sent_back(app.authorize(claims=claims, prompt="none"))["error"] == "login_required"
    assert urlsplit(app.authorize(claims=claims)["Location"]).path == "/sign-in"


@pytest.mark.spec("OpenID Connect Core §2, §5.5")
def test_what_a_client_asks_for_changes_no_claim_of_the_protocol(app: App, ana: User) -> None:
    plain = identity(app, "")
    forged = {"value": "forged", "values": ["forged"], "essential": True}
    names = ("iss", "aud", "azp", "exp", "nonce", "amr", "sid", "at_hash", "c_hash", "auth_time", "jti", "roles")
    found = identity(app, asked(id_token=dict.fromkeys(names, forged)))
    assert found.keys() == plain.keys()
    for name in ("iss", "sub", "aud", "azp", "nonce", "amr", "sid", "auth_time", "acr"):
        assert found[name] == plain[name]


@pytest.mark.spec("OpenID Connect Core §5.5.1, value and values")
def test_a_value_that_is_wished_for_is_not_what_is_told(app: App) -> None:
    claims = asked(id_token={"email": {"value": "eve@example.org"}, "name": {"values": ["Eve"], "essential": True}})
    found = identity(app, claims)
    assert (found["email"], found["name"]) == ("ana@example.org", "Ana Lima")


@pytest.mark.spec("OpenID Connect Core §5.3.2, OIDC Core §5.5.1 no-error, essential")
def test_what_is_not_known_is_left_out_even_if_it_is_essential(app: App, ana: User) -> None:
    User.objects.filter(pk=ana.pk).update(email="", name="")
    claims = asked(id_token={"email": {"essential": True}, "name": {"essential": True}, "email_verified": None})
    assert not TOLD & identity(app, claims).keys()


@pytest.mark.spec("OpenID Connect Core §5.5, RFC 6749 §3.1")
@pytest.mark.parametrize("claims", ["x", "[]", '{"id_token": 1}', '{"id_token":{},"id_token":{}}', '{"x": NaN}'])
def test_a_request_of_another_form_is_refused(claims: str, app: App) -> None:
    answer = sent_back(app.authorize(claims=claims))
    assert (answer["error"], answer["state"]) == ("invalid_request", "s1")
    assert not Grant.objects.exists()


@pytest.mark.spec("OpenID Connect Core §3.1.2.1, house: bounded sizes")
def test_a_long_request_is_answered_where_nobody_has_to_come_back_to_it(app: App) -> None:
    long = asked(userinfo={f"urn:x:{number:04}": None for number in range(180)})
    assert 3_000 < len(long) < 4_096
    form = {
        "response_type": "code", "client_id": "app", "redirect_uri": CALLBACK, "scope": "openid",
        "code_challenge": CHALLENGE, "code_challenge_method": "S256",
    }  # fmt: skip
    assert len(urlencode({**form, "claims": long})) > MAX_QUERY
    assert "code" in sent_back(post(app.browser, "/authorize", {**form, "claims": long}))
    assert app.authorize(claims=long).status_code == 400
    too_long = post(app.browser, "/authorize", {**form, "claims": long + " " * 4_096})
    assert (too_long.status_code, "Location" in too_long) == (400, False)
    for changes in ({"prompt": "login"}, {"prompt": "consent"}):
        page = post(app.browser, "/authorize", {**form, **changes, "claims": long})
        assert (page.status_code, "Location" in page) == (400, False)
        assert "too long" in page.content.decode()
    app.browser.cookies.clear()
    assert post(app.browser, "/authorize", {**form, "claims": long}).status_code == 400


@pytest.mark.spec("OpenID Connect Core §3.1.2.1 nonce, house: what comes from a row is no code")
@pytest.mark.parametrize(
    "nonce", ["[", "{", "[1]", '{"a":1}', '"', "null", "true", "1e9", "'); --", "%s", "\\u0000", "é", "[" * 512]
)
def test_a_nonce_is_a_text_whatever_it_looks_like(nonce: str, app: App) -> None:
    answer = sent_by_fragment(app.authorize(response_type="code id_token", nonce=nonce))
    assert claims_of(answer["id_token"])["nonce"] == nonce
    tokens = app.exchange(answer["code"]).json()
    assert claims_of(tokens["id_token"])["nonce"] == nonce
