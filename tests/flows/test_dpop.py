"""DPoP through the endpoints: proofs are taken once, tokens and grants are bound, and nobody else can use them."""

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import Device, User
from accounts.services.devices import remove_devices
from keys import api
from realms.models import Realm
from tests.flows.code_flow import CALLBACK, App, post, register, sent_back
from tests.provider import PASSWORD, Browser, make_person, make_realm
from tests.second_factors import fitting, give_totp
from tests.tokens.clients import CLIENT_CREDENTIALS, asserted, assertion, basic, register_signer
from tests.tokens.clients import register as register_machine
from tests.tokens.proofs import jkt, proof
from tokens.models import Client, Grant, SpentToken
from tokens.rotation import GRACE
from tokens.services.spent_tokens import purge_spent_tokens
from tokens.vocabulary import AuthMethod, GrantType, ResponseType

OFFLINE = "openid offline_access"
ALGORITHMS = 'algs="ES256 ES384 ES512 Ed25519 EdDSA RS256 PS256"'


@pytest.fixture
def phone(realm: Realm, browser: Browser, ana: User, now: datetime) -> App:
    """A public client, and a person who is signed in."""
    app = register(realm, browser, now, auth_method=AuthMethod.NONE)
    app.sign_in()
    return app


@pytest.fixture
def server(realm: Realm, browser: Browser, ana: User, now: datetime) -> App:
    """A confidential one."""
    app = register(realm, browser, now, client_id="server")
    app.sign_in()
    return app


def ask(app: App, text: str | None, **form: str) -> Any:
    """A token request with a proof."""
    secret = {"client_secret": app.secret} if app.secret else {}
    headers = {} if text is None else {"dpop": text}
    return post(app.browser, "/token", {"client_id": app.client.client_id, **secret, **form}, **headers)


def redeem(app: App, text: str | None, code: str) -> Any:
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK, "code_verifier": "v" * 43}
    return ask(app, text, **form)


def refresh(app: App, text: str | None, token: str) -> Any:
    return ask(app, text, grant_type="refresh_token", refresh_token=token)


def claims_of(response: Any, realm: Realm, now: datetime) -> Any:
    return api.verify_jwt(response.json()["access_token"], realm=realm, typ="at+jwt", now=now).claims


def userinfo(app: App, token: str, text: str | None, *, scheme: str = "DPoP", method: str = "GET") -> Any:
    headers = {"authorization": f"{scheme} {token}", **({} if text is None else {"dpop": text})}
    return app.browser.generic(method, "/userinfo", b"", "application/x-www-form-urlencoded", headers=headers)


class TestTokens:
    @pytest.mark.spec("RFC 9449 §5 token-type, §6.1 cnf, §5 refresh-bound", "RFC 9700 §2.2.1 sender-constrained")
    def test_the_tokens_of_a_code_are_bound_to_the_key(self, phone: App, realm: Realm, now: datetime) -> None:
        answer = redeem(phone, proof(now=now), phone.code(scope=OFFLINE))
        assert (answer.status_code, answer.json()["token_type"]) == (200, "DPoP")
        claims = claims_of(answer, realm, now)
        assert claims["cnf"] == {"jkt": jkt()}
        assert len(answer.json()["access_token"]) < 1_024
        grant = Grant.objects.get()
        assert (grant.jkt, grant.device) == (jkt(), Device.objects.get(kind="key"))
        assert claims["device_trust"] == 10

    @pytest.mark.spec("RFC 9449 §5 bearer")
    def test_without_a_proof_they_are_bearer_tokens(self, phone: App, realm: Realm, now: datetime) -> None:
        answer = redeem(phone, None, phone.code(scope=OFFLINE))
        assert answer.json()["token_type"] == "Bearer"
        assert "cnf" not in claims_of(answer, realm, now)
        assert Grant.objects.get().jkt == ""

    @pytest.mark.spec("RFC 9449 §5 token-type, §6.1 cnf")
    def test_a_clients_own_token_is_bound_and_leaves_no_device(
        self, browser: Browser, realm: Realm, now: datetime
    ) -> None:
        _, secret = register_machine(realm)
        form = {"grant_type": "client_credentials"}
        answer = post(browser, "/token", form, **basic("machine", secret), dpop=proof(now=now))
        assert (answer.json()["token_type"], claims_of(answer, realm, now)["cnf"]) == ("DPoP", {"jkt": jkt()})
        assert not Device.objects.exists()

    @pytest.mark.spec("RFC 9449 §6.2 cnf, §6.2 token-type")
    @pytest.mark.parametrize("opaque", [False, True])
    def test_introspection_tells_the_key(self, opaque: bool, phone: App, realm: Realm, now: datetime) -> None:
        Client.objects.filter(client_id="app").update(opaque_access_tokens=opaque)
        token = redeem(phone, proof(now=now), phone.code()).json()["access_token"]
        _, secret = register_machine(realm, "service", introspects=(realm.issuer,))
        told = post(phone.browser, "/introspect", {"token": token}, **basic("service", secret)).json()
        assert (told["active"], told["token_type"], told["cnf"]) == (True, "DPoP", {"jkt": jkt()})

    @pytest.mark.spec("RFC 9449 §5 token-type")
    def test_a_device_that_was_allowed_is_bound_and_was_not_where_the_person_signed_in(
        self, phone: App, realm: Realm, now: datetime
    ) -> None:
        tv = register(
            realm, phone.browser, now, client_id="tv", auth_method=AuthMethod.NONE, redirect_uris=(),
            grant_types=(GrantType.DEVICE_CODE, GrantType.REFRESH_TOKEN),
        )  # fmt: skip
        asked = post(phone.browser, "/device_authorization", {"client_id": "tv", "scope": OFFLINE}).json()
        post(phone.browser, "/device", {"user_code": asked["user_code"], "decision": "allow"})
        form = {"grant_type": GrantType.DEVICE_CODE.value, "device_code": asked["device_code"]}
        answer = ask(tv, proof(now=now, owner="tv"), **form)
        assert answer.json()["token_type"] == "DPoP"
        grant = Grant.objects.get()
        assert (grant.jkt, grant.device) == (jkt("tv"), Device.objects.get(kind="key"))
        assert refresh(tv, proof(now=now), answer.json()["refresh_token"]).json()["error"] == "invalid_grant"
        assert refresh(tv, proof(now=now, owner="tv"), answer.json()["refresh_token"]).status_code == 200

    def test_a_second_factor_counts_from_when_it_was_proved(self, phone: App, realm: Realm, now: datetime) -> None:
        code = phone.code()
        Grant.objects.update(methods=["pwd", "otp", "mfa"], auth_time=now - timedelta(hours=3))
        redeem(phone, proof(now=now), code)
        assert Device.objects.get(kind="key").second_factor_at == now - timedelta(hours=3)

    @pytest.mark.spec("issue 4, a key is recognised as a device")
    def test_the_key_of_a_server_is_nobodys_device(self, server: App, realm: Realm, now: datetime) -> None:
        answer = redeem(server, proof(now=now), server.code(scope=OFFLINE))
        assert answer.json()["token_type"] == "DPoP"
        assert [device.kind for device in Device.objects.all()] == ["browser"]
        assert Grant.objects.get().device == Device.objects.get()


class TestOnce:
    @pytest.mark.spec("RFC 9449 §4.3 jti, §11.1 jti-once")
    def test_a_proof_is_good_once_and_what_it_came_with_is_not_spent(self, phone: App, now: datetime) -> None:
        text = proof(now=now)
        first = redeem(phone, text, phone.code(scope=OFFLINE)).json()
        code = phone.code(scope=OFFLINE)
        for answer in (redeem(phone, text, code), refresh(phone, text, first["refresh_token"])):
            assert (answer.status_code, answer.json()["error"]) == (400, "invalid_dpop_proof")
        assert redeem(phone, proof(now=now), code).status_code == 200
        assert refresh(phone, proof(now=now), first["refresh_token"]).status_code == 200

    @pytest.mark.spec("RFC 9449 §5 invalid-proof")
    @pytest.mark.parametrize(
        "wrong",
        [{"htm": "GET"}, {"htu": "https://id.example.test/userinfo"}, {"iat": 1}, {"header": {"typ": "JWT"}}],
    )
    def test_a_wrong_proof_spends_neither_a_code_nor_a_refresh_token(
        self, wrong: dict[str, Any], phone: App, now: datetime
    ) -> None:
        code = phone.code(scope=OFFLINE)
        answer = redeem(phone, proof(now=now, **wrong), code)
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_dpop_proof")
        assert not SpentToken.objects.exists()
        token = redeem(phone, proof(now=now), code).json()["refresh_token"]
        assert refresh(phone, proof(now=now, **wrong), token).json()["error"] == "invalid_dpop_proof"
        assert Grant.objects.get().generation == 0
        assert refresh(phone, proof(now=now), token).status_code == 200

    def test_a_wrong_proof_spends_no_assertion(self, browser: Browser, realm: Realm, now: datetime) -> None:
        register_signer(realm, grant_types=CLIENT_CREDENTIALS)
        form = asserted(assertion(realm, now), grant_type="client_credentials")
        assert post(browser, "/token", form, dpop=proof(now=now, htm="GET")).json()["error"] == "invalid_dpop_proof"
        assert post(browser, "/token", form, dpop=proof(now=now)).status_code == 200

    def test_the_same_id_of_another_key_is_another(self, phone: App, now: datetime) -> None:
        for owner in ("phone", "tablet"):
            assert redeem(phone, proof(now=now, owner=owner, jti="one"), phone.code()).status_code == 200

    @pytest.mark.spec("RFC 9449 §11.1 jti-once")
    @pytest.mark.django_db(transaction=True)
    def test_of_a_proof_that_is_replayed_in_parallel_exactly_one_wins(self, now: datetime) -> None:
        realm = make_realm()
        _, secret = register_machine(realm)
        text, credentials = proof(now=now), basic("machine", secret)

        def one(_: int) -> int:
            try:
                form = {"grant_type": "client_credentials"}
                answer = post(Browser(), "/token", form, **credentials, dpop=text)
                status: int = answer.status_code
                return status
            finally:
                connection.close()

        with ThreadPoolExecutor(6) as pool:
            assert sorted(pool.map(one, range(6))) == [200, 400, 400, 400, 400, 400]

    @pytest.mark.spec("RFC 9449 §11.1 jti-once")
    def test_the_ids_go_once_their_proofs_would_be_refused_anyway(self, phone: App, now: datetime) -> None:
        ahead = now + timedelta(seconds=59)
        redeem(phone, proof(now=ahead), phone.code())
        row = SpentToken.objects.get()
        assert row.expires_at == ahead + timedelta(seconds=60)
        assert purge_spent_tokens(now + timedelta(minutes=3)) == 0
        assert purge_spent_tokens(now + timedelta(minutes=8)) == 1

    @pytest.mark.spec("RFC 9449 §4.3 one-header")
    def test_two_headers_are_refused(self, phone: App, now: datetime) -> None:
        two = f"{proof(now=now)},{proof(now=now)}"  # as a server joins them (RFC 9110 §5.3)
        assert redeem(phone, two, phone.code()).json()["error"] == "invalid_dpop_proof"


class TestRefresh:
    @pytest.mark.spec("RFC 9449 §5 refresh-bound, issue 4, refused from another")
    def test_a_stolen_refresh_token_is_worth_nothing_without_its_key(
        self, phone: App, realm: Realm, now: datetime
    ) -> None:
        token = redeem(phone, proof(now=now), phone.code(scope=OFFLINE)).json()["refresh_token"]
        without, others = refresh(phone, None, token), refresh(phone, proof(now=now, owner="thief"), token)
        assert (without.status_code, without.json()["error"]) == (400, "invalid_dpop_proof")
        assert (others.status_code, others.json()["error"]) == (400, "invalid_grant")
        grant = Grant.objects.get()
        assert (grant.generation, grant.revoked_at) == (0, None)
        answer = refresh(phone, proof(now=now), token)
        assert (answer.status_code, answer.json()["token_type"]) == (200, "DPoP")
        assert claims_of(answer, realm, now)["cnf"] == {"jkt": jkt()}

    @pytest.mark.spec("RFC 9449 §5 refresh-bound")
    def test_an_old_one_without_the_key_ends_nothing_and_gets_no_successor(self, phone: App, now: datetime) -> None:
        first = redeem(phone, proof(now=now), phone.code(scope=OFFLINE)).json()["refresh_token"]
        second = refresh(phone, proof(now=now), first).json()["refresh_token"]
        assert refresh(phone, proof(now=now, owner="thief"), first).json()["error"] == "invalid_grant"
        assert refresh(phone, None, first).json()["error"] == "invalid_dpop_proof"
        assert refresh(phone, proof(now=now), first).json()["refresh_token"] == second
        later = now + GRACE + timedelta(seconds=5)
        with time_machine.travel(later):
            assert refresh(phone, proof(now=later, owner="thief"), first).status_code == 400
            assert Grant.objects.get().revoked_at is None
            assert refresh(phone, proof(now=later), first).status_code == 400
            assert Grant.objects.get().revocation_reason == "reuse"

    @pytest.mark.spec("RFC 9449 §5 refresh-confidential")
    def test_a_confidential_client_may_take_another_key_but_not_none(
        self, server: App, realm: Realm, now: datetime
    ) -> None:
        token = redeem(server, proof(now=now, owner="old"), server.code(scope=OFFLINE)).json()["refresh_token"]
        assert refresh(server, None, token).json()["error"] == "invalid_dpop_proof"
        assert Grant.objects.get().generation == 0
        answer = refresh(server, proof(now=now, owner="new"), token)
        assert claims_of(answer, realm, now)["cnf"] == {"jkt": jkt("new")}
        again = refresh(server, proof(now=now, owner="newer"), token)  # a lost answer
        assert claims_of(again, realm, now)["cnf"] == {"jkt": jkt("newer")}

    def test_a_grant_that_began_without_a_key_is_bound_to_none_later(
        self, phone: App, realm: Realm, now: datetime
    ) -> None:
        """A thief who showed a key first would have the person refused as one, and their reuse would end nothing."""
        token = redeem(phone, None, phone.code(scope=OFFLINE)).json()["refresh_token"]
        answer = refresh(phone, proof(now=now), token)
        assert claims_of(answer, realm, now)["cnf"] == {"jkt": jkt()}
        assert Grant.objects.get().jkt == ""
        assert refresh(phone, None, answer.json()["refresh_token"]).json()["token_type"] == "Bearer"

    def test_a_removed_key_refreshes_nothing(self, phone: App, now: datetime) -> None:
        token = redeem(phone, proof(now=now), phone.code(scope=OFFLINE)).json()["refresh_token"]
        remove_devices([Device.objects.get(kind="key").pk], actor="test", now=now)
        assert Grant.objects.get().revocation_reason == "device_removed"
        assert refresh(phone, proof(now=now), token).json()["error"] == "invalid_grant"
        assert redeem(phone, proof(now=now), phone.code()).status_code == 200  # a new device, of a new sign-in
        assert Device.objects.filter(kind="key", removed_at=None).count() == 1

    def test_removing_the_browser_ends_what_was_allowed_in_it(self, phone: App, now: datetime) -> None:
        token = redeem(phone, proof(now=now), phone.code(scope=OFFLINE)).json()["refresh_token"]
        remove_devices([Device.objects.get(kind="browser").pk], actor="test", now=now)
        assert refresh(phone, proof(now=now), token).json()["error"] == "invalid_grant"

    def test_a_key_writes_one_row_more_and_reads_none(self, phone: App, now: datetime) -> None:
        bare = redeem(phone, None, phone.code(scope=OFFLINE)).json()["refresh_token"]
        bound = redeem(phone, proof(now=now), phone.code(scope=OFFLINE)).json()["refresh_token"]
        counts = []
        for text, token in ((None, bare), (proof(now=now), bound)):
            with CaptureQueriesContext(connection) as seen:
                assert refresh(phone, text, token).status_code == 200
            counts.append(len(seen))
        assert counts[1] == counts[0] + 1  # the proof's id


class TestCodes:
    @pytest.mark.spec("RFC 9449 §10 bound-code")
    def test_a_code_that_was_bound_is_spent_by_its_key_alone(self, phone: App, now: datetime) -> None:
        code = phone.code(scope=OFFLINE, dpop_jkt=jkt())
        for text in (None, proof(now=now, owner="thief")):
            assert redeem(phone, text, code).json()["error"] == "invalid_grant"
        assert redeem(phone, proof(now=now), code).status_code == 200

    @pytest.mark.spec("RFC 9449 §10 bound-code")
    def test_it_survives_the_way_over_the_sign_in_page(self, phone: App, browser: Browser, now: datetime) -> None:
        stranger = App(phone.client, None, Browser())
        following = stranger.authorize(dpop_jkt=jkt())["Location"]
        assert f"dpop_jkt%3D{jkt()}" in following

    @pytest.mark.spec("RFC 9449 §10 thumbprint")
    @pytest.mark.parametrize("thumbprint", ["x", "é" * 43, "a" * 42, "a" * 44, "a" * 42 + "="])
    def test_what_is_no_thumbprint_is_refused(self, thumbprint: str, phone: App) -> None:
        assert sent_back(phone.authorize(dpop_jkt=thumbprint))["error"] == "invalid_request"

    @pytest.mark.spec("RFC 9449 §10 thumbprint")
    def test_a_line_break_is_refused_before_anything_is_read(self, phone: App) -> None:
        assert phone.authorize(dpop_jkt="a" * 42 + "\n").status_code == 400

    @pytest.mark.spec("RFC 6749 §4.1.2")
    @pytest.mark.parametrize("first", ["thief", None])
    @pytest.mark.parametrize("second", ["phone", None])
    def test_whoever_replays_a_code_ends_its_grant_whatever_key_they_show(
        self, first: str | None, second: str | None, phone: App, now: datetime
    ) -> None:
        """A thief who was faster chose the key; the client who comes after them has another one, or none."""

        def shown(owner: str | None) -> str | None:
            return None if owner is None else proof(now=now, owner=owner)

        code = phone.code(scope=OFFLINE)
        token = redeem(phone, shown(first), code).json()["refresh_token"]
        assert redeem(phone, shown(second), code).json()["error"] == "invalid_grant"
        assert Grant.objects.get().revocation_reason == "code_replay"
        assert refresh(phone, shown(first), token).json()["error"] == "invalid_grant"


class TestDemanded:
    @pytest.mark.spec("RFC 9449 §5.2 demanded")
    def test_a_client_that_has_to_prove_a_key_gets_nothing_without(self, phone: App, now: datetime) -> None:
        Client.objects.filter(client_id="app").update(require_dpop=True)
        code = phone.code(scope=OFFLINE)
        assert redeem(phone, None, code).json()["error"] == "invalid_dpop_proof"
        token = redeem(phone, proof(now=now), code).json()["refresh_token"]
        assert refresh(phone, None, token).json()["error"] == "invalid_dpop_proof"
        assert refresh(phone, proof(now=now), token).status_code == 200

    @pytest.mark.spec("RFC 9449 §5.1 metadata")
    def test_discovery_lists_what_proofs_may_be_signed_with(self, browser: Browser, realm: Realm) -> None:
        told = browser.get("/.well-known/openid-configuration").json()
        assert told["dpop_signing_alg_values_supported"] == list(api.foreign_algorithms())
        assert "none" not in told["dpop_signing_alg_values_supported"]
        assert not any(name.startswith("HS") for name in told["dpop_signing_alg_values_supported"])

    @pytest.mark.spec("RFC 9449 §8 no-nonce")
    def test_no_nonce_is_asked_for(self, phone: App, now: datetime) -> None:
        answer = redeem(phone, proof(now=now, nonce="anything"), phone.code())
        assert answer.status_code == 200
        assert "DPoP-Nonce" not in answer.headers

    def test_tokens_through_the_browser_of_a_grant_with_a_key_are_bound_to_it(
        self, realm: Realm, browser: Browser, ana: User, now: datetime
    ) -> None:
        app = register(realm, browser, now, response_types=(ResponseType.CODE_TOKEN, ResponseType.CODE))
        app.sign_in()
        answer = app.authorize(response_type="code token", dpop_jkt=jkt())
        assert "token_type=DPoP" in answer["Location"]


class TestUserinfo:
    @pytest.mark.spec("RFC 9449 §7.1 scheme, §7.1 bound")
    @pytest.mark.parametrize("method", ["GET", "POST"])
    def test_a_bound_token_is_shown_with_a_proof(self, method: str, phone: App, ana: User, now: datetime) -> None:
        token = redeem(phone, proof(now=now), phone.code()).json()["access_token"]
        text = proof("userinfo", now=now, method=method, access_token=token)
        assert userinfo(phone, token, text, method=method).json()["sub"] == ana.subject
        again = userinfo(phone, token, text, method=method)
        assert (again.status_code, again.json()["error"]) == (401, "invalid_dpop_proof")
        assert again["WWW-Authenticate"] == f'DPoP error="invalid_dpop_proof", {ALGORITHMS}'

    @pytest.mark.spec("RFC 9449 §7.2 no-downgrade", "RFC 9700 §4.9.3 sender-constrained, §4.10 sender-constrained")
    def test_it_is_no_bearer_token(self, phone: App, now: datetime) -> None:
        token = redeem(phone, proof(now=now), phone.code()).json()["access_token"]
        header = userinfo(phone, token, None, scheme="Bearer")
        form = post(phone.browser, "/userinfo", {"access_token": token})
        proved = userinfo(phone, token, proof("userinfo", now=now, method="GET", access_token=token), scheme="Bearer")
        for answer in (header, form, proved):
            assert (answer.status_code, answer.json()["error"]) == (401, "invalid_token")
            assert answer["WWW-Authenticate"] == f'DPoP error="invalid_token", {ALGORITHMS}'

    @pytest.mark.spec("RFC 9449 §7.1 bound")
    def test_another_key_and_a_token_of_none_are_refused(self, phone: App, now: datetime) -> None:
        bound = redeem(phone, proof(now=now), phone.code()).json()["access_token"]
        bare = redeem(phone, None, phone.code()).json()["access_token"]
        for token, owner in ((bound, "thief"), (bare, "phone")):
            text = proof("userinfo", now=now, method="GET", owner=owner, access_token=token)
            answer = userinfo(phone, token, text)
            assert (answer.status_code, answer.json()["error"]) == (401, "invalid_token")
            assert answer["WWW-Authenticate"].startswith("DPoP ")

    @pytest.mark.spec("RFC 9449 §4.3 ath, §7.1 proof")
    def test_a_missing_or_wrong_proof_is_refused(self, phone: App, now: datetime) -> None:
        token = redeem(phone, proof(now=now), phone.code()).json()["access_token"]
        wrong = [
            None,
            proof("userinfo", now=now, method="GET"),
            proof("userinfo", now=now, method="GET", access_token="another"),
            proof("userinfo", now=now, method="POST", access_token=token),
            proof("token", now=now, method="GET", access_token=token),
            proof("userinfo", now=now - timedelta(hours=1), method="GET", access_token=token),
        ]
        for text in wrong:
            answer = userinfo(phone, token, text)
            assert (answer.status_code, answer.json()["error"]) == (401, "invalid_dpop_proof")
            assert answer["WWW-Authenticate"] == f'DPoP error="invalid_dpop_proof", {ALGORITHMS}'

    @pytest.mark.spec("RFC 9449 §7.1 challenge")
    def test_what_else_is_wrong_is_told_in_the_same_scheme(self, phone: App, now: datetime) -> None:
        token = redeem(phone, proof(now=now), phone.code(scope="profile")).json()["access_token"]
        answer = userinfo(phone, token, proof("userinfo", now=now, method="GET", access_token=token))
        assert answer["WWW-Authenticate"] == f'DPoP error="insufficient_scope", {ALGORITHMS}'
        garbage = userinfo(phone, "abc", proof("userinfo", now=now, method="GET", access_token="abc"))
        assert (garbage.status_code, garbage.json()["error"]) == (401, "invalid_token")
        assert garbage["WWW-Authenticate"].startswith("DPoP ")


class TestDirect:
    def sign_in(self, browser: Browser, text: str | None, **headers: str) -> Any:
        form = {"username": "ana", "password": PASSWORD}
        return post(browser, "/auth", form, **headers, **({} if text is None else {"dpop": text}))

    def refresh(self, browser: Browser, text: str | None, token: str) -> Any:
        return post(browser, "/auth/refresh", {"refresh_token": token}, **({} if text is None else {"dpop": text}))

    @pytest.mark.spec("issue 4, a refresh token bound to a device is refused from another")
    def test_its_tokens_are_bound_to_the_key_and_the_key_is_the_device(
        self, browser: Browser, ana: User, realm: Realm, now: datetime
    ) -> None:
        answer = self.sign_in(browser, proof("auth", now=now), **{"sec-fetch-site": "same-origin"})
        assert (answer.status_code, answer.json()["token_type"]) == (200, "DPoP")
        assert claims_of(answer, realm, now)["cnf"] == {"jkt": jkt()}
        assert "Set-Cookie" not in answer.headers  # the key is enough
        assert Grant.objects.get().device == Device.objects.get(kind="key", user=ana)
        token = answer.json()["refresh_token"]
        assert self.refresh(browser, None, token).json()["error"] == "invalid_dpop_proof"
        thief = self.refresh(browser, proof("auth/refresh", now=now, owner="thief"), token)
        assert thief.json()["error"] == "invalid_grant"
        assert Grant.objects.get().generation == 0
        assert self.refresh(Browser(), proof("auth/refresh", now=now), token).json()["token_type"] == "DPoP"

    @pytest.mark.spec("RFC 9449 §5.2 demanded")
    def test_a_built_in_client_that_has_to_prove_a_key_gives_nothing_without(
        self, browser: Browser, ana: User, realm: Realm, now: datetime
    ) -> None:
        bare = self.sign_in(browser, None).json()["refresh_token"]
        Client.objects.update(require_dpop=True)
        assert self.sign_in(browser, None).json()["error"] == "invalid_dpop_proof"
        assert self.refresh(browser, None, bare).json()["error"] == "invalid_dpop_proof"
        seed = give_totp(ana, now - timedelta(minutes=5))
        due = self.sign_in(browser, proof("auth", now=now)).json()
        assert due["error"] == "mfa_required"
        form = {"challenge": due["challenge"], "code": fitting(seed, now)}
        assert post(browser, "/auth/mfa", form).json()["error"] == "invalid_dpop_proof"
        whole = post(browser, "/auth/mfa", form, dpop=proof("auth/mfa", now=now))
        assert (whole.status_code, claims_of(whole, realm, now)["cnf"]) == (200, {"jkt": jkt()})
        assert Device.objects.get(kind="key").second_factor_at is not None

    def test_the_next_sign_in_with_the_key_is_the_same_device_for_the_same_person_alone(
        self, browser: Browser, ana: User, realm: Realm, now: datetime
    ) -> None:
        for _ in range(2):
            self.sign_in(browser, proof("auth", now=now))
        assert Device.objects.count() == 1
        make_person("ben", realm=realm)
        post(browser, "/auth", {"username": "ben", "password": PASSWORD}, dpop=proof("auth", now=now))
        assert Device.objects.count() == 2

    @pytest.mark.spec("RFC 9449 §4.3 htu")
    def test_a_proof_for_another_endpoint_is_refused_and_so_is_one_that_was_used(
        self, browser: Browser, ana: User, now: datetime
    ) -> None:
        assert self.sign_in(browser, proof("token", now=now)).json()["error"] == "invalid_dpop_proof"
        assert not Grant.objects.exists()
        text = proof("auth", now=now)
        assert self.sign_in(browser, text).status_code == 200
        assert self.sign_in(browser, text).json()["error"] == "invalid_dpop_proof"
        assert Grant.objects.count() == 1

    def test_a_wrong_password_uses_no_proof_up(self, browser: Browser, ana: User, now: datetime) -> None:
        text = proof("auth", now=now)
        form = {"username": "ana", "password": "wrong"}
        assert post(browser, "/auth", form, dpop=text).json()["error"] == "invalid_credentials"
        assert self.sign_in(browser, text).status_code == 200

    def test_the_key_in_use_is_written_down_once_an_hour(self, browser: Browser, ana: User, now: datetime) -> None:
        token = self.sign_in(browser, proof("auth", now=now)).json()["refresh_token"]
        later = now + timedelta(minutes=90)
        with time_machine.travel(later, tick=False):
            assert self.refresh(browser, proof("auth/refresh", now=later), token).status_code == 200
        assert Device.objects.get().last_used_at == later


@pytest.mark.spec("RFC 9449 §5: scripts of other origins may send proofs")
def test_a_script_may_send_a_proof(browser: Browser, realm: Realm, now: datetime) -> None:
    register(realm, browser, now, cors_origins=("https://app.example.org",))
    headers = {
        "origin": "https://app.example.org",
        "access-control-request-method": "POST",
        "access-control-request-headers": "dpop, content-type",
    }
    answer = browser.options("/token", headers=headers)
    assert "dpop" in answer["Access-Control-Allow-Headers"]
    refused = post(browser, "/token", {"grant_type": "x"}, origin="https://app.example.org")
    assert refused["Access-Control-Expose-Headers"] == "WWW-Authenticate, DPoP-Nonce"
