"""`POST /auth` with a second factor due, and `POST /auth/mfa`, which completes it."""

import base64
import json
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any

import jwt
import pytest
import time_machine
from django.conf import LazySettings
from django.db import close_old_connections, connections
from django.utils import timezone

from accounts.budget import ACCOUNT_AND_ADDRESS, SECOND_FACTOR_PERSON
from accounts.models import Membership, SignInChallenge, User
from accounts.selectors.factors import factors_of
from accounts.services.challenges import CHALLENGE_LIFETIME
from accounts.services.personal import open_personal
from accounts.services.second_factors import make_recovery_codes, remove_totp
from audit.models import Event
from audit.vocabulary import EventName
from keys.algorithms import Purpose
from keys.api import verify_jwt
from realms.models import Realm
from tests.flows.test_direct_sign_in import basic, sign_in
from tests.flows.test_refresh_and_logout import refresh
from tests.provider import PASSWORD, Browser, distrust, make_realm
from tests.second_factors import add_passkey, codes_of, fitting, give_totp, wrong
from tokens.handles import Handle, HandlePurpose, decode, encode
from tokens.models import Client, Grant

AGO = timedelta(minutes=5)
FORM = "application/x-www-form-urlencoded"


@pytest.fixture
def seed(ana: User, now: datetime) -> bytes:
    """Of ana's authenticator app."""
    return give_totp(ana, now - AGO)


def challenge_of(browser: Browser, path: str = "/auth") -> str:
    answer = sign_in(browser, path=path)
    assert answer.json()["error"] == "mfa_required", answer.content
    found: str = answer.json()["challenge"]
    return found


def complete(browser: Browser, challenge: str, code: str, path: str = "/auth/mfa", **extra: Any) -> Any:
    return browser.post(path, json.dumps({"challenge": challenge, "code": code}), "application/json", **extra)


def enter(browser: Browser, challenge: str, seed: bytes, **extra: Any) -> Any:
    return complete(browser, challenge, fitting(seed, timezone.now()), **extra)


@pytest.mark.spec("issue: sign-ins keep where they came from, sealed")
def test_the_audit_keeps_where_the_second_half_came_from(browser: Browser, seed: bytes) -> None:
    challenge = challenge_of(browser)
    assert enter(browser, challenge, seed, HTTP_USER_AGENT="Program/1").status_code == 200
    found = Event.objects.get(name=EventName.SIGN_IN_SUCCEEDED)
    assert open_personal(found) == {"address": "127.0.0.1", "user_agent": "Program/1"}


class TestTheChallenge:
    @pytest.mark.spec("design: /auth answers 401 mfa_required, RFC 9110 §15.5.2")
    def test_the_right_password_gets_a_challenge_and_no_token(self, browser: Browser, ana: User, now: datetime) -> None:
        codes_of(ana, now - AGO)
        answer = sign_in(browser)
        found = answer.json()
        assert answer.status_code == 401
        assert answer["WWW-Authenticate"] == 'Basic realm="Signet", charset="UTF-8"'
        assert answer["Cache-Control"] == "no-store"
        assert set(found) == {"error", "error_description", "challenge", "expires_in", "methods"}
        assert (found["error"], found["expires_in"]) == ("mfa_required", 600)
        assert found["methods"] == ["totp", "recovery_code"]
        assert not Grant.objects.exists()
        assert [event.name for event in Event.objects.filter(name__startswith="sign_in")] == [EventName.SIGN_IN_BEGUN]

    def test_form_and_basic_get_one_too(self, browser: Browser, seed: bytes) -> None:
        body = f"username=ana&password={PASSWORD.replace(' ', '+')}"
        by_form = browser.post("/auth", body, FORM)
        by_basic = browser.generic("POST", "/auth", headers={"authorization": basic("ana", PASSWORD)})
        assert [answer.status_code for answer in (by_form, by_basic)] == [401, 401]
        assert [answer.json()["methods"] for answer in (by_form, by_basic)] == [["totp"], ["totp"]]
        assert enter(browser, by_basic.json()["challenge"], seed).status_code == 200

    def test_a_wrong_password_tells_nothing_of_a_second_factor(self, browser: Browser, seed: bytes) -> None:
        answers = [sign_in(browser, password="wrong"), sign_in(browser, "nobody")]
        assert len({(answer.status_code, answer.content, str(answer.headers)) for answer in answers}) == 1
        assert answers[0].json()["error"] == "invalid_credentials"
        assert not SignInChallenge.objects.exists()

    @pytest.mark.spec("design: tokens.md, interaction_required, OIDC Core §3.1.2.6")
    def test_who_has_passkeys_alone_needs_a_browser(
        self, browser: Browser, ana: User, seed: bytes, now: datetime
    ) -> None:
        add_passkey(ana, now)
        make_recovery_codes(person=ana, actor="x", now=now)
        remove_totp(person=ana, actor="x", now=now)
        answer = sign_in(browser)
        assert (answer.status_code, answer.json()["error"]) == (403, "interaction_required")
        assert "challenge" not in answer.json()
        assert not SignInChallenge.objects.exists()

    def test_who_has_none_where_the_realm_demands_one_needs_a_browser(
        self, browser: Browser, realm: Realm, ana: User
    ) -> None:
        Realm.objects.filter(pk=realm.pk).update(require_second_factor=True)
        for path in ("/auth", "/auth?expired=true"):
            answer = sign_in(browser, path=path)
            assert (answer.status_code, answer.json()["error"]) == (403, "interaction_required")
        assert not Grant.objects.exists()
        assert Event.objects.filter(name=EventName.SIGN_IN_BEGUN).count() == 2
        assert not Event.objects.filter(name=EventName.SIGN_IN_SUCCEEDED).exists()

    def test_the_built_in_client_may_demand_one_too(self, browser: Browser, ana: User, now: datetime) -> None:
        Client.objects.update(require_second_factor=True)
        assert sign_in(browser).json()["error"] == "interaction_required"
        seed = give_totp(ana, now - AGO)
        assert enter(browser, challenge_of(browser), seed).status_code == 200

    @pytest.mark.django_db
    def test_without_a_key_for_handles_there_is_no_challenge(self, browser: Browser, seed: bytes) -> None:
        distrust(Purpose.MAC)
        assert sign_in(browser).status_code == 503
        assert not SignInChallenge.objects.exists()


class TestCompleting:
    @pytest.mark.spec("RFC 8176 §2, RFC 9470 §6.2")
    def test_a_code_gets_what_auth_would_have_given_and_the_token_tells_the_truth(
        self, browser: Browser, realm: Realm, ana: User, seed: bytes
    ) -> None:
        answer = enter(browser, challenge_of(browser), seed)
        found = answer.json()
        assert answer.status_code == 200
        assert set(found) == {"token", "access_token", "token_type", "expires_in", "refresh_token", "scope"}
        claims = verify_jwt(found["token"], realm=realm, typ="at+jwt", audience=realm.issuer, now=timezone.now()).claims
        assert claims["sub"] == ana.subject
        assert claims["amr"] == ["pwd", "otp", "mfa"]
        assert claims["acr"] == "urn:signet:acr:multi-factor"
        assert claims["auth_time"] == int(SignInChallenge.objects.get().proved_at.timestamp())
        after = refresh(browser, found["refresh_token"]).json()
        again = jwt.decode(after["token"], options={"verify_signature": False})
        assert (again["amr"], again["acr"]) == (claims["amr"], claims["acr"])
        assert Event.objects.get(name=EventName.SIGN_IN_SUCCEEDED).target == ana.subject

    def test_a_recovery_code_does_too(self, browser: Browser, ana: User, now: datetime) -> None:
        codes = codes_of(ana, now - AGO)
        body = f"challenge={challenge_of(browser)}&code={codes[0]}"
        assert browser.post("/auth/mfa", body, FORM).status_code == 200
        assert factors_of(ana).recovery_codes == 9

    def test_each_challenge_completes_once(self, browser: Browser, ana: User, now: datetime) -> None:
        codes, challenge = codes_of(ana, now - AGO), challenge_of(browser)
        assert complete(browser, challenge, codes[0]).status_code == 200
        again = complete(browser, challenge, codes[1])
        assert (again.status_code, again.json()["error"]) == (400, "invalid_grant")
        assert factors_of(ana).recovery_codes == 9  # nobody looked at the second
        assert Grant.objects.count() == 1

    def test_a_wrong_code_leaves_the_challenge_and_counts(self, browser: Browser, seed: bytes) -> None:
        challenge = challenge_of(browser)
        refused = complete(browser, challenge, wrong(seed, timezone.now()))
        assert (refused.status_code, refused.json()["error"]) == (401, "invalid_credentials")
        assert refused["WWW-Authenticate"] == 'Basic realm="Signet", charset="UTF-8"'
        for _ in range(SECOND_FACTOR_PERSON.burst - 1):
            complete(browser, challenge, wrong(seed, timezone.now()))
        limited = enter(browser, challenge, seed)
        assert (limited.status_code, limited.json()["error"]) == (429, "too_many_attempts")
        assert 1 <= int(limited["Retry-After"]) <= 60
        assert enter(browser, challenge_of(browser), seed, REMOTE_ADDR="198.51.100.7").status_code == 429
        with time_machine.travel(timezone.now() + timedelta(seconds=61)):
            assert enter(browser, challenge, seed).status_code == 200

    def test_a_code_that_was_used_is_wrong(self, browser: Browser, seed: bytes) -> None:
        first, second = challenge_of(browser), challenge_of(browser)
        code = fitting(seed, timezone.now())
        assert complete(browser, first, code).status_code == 200
        assert complete(browser, second, code).status_code == 401

    @pytest.mark.spec("design: ?expired=true doesn't bypass the second factor")
    def test_an_expired_token_asks_for_the_second_factor_too(self, browser: Browser, seed: bytes) -> None:
        challenge = challenge_of(browser, "/auth?expired=true")
        assert not Grant.objects.exists()
        answer = enter(browser, challenge, seed, path="/auth/mfa?expired=true")
        assert (answer.status_code, answer.json()["expires_in"]) == (200, 0)
        assert "refresh_token" not in answer.json()
        claims = jwt.decode(answer.json()["token"], options={"verify_signature": False})
        assert claims["exp"] < timezone.now().timestamp()
        assert claims["amr"] == ["pwd", "otp", "mfa"]

    def test_where_expired_tokens_are_off_there_are_none(
        self, browser: Browser, seed: bytes, settings: LazySettings
    ) -> None:
        challenge = challenge_of(browser)
        settings.IDP_EXPIRED_TOKENS = False
        assert enter(browser, challenge, seed, path="/auth/mfa?expired=true").status_code == 404
        assert enter(browser, challenge, seed).status_code == 200

    def test_without_a_signing_key_no_code_is_spent(self, browser: Browser, seed: bytes) -> None:
        challenge = challenge_of(browser)
        distrust(Purpose.SIGN)
        assert enter(browser, challenge, seed).status_code == 503
        assert SignInChallenge.objects.get().completed_at is None
        assert not Event.objects.filter(name=EventName.FACTOR_REFUSED).exists()


def retagged(text: str, **changes: Any) -> str:
    """The handle with other fields and its old tag."""
    handle, tag = decode(text)
    fields = {name: getattr(handle, name) for name in ("purpose", "mac_kid", "epoch", "grant_id", "generation")}
    return encode(Handle(**{**fields, **changes}), tag)


@pytest.mark.spec("design: tokens.md, the handle")
class TestRefusedAlike:
    def alike(self, browser: Browser, challenge: str, seed: bytes, path: str = "/auth/mfa") -> bool:
        answer = enter(browser, challenge, seed, path=path)
        assert answer.json() == {
            "error": "invalid_grant",
            "error_description": "The challenge is invalid or over, or it was completed already. Sign in again.",
        }
        assert not Grant.objects.exists()
        return bool(answer.status_code == 400)

    def test_what_is_forged(self, browser: Browser, ana: User, seed: bytes) -> None:
        challenge = challenge_of(browser)
        raw = base64.urlsafe_b64decode(challenge)
        for at in range(0, len(raw), 5):
            flipped = raw[:at] + bytes([raw[at] ^ 1]) + raw[at + 1 :]
            assert self.alike(browser, base64.urlsafe_b64encode(flipped).decode(), seed)
        for text in ("x", "A" * 88, challenge + "=", challenge[:-1], str(SignInChallenge.objects.get().pk)):
            assert self.alike(browser, text, seed)
        assert self.alike(browser, retagged(challenge, generation=1), seed)

    def test_what_is_for_something_else(self, browser: Browser, realm: Realm, ana: User, now: datetime) -> None:
        token = sign_in(browser).json()["refresh_token"]
        seed = give_totp(ana, now - AGO)
        challenge = challenge_of(browser)
        assert refresh(browser, challenge).json()["error"] == "invalid_grant"
        assert decode(challenge)[0].purpose == HandlePurpose.CHALLENGE
        Grant.objects.all().delete()
        assert self.alike(browser, token, seed)
        assert self.alike(browser, retagged(token, purpose=HandlePurpose.CHALLENGE), seed)

    def test_what_is_another_realms(self, browser: Browser, ana: User, seed: bytes) -> None:
        other = make_realm("other")
        Membership.objects.create(user=ana, realm=other, roles=[], created_at=timezone.now())
        assert self.alike(browser, challenge_of(browser), seed, path="/realms/other/auth/mfa")
        assert self.alike(browser, challenge_of(browser, "/realms/other/auth"), seed)

    def test_what_is_over_and_from_before_the_epoch(
        self, browser: Browser, seed: bytes, settings: LazySettings
    ) -> None:
        challenge = challenge_of(browser)
        with time_machine.travel(timezone.now() + CHALLENGE_LIFETIME + timedelta(seconds=1)):
            assert self.alike(browser, challenge, seed)
        settings.IDP_HANDLE_EPOCH = 1
        assert self.alike(browser, challenge, seed)

    def test_of_a_person_who_may_not_sign_in_any_more(self, browser: Browser, ana: User, seed: bytes) -> None:
        challenge = challenge_of(browser)
        User.objects.update(is_active=False)
        assert self.alike(browser, challenge, seed)
        User.objects.update(is_active=True)
        ana.set_password(PASSWORD)
        ana.save()
        assert self.alike(browser, challenge, seed)
        challenge = challenge_of(browser)
        Membership.objects.all().delete()
        assert self.alike(browser, challenge, seed)

    def test_no_guess_is_looked_at_and_none_counts(self, browser: Browser, seed: bytes) -> None:
        for _ in range(SECOND_FACTOR_PERSON.burst + 1):
            assert self.alike(browser, "A" * 88, seed)
        assert enter(browser, challenge_of(browser), seed).status_code == 200


MALFORMED = {
    "no challenge": {"code": "123456"},
    "no code": {"challenge": "x"},
    "empty code": {"challenge": "x", "code": ""},
    "long code": {"challenge": "x", "code": "1" * 65},
    "long challenge": {"challenge": "x" * 513, "code": "123456"},
    "a number": {"challenge": "x", "code": 123456},
    "a list": {"challenge": ["x"], "code": "123456"},
    "control character": {"challenge": "x", "code": "123456\0"},
}


@pytest.mark.spec("design: strict parsing")
class TestMalformed:
    @pytest.mark.parametrize("members", MALFORMED.values(), ids=MALFORMED)
    def test_a_request_that_is_not_exactly_that(self, members: Any, browser: Browser, realm: Realm) -> None:
        answer = browser.post("/auth/mfa", json.dumps(members), "application/json")
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")

    def test_a_repeated_field_and_one_in_the_address(self, browser: Browser, realm: Realm) -> None:
        repeated = '{"challenge": "x", "challenge": "y", "code": "1"}'
        assert browser.post("/auth/mfa", repeated, "application/json").status_code == 400
        assert browser.post("/auth/mfa", "challenge=x&code=1&code=2", FORM).status_code == 400
        for query in ("challenge=x", "code=123456"):
            assert browser.post(f"/auth/mfa?{query}", "challenge=x&code=1", FORM).status_code == 400

    def test_an_authorization_header_beside_it(self, browser: Browser, realm: Realm) -> None:
        answer = complete(browser, "x", "123456", headers={"authorization": basic("ana", PASSWORD)})
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")

    def test_a_realm_without_its_direct_client_says_so(self, browser: Browser, seed: bytes) -> None:
        challenge = challenge_of(browser)
        Client.objects.update(enabled=False)
        assert enter(browser, challenge, seed).status_code == 503


def at_once(requests: list[tuple[str, dict[str, str]]]) -> list[Any]:
    """Send all at once, each from an address of its own: paths and JSON members."""

    def send(numbered: tuple[int, tuple[str, dict[str, str]]]) -> Any:
        number, (path, members) = numbered
        close_old_connections()
        try:
            each = Browser(raise_request_exception=False, REMOTE_ADDR=f"192.0.2.{number}")
            return each.post(path, json.dumps(members), "application/json")
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(requests)) as pool:
        return list(pool.map(send, enumerate(requests)))


@pytest.mark.django_db(transaction=True)
class TestAtOnce:
    """Over HTTP, with threads and a connection each: what workers share is the database alone."""

    @pytest.mark.spec("RFC 6238 §5.2")
    def test_of_twenty_uses_of_one_right_code_exactly_one_is_let_in(self, browser: Browser, seed: bytes) -> None:
        challenges = [challenge_of(browser) for _ in range(20)]
        code = fitting(seed, timezone.now())
        answers = at_once([("/auth/mfa", {"challenge": each, "code": code}) for each in challenges])
        assert [answer.status_code for answer in answers].count(200) == 1
        assert {answer.status_code for answer in answers} <= {200, 401, 429}
        assert Grant.objects.count() == 1

    @pytest.mark.spec("NIST SP 800-63B §5.1.2.2")
    def test_of_twenty_uses_of_one_recovery_code_exactly_one_is_let_in(
        self, browser: Browser, ana: User, now: datetime
    ) -> None:
        codes = codes_of(ana, now - AGO)
        challenges = [challenge_of(browser) for _ in range(20)]
        answers = at_once([("/auth/mfa", {"challenge": each, "code": codes[0]}) for each in challenges])
        assert [answer.status_code for answer in answers].count(200) == 1
        assert Grant.objects.count() == 1
        assert factors_of(ana).recovery_codes == 9

    @pytest.mark.spec("design: each challenge completes once")
    def test_of_twenty_completions_of_one_challenge_exactly_one_counts(
        self, browser: Browser, ana: User, now: datetime
    ) -> None:
        codes, challenge = codes_of(ana, now - AGO), challenge_of(browser)
        answers = at_once([("/auth/mfa", {"challenge": challenge, "code": codes[each % 10]}) for each in range(20)])
        assert [answer.status_code for answer in answers].count(200) == 1
        assert Grant.objects.count() == 1
        assert Event.objects.filter(name=EventName.SIGN_IN_SUCCEEDED).count() == 1

    @pytest.mark.spec("RFC 4226 §7.3, RFC 6238 §5.1 guesses")
    @pytest.mark.parametrize("guess", ["totp", "recovery_code"])
    def test_parallel_guesses_at_a_second_factor_meet_the_limit_of_the_person(
        self, guess: str, browser: Browser, seed: bytes
    ) -> None:
        code = wrong(seed, timezone.now()) if guess == "totp" else "0000-0000-0000-0000"
        challenges = [challenge_of(browser) for _ in range(20)]
        answers = at_once([("/auth/mfa", {"challenge": each, "code": code}) for each in challenges])
        statuses = [answer.status_code for answer in answers]
        assert statuses.count(401) == SECOND_FACTOR_PERSON.burst
        assert statuses.count(429) == 20 - SECOND_FACTOR_PERSON.burst
        assert Event.objects.filter(name=EventName.FACTOR_REFUSED).count() == SECOND_FACTOR_PERSON.burst

    @pytest.mark.spec("design: tokens.md, limits count account and address")
    def test_parallel_guesses_at_a_password_meet_the_limit_of_the_account(
        self, browser: Browser, seed: bytes, settings: LazySettings
    ) -> None:
        settings.IDP_PASSWORD_HASHES_IN_FLIGHT = 20  # a busy server would give places back with its 503

        def guess(_number: int) -> int:
            close_old_connections()
            try:
                return int(sign_in(Browser(raise_request_exception=False), password="wrong").status_code)
            finally:
                connections.close_all()

        with ThreadPoolExecutor(20) as pool:
            statuses = list(pool.map(guess, range(20)))
        assert statuses.count(401) == ACCOUNT_AND_ADDRESS.burst
        assert statuses.count(429) == 20 - ACCOUNT_AND_ADDRESS.burst
