"""Pairwise subjects: clients of one sector know a person by one subject, and nobody can compare notes beyond it."""

import json
from datetime import datetime
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest

from accounts.models import Membership, Session, User
from realms.models import Realm
from tests.flows.code_flow import App, post, register, sent_back, sent_by_fragment
from tests.flows.test_code_exchange import claims_of, userinfo
from tests.provider import Browser, make_person, make_realm
from tests.tokens.clients import basic
from tests.tokens.clients import register as register_machine
from tokens.models import Client
from tokens.vocabulary import ResponseType, SubjectType

ISSUER = "https://id.example.test"
AFTER = "https://app.example.org/bye"
pytestmark = pytest.mark.spec("OpenID Connect Core §8, §8.1")


def pairwise(realm: Realm, browser: Browser, now: datetime, client_id: str, sector: str = "", **more: Any) -> App:
    """A client with pairwise subjects; its sector is the host of its callback unless it is named."""
    return register(
        realm, browser, now, client_id=client_id, subject_type=SubjectType.PAIRWISE, sector_identifier=sector,
        response_types=tuple(ResponseType), post_logout_redirect_uris=(AFTER,), **more,
    )  # fmt: skip


@pytest.fixture
def app(realm: Realm, ana: User, browser: Browser, now: datetime) -> App:
    found = pairwise(realm, browser, now, "app")
    found.sign_in()
    return found


def tokens_of(app: App, **changes: str | None) -> dict[str, str]:
    found: dict[str, str] = app.exchange(app.code(**changes)).json()
    return found


def subject(app: App) -> str:
    """Whom the client takes the person for."""
    found: str = claims_of(tokens_of(app)["id_token"])["sub"]
    return found


@pytest.mark.spec("OIDC Core §8.1 same-each-time, OIDC Core §8.1 sectors-apart")
def test_clients_of_one_sector_agree_and_others_learn_nothing(app: App, realm: Realm, ana: User, now: datetime) -> None:
    sibling = pairwise(realm, app.browser, now, "sibling", "app.example.org")
    stranger = pairwise(realm, app.browser, now, "stranger", "other.example.org")
    public = register(realm, app.browser, now, client_id="public")
    assert subject(app) == subject(sibling) == subject(app)
    assert len({subject(one) for one in (app, stranger, public)}) == 3
    assert subject(public) == ana.subject
    assert app.client.sector_identifier == "app.example.org"


@pytest.mark.spec("OpenID Connect Back-Channel Logout §2.1 sid")
def test_nothing_in_the_tokens_of_two_sectors_says_that_it_is_one_person(app: App, realm: Realm, now: datetime) -> None:
    """Two clients that compare what they got find nothing that one session alone has."""
    sibling = pairwise(realm, app.browser, now, "sibling", "app.example.org")
    stranger = pairwise(realm, app.browser, now, "stranger", "other.example.org")
    own = Session.objects.get().sid
    first, same, other = (
        [claims_of(tokens[name]) for name in ("id_token", "access_token")]
        for tokens in (tokens_of(app), tokens_of(sibling), tokens_of(stranger))
    )
    assert len({claims["sid"] for claims in (*first, *same)}) == 1
    assert own not in {claims["sid"] for claims in (*first, *other)}
    common = {"iss", "iat", "exp", "auth_time", "acr", "amr", "nonce", "scope"}  # of many people, or the client's own
    for one, two in zip(first, other, strict=True):
        shared = {name for name in one if name in two and one[name] == two[name]}
        assert shared - common <= {"aud", "device_trust"}  # this provider, and a number that many share
    public = register(realm, app.browser, now, client_id="public")
    assert claims_of(tokens_of(public)["id_token"])["sid"] == own


def test_two_people_never_have_one_subject(app: App, realm: Realm) -> None:
    first = subject(app)
    make_person("bo", realm=realm)
    app.sign_in("bo")
    assert subject(app) != first


def test_another_realm_has_other_subjects_for_the_same_person(app: App, ana: User, now: datetime) -> None:
    other = make_realm("other")
    Membership.objects.create(user=ana, realm=other, roles=[], created_at=now)
    there = pairwise(other, app.browser, now, "app")
    there.sign_in()
    assert subject(there) != subject(app)


@pytest.mark.spec("OpenID Connect Core §3.3.3.6, RFC 9068 §2.2, sub")
@pytest.mark.parametrize("response_type", ["code id_token", "code id_token token", "id_token token", "id_token"])
def test_every_token_says_the_same_subject(response_type: str, app: App, ana: User) -> None:
    answer = sent_by_fragment(app.authorize(response_type=response_type, scope="openid offline_access"))
    found = [answer[name] for name in ("id_token", "access_token") if name in answer]
    if "code" in answer:
        later = app.exchange(answer["code"]).json()
        again = app.refresh(later["refresh_token"], scope="openid").json()
        found += [tokens[name] for tokens in (later, again) for name in ("id_token", "access_token")]
    subjects = {claims_of(token)["sub"] for token in found}
    subjects |= {userinfo(app, token).json()["sub"] for token in found if "client_id" in claims_of(token)}
    assert subjects == {subject(app)}
    assert ana.subject not in subjects
    assert not [token for token in found if ana.subject in json.dumps(claims_of(token))]


@pytest.mark.spec("RFC 7662 §2.2, sub")
def test_introspection_tells_the_clients_subject(app: App, realm: Realm, ana: User) -> None:
    _client, secret = register_machine(realm, "api", introspects=(ISSUER,))
    token = tokens_of(app)["access_token"]
    found = post(app.browser, "/introspect", {"token": token}, **basic("api", secret)).json()
    assert (found["active"], found["sub"]) == (True, subject(app))
    assert ana.subject not in json.dumps(found)


@pytest.mark.spec("OpenID Connect Core §3.1.2.2, OpenID Connect Core §5.5.1, sub")
def test_a_client_asks_for_a_person_by_the_subject_that_it_knows(app: App, ana: User) -> None:
    known = json.dumps({"id_token": {"sub": {"value": subject(app)}}})
    own = json.dumps({"id_token": {"sub": {"value": ana.subject}}})
    assert "code" in sent_back(app.authorize(claims=known, prompt="none"))
    assert sent_back(app.authorize(claims=own, prompt="none"))["error"] == "login_required"


@pytest.mark.spec("OpenID Connect Core §3.1.2.1, id_token_hint")
def test_its_id_token_is_a_hint(app: App, realm: Realm) -> None:
    hint = tokens_of(app)["id_token"]
    assert "code" in sent_back(app.authorize(id_token_hint=hint, prompt="none"))
    make_person("bo", realm=realm)
    app.sign_in("bo")
    assert sent_back(app.authorize(id_token_hint=hint, prompt="none"))["error"] == "login_required"


@pytest.mark.spec("OpenID Connect RP-Initiated Logout §2, §3")
def test_its_id_token_signs_the_person_out(app: App) -> None:
    hint = tokens_of(app)["id_token"]
    asked = urlencode({"id_token_hint": hint, "post_logout_redirect_uri": AFTER})
    assert app.browser.get(f"/logout?{asked}")["Location"] == AFTER
    assert Session.objects.get().ended_at is not None


@pytest.mark.spec("OpenID Connect RP-Initiated Logout §2, house: a hint of another session proves nothing")
def test_the_hint_of_another_person_signs_nobody_out(app: App, realm: Realm) -> None:
    make_person("bo", realm=realm)
    other = App(app.client, app.secret, Browser())
    other.sign_in("bo")
    hint = tokens_of(other)["id_token"]
    answer = app.browser.get(f"/logout?{urlencode({'id_token_hint': hint})}")
    assert urlsplit(answer["Location"]).path == "/logout/confirm"
    assert not Session.objects.filter(ended_at__isnull=False).exists()


@pytest.mark.spec("OpenID Connect RP-Initiated Logout §2")
def test_a_hint_with_the_persons_own_subject_is_not_what_a_pairwise_client_got(app: App) -> None:
    """The client was public once; its old ID tokens name a subject that it doesn't know people by any more."""
    Client.objects.update(subject_type=SubjectType.PUBLIC, sector_identifier="")
    hint = tokens_of(app)["id_token"]
    Client.objects.filter(client_id="app").update(
        subject_type=SubjectType.PAIRWISE, sector_identifier="app.example.org"
    )
    answer = app.browser.get(f"/logout?{urlencode({'id_token_hint': hint})}")
    assert urlsplit(answer["Location"]).path == "/logout/confirm"


@pytest.mark.spec("OpenID Connect Discovery §3, subject_types_supported")
def test_discovery_lists_both_kinds(app: App) -> None:
    found = app.browser.get("/.well-known/openid-configuration").json()
    assert {*found["subject_types_supported"]} == {"public", "pairwise"}


def test_a_consent_page_and_its_answer_are_the_same_for_pairwise_clients(
    realm: Realm, ana: User, browser: Browser, now: datetime
) -> None:
    app = pairwise(realm, browser, now, "app", first_party=False)
    app.sign_in()
    code = sent_back(post(app.browser, app.authorize()["Location"], {"decision": "allow"}))["code"]
    assert claims_of(app.exchange(code).json()["id_token"])["sub"] not in ("", ana.subject)
