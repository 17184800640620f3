"""`/account/security`: what somebody signs in with, and every change of it after a fresh proof."""

import json
import re
from base64 import b32decode
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any
from unittest.mock import Mock
from urllib.parse import quote, urlencode

import pytest
import time_machine
from django.conf import LazySettings
from django.db import close_old_connections, connections
from django.utils import timezone

from accounts.errors import FactorDemanded
from accounts.models import Membership, Passkey, RecoveryCode, Session, TotpSecret, User
from accounts.services.own_factors import remove_own_passkey
from accounts.services.passkeys import MAX_PASSKEYS
from accounts.services.second_factors import make_recovery_codes
from accounts.services.sessions import begin_session
from accounts.services.sign_in import SignedIn
from accounts.views.reauthentication import FRESH
from audit.models import Event
from audit.vocabulary import EventName
from keys.errors import KeysError
from realms.models import Realm
from tests.accounts.authenticator import BE, UP, UV, Authenticator, enrol
from tests.mailbox import Mailbox, mailbox
from tests.pages import FORM, Elements, post
from tests.provider import Browser, make_person, make_realm
from tests.second_factors import fitting, give_totp, wrong

__all__ = ["mailbox"]
SECURITY, ADD, ADD_APP = "/account/security", "/account/security/passkey", "/account/security/app"
OPTIONS = f"{ADD}/options"
pytestmark = pytest.mark.spec("issue: add and use TOTP, recovery codes and passkeys")


def send(browser: Browser, page: str, **fields: str) -> Any:
    return browser.post(page, urlencode(fields), FORM)


def hold(browser: Browser, *methods: str, ago: timedelta = timedelta(0)) -> None:
    """Have a browser hold a session of ana's, who signed in a while ago."""
    now, ana = timezone.now(), User.objects.get(username="ana")
    session = begin_session(
        realm=Realm.objects.get(slug="default"), signed_in=SignedIn(ana, (), now - ago, methods), now=now
    )
    held = browser.session
    held["signet.sids"] = {"default": session.sid}
    held.save()


@pytest.fixture
def signed_in(browser: Browser, ana: User) -> Browser:
    """Ana's browser, after a sign-in with her password and a second factor."""
    hold(browser, "pwd", "otp", "mfa")
    return browser


def codes_on(answer: Any) -> list[str]:
    return re.findall(r"<li><code>([0-9A-Z-]{19})</code></li>", answer.content.decode())


def asked(browser: Browser) -> dict[str, Any]:
    answer = browser.post(OPTIONS, "a=b", FORM)
    assert answer.status_code == 200
    options: dict[str, Any] = answer.json()
    return options


def add(browser: Browser, device: Authenticator, name: str = "Laptop") -> Any:
    return send(browser, ADD, credential=json.dumps(device.make(asked(browser))), name=name)


def events(name: EventName) -> list[dict[str, Any]]:
    return [event.details for event in Event.objects.filter(name=name).order_by("pk")]


@pytest.mark.spec("issue: a factor that is added or removed is told by mail, with the change or not at all")
class TestTheMail:
    def test_it_speaks_for_the_realm_of_the_page_in_its_language(
        self, signed_in: Browser, ana: User, mailbox: Mailbox
    ) -> None:
        User.objects.update(email="ana@example.org", email_canonical="ana@example.org", email_verified=True)
        add(signed_in, Authenticator())
        send(signed_in, f"{SECURITY}?ui_locales=de", remove=str(Passkey.objects.get().pk))
        added, removed = mailbox.open()
        assert (added.to, "A passkey was added." in str(added.body)) == (["ana@example.org"], True)
        assert "Ein Passkey wurde entfernt." in str(removed.body)
        assert "https://id.example.test/account/security" in str(removed.body)

    @pytest.mark.parametrize("page", ["list", "passkey"])
    def test_where_nothing_can_be_sealed_nothing_changes(
        self, page: str, signed_in: Browser, ana: User, mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        User.objects.update(email="ana@example.org", email_canonical="ana@example.org", email_verified=True)
        passkey = enrol(Authenticator(), ana)
        hold(signed_in, "pwd", "pop", "user", "mfa")
        monkeypatch.setattr("accounts.services.factor_changes.post", Mock(side_effect=KeysError("None.")))
        removing = page == "list"
        answer = send(signed_in, SECURITY, remove=str(passkey.pk)) if removing else add(signed_in, Authenticator())
        assert (answer.status_code, answer["Retry-After"]) == (503, "5")
        assert Passkey.objects.get() == passkey


class TestTheList:
    def test_who_has_nothing_is_told_so_and_shown_the_ways(self, signed_in: Browser) -> None:
        page = Elements(signed_in.get(SECURITY).content)
        assert page.one(id="no-passkeys")
        assert page.one(id="no-app")
        assert not page.all(id="codes-left")
        assert page.one(id="add-passkey")["href"] == ADD
        assert page.one(id="add-app")["href"] == ADD_APP
        assert Elements(signed_in.get("/account").content).one(id="account-security")["href"] == SECURITY

    def test_each_with_when_it_came_and_was_used_and_whether_it_is_synced(self, signed_in: Browser, ana: User) -> None:
        User.objects.update(zoneinfo="Europe/Lisbon")
        moment = timezone.now().replace(year=2026, month=7, day=1, hour=11, minute=30)
        one = enrol(Authenticator(), ana, "My <b>laptop</b>")
        Passkey.objects.filter(pk=one.pk).update(created_at=moment)
        two = enrol(Authenticator(flags=UP | UV | BE), ana, "Key")
        Passkey.objects.filter(pk=two.pk).update(created_at=moment, last_used_at=moment + timedelta(hours=1))
        give_totp(ana, moment)
        make_recovery_codes(person=ana, actor="test", now=moment)
        content = signed_in.get(SECURITY).content.decode()
        text = " ".join(re.sub(r"<[^>]*>", " ", content).split())
        added = "Added on 1 July 2026, 12:30 WEST."
        assert f"{added} Not used yet. It stays on one device." in text
        assert f"{added} Last used on 1 July 2026, 13:30 WEST. It may be synced between your devices." in text
        assert "My &lt;b&gt;laptop&lt;/b&gt;" in content
        assert "10 codes are left" in text
        assert Elements(content.encode()).one(id="remove-app")
        assert not Elements(content.encode()).all(id="add-app")

    def test_it_is_for_its_person(self, signed_in: Browser, realm: Realm) -> None:
        other = enrol(Authenticator(), make_person("bea", realm=realm))
        assert str(other.pk) not in signed_in.get(SECURITY).content.decode()
        for button in ("rename", "remove"):
            answer = send(signed_in, SECURITY, **{button: str(other.pk), "name": "Mine"})
            assert (answer.status_code, b"There is no such passkey" in answer.content) == (404, True)
        assert Passkey.objects.get().name == "Laptop"

    @pytest.mark.parametrize("page", [SECURITY, ADD, ADD_APP])
    @pytest.mark.parametrize("base", ["", "/realms/other"])
    def test_who_is_not_signed_in_signs_in_and_comes_back(
        self, page: str, base: str, browser: Browser, ana: User
    ) -> None:
        if base:
            Membership.objects.create(user=ana, realm=make_realm("other", purposes=()), created_at=ana.created_at)
        answer = browser.get(f"{base}{page}")
        way = f"{base}/sign-in?next={quote(base + page, safe='')}"
        assert (answer.status_code, answer["Location"]) == (303, way)
        assert post(browser, f"{base}/sign-in", next=base + page)["Location"] == base + page
        assert browser.get(base + page).status_code == 200

    @pytest.mark.parametrize("page", [SECURITY, ADD, ADD_APP])
    def test_nobody_keeps_a_page_and_nothing_on_it_is_inline(self, page: str, signed_in: Browser) -> None:
        answer = signed_in.get(page)
        assert answer["Cache-Control"] == "no-store"
        assert "unsafe-inline" not in answer["Content-Security-Policy"]
        assert "form-action 'self'" in answer["Content-Security-Policy"]
        assert not re.search(rb"\s(style|on\w+)=|<script>", answer.content)


class TestAFreshProof:
    @pytest.fixture
    def late(self, signed_in: Browser) -> Browser:
        hold(signed_in, "pwd", "otp", "mfa", ago=FRESH + timedelta(seconds=1))
        return signed_in

    @pytest.mark.parametrize("page", [ADD, ADD_APP])
    def test_whoever_signed_in_long_ago_does_it_again_and_comes_back(self, page: str, late: Browser) -> None:
        query = urlencode({"next": page, "login_hint": "ana", "prompt": "login"})
        for answer in (late.get(page), send(late, page, name="x")):
            assert (answer.status_code, answer["Location"]) == (303, f"/sign-in?{query}")
        assert Elements(late.get(f"/sign-in?{query}").content).one(id="username")["value"] == "ana"
        assert post(late, next=page)["Location"] == page
        assert late.get(page).status_code == 200

    def test_the_list_is_shown_all_the_same_and_nothing_changes(self, late: Browser, ana: User) -> None:
        passkey = enrol(Authenticator(), ana)
        give_totp(ana, timezone.now())
        assert late.get(SECURITY).status_code == 200
        for form in ({"remove": str(passkey.pk)}, {"rename": str(passkey.pk), "name": "X"}, {"do": "remove-app"}):
            answer = send(late, SECURITY, **form)
            assert answer["Location"].startswith(f"/sign-in?next={quote(SECURITY, safe='')}&login_hint=ana")
        assert send(late, SECURITY, do="recovery-codes").status_code == 303
        assert (Passkey.objects.get().name, TotpSecret.objects.count()) == ("Laptop", 1)
        assert not RecoveryCode.objects.exists()

    def test_a_session_without_the_second_factor_that_one_has_gets_it_first(
        self, signed_in: Browser, ana: User
    ) -> None:
        seed = give_totp(ana, timezone.now() - timedelta(minutes=5))
        hold(signed_in, "pwd")
        for answer in (signed_in.get(ADD), send(signed_in, ADD, name="x")):
            assert answer["Location"] == f"/sign-in/second-factor?{urlencode({'next': ADD})}"
        assert signed_in.post(OPTIONS, "a=b", FORM).status_code == 403
        code = fitting(seed, timezone.now())
        assert send(signed_in, "/sign-in/second-factor", code=code, next=ADD)["Location"] == ADD
        assert signed_in.get(ADD).status_code == 200

    def test_the_script_gets_nothing_without_it(self, late: Browser) -> None:
        assert late.post(OPTIONS, "a=b", FORM).status_code == 403
        assert Browser().post(OPTIONS, "a=b", FORM).status_code == 403

    def test_another_sites_form_changes_nothing(self, signed_in: Browser, ana: User) -> None:
        passkey = enrol(Authenticator(), ana)
        strict = Browser(enforce_csrf_checks=True)
        strict.cookies = signed_in.cookies
        assert send(strict, SECURITY, remove=str(passkey.pk)).status_code == 403
        assert Passkey.objects.exists()


@pytest.mark.spec("Web Authentication Level 3 §7.1")
class TestAddingAPasskey:
    def test_it_is_kept_with_what_it_says_and_the_codes_are_shown_once(self, signed_in: Browser, ana: User) -> None:
        device = Authenticator(flags=UP | UV | BE, sign_count=3)
        answer = add(signed_in, device, "  Laptop ")
        assert answer.status_code == 200
        assert len(codes_on(answer)) == RecoveryCode.objects.count() == 10
        assert Elements(answer.content).one(id="recovery-codes-kept")["href"] == SECURITY
        passkey = Passkey.objects.get()
        assert (passkey.user, passkey.name, passkey.sign_count, passkey.backup_eligible, passkey.transports) == (
            ana, "Laptop", 3, True, ["hybrid", "internal"],
        )  # fmt: skip
        assert bytes(passkey.credential_id) == device.credential_id
        assert events(EventName.FACTOR_ADDED) == [{"factor": "passkey", "passkey": str(passkey.pk)}]

    def test_whoever_has_codes_keeps_them(self, signed_in: Browser, ana: User) -> None:
        add(signed_in, Authenticator())
        answer = add(signed_in, Authenticator(), "Key")
        assert (answer.status_code, answer["Location"]) == (303, SECURITY)
        assert RecoveryCode.objects.count() == 10
        assert [passkey.name for passkey in Passkey.objects.all()] == ["Laptop", "Key"]

    def test_the_browser_is_told_who_it_is_for_and_what_there_is(self, signed_in: Browser, ana: User) -> None:
        User.objects.update(name="Ana Example")
        device = Authenticator()
        add(signed_in, device)
        options = asked(signed_in)
        assert options["rp"] == {"id": "id.example.test", "name": "default"}
        assert (options["user"]["name"], options["user"]["displayName"]) == ("ana", "Ana Example")
        [known] = options["excludeCredentials"]
        assert known["transports"] == ["hybrid", "internal"]

    @pytest.mark.parametrize("name", ["", "   ", "x" * 101, "two\nlines", "\u202eturned"])
    def test_a_name_that_none_may_have_is_refused_beside_its_field(self, name: str, signed_in: Browser) -> None:
        answer = add(signed_in, Authenticator(), name)
        assert answer.status_code == 422
        page = Elements(answer.content)
        assert page.one(id="name")["aria-describedby"] == "name-error"
        assert b"Give the passkey a name of at most 100 characters" in answer.content
        assert not Passkey.objects.exists()

    @pytest.mark.parametrize(
        "wrong_device",
        [
            {"origin": "https://evil.example"},
            {"rp_id": "evil.example"},
            {"flags": UV},
            {"others": {"challenge": "AAAA"}},
        ],
        ids=str,
    )
    def test_an_answer_that_does_not_hold_is_refused(self, wrong_device: dict[str, Any], signed_in: Browser) -> None:
        answer = add(signed_in, Authenticator(**wrong_device))
        assert answer.status_code == 422
        assert b"The passkey was not accepted." in answer.content
        assert not Passkey.objects.exists()

    def test_a_challenge_is_answered_once_and_in_time(self, signed_in: Browser) -> None:
        options = asked(signed_in)
        first, second = (json.dumps(Authenticator().make(options)) for _ in range(2))
        assert send(signed_in, ADD, credential=first, name="One").status_code == 200
        assert send(signed_in, ADD, credential=second, name="Two").status_code == 422
        with time_machine.travel(timezone.now(), tick=False) as clock:
            options = asked(signed_in)
            clock.shift(timedelta(minutes=5))
            late = json.dumps(Authenticator().make(options))
            assert send(signed_in, ADD, credential=late, name="Late").status_code == 422
        assert [passkey.name for passkey in Passkey.objects.all()] == ["One"]

    def test_an_answer_to_the_sign_ins_challenge_is_none(self, signed_in: Browser) -> None:
        options = signed_in.post("/sign-in/passkey/options", "a=b", FORM).json()
        device = Authenticator()
        answer = device.make({**options, "user": {"id": "YW5h"}})
        assert send(signed_in, ADD, credential=json.dumps(answer), name="x").status_code == 422

    def test_a_sign_in_that_begins_in_another_tab_is_in_nobodys_way(self, signed_in: Browser) -> None:
        options = asked(signed_in)
        signed_in.post("/sign-in/passkey/options", "a=b", FORM)
        answer = json.dumps(Authenticator().make(options))
        assert send(signed_in, ADD, credential=answer, name="x").status_code == 200

    def test_somebody_elses_challenge_is_none(self, signed_in: Browser, realm: Realm) -> None:
        make_person("bea", realm=realm)
        answer = json.dumps(Authenticator().make(asked(signed_in)))
        assert post(signed_in, username="bea").status_code == 303
        assert send(signed_in, ADD, credential=answer, name="x").status_code == 422
        assert not Passkey.objects.exists()

    def test_one_that_is_registered_is_refused_whoever_has_it(self, signed_in: Browser, realm: Realm) -> None:
        device = Authenticator()
        enrol(device, make_person("bea", realm=realm))
        answer = add(signed_in, device)
        assert (answer.status_code, b"registered already" in answer.content) == (422, True)

    def test_nobody_has_more_than_a_browser_can_be_told_of(self, signed_in: Browser, ana: User) -> None:
        for _ in range(MAX_PASSKEYS):
            enrol(Authenticator(), ana)
        answer = add(signed_in, Authenticator())
        assert (answer.status_code, b"as many passkeys as one may have" in answer.content) == (422, True)
        assert Passkey.objects.count() == MAX_PASSKEYS

    def test_there_is_no_such_page_where_browsers_make_none(self, signed_in: Browser, settings: LazySettings) -> None:
        settings.IDP_ISSUER = "http://127.0.0.1:8000"
        assert signed_in.get(ADD).status_code == 404
        assert not Elements(signed_in.get(SECURITY).content).all(id="add-passkey")

    def test_garbage_is_refused(self, signed_in: Browser) -> None:
        asked(signed_in)
        assert send(signed_in, ADD, credential="{}", name="x").status_code == 422
        assert signed_in.post(ADD, "name=a&name=b", FORM).status_code == 400


class TestChangingAPasskey:
    @pytest.fixture
    def passkey(self, ana: User) -> Passkey:
        return enrol(Authenticator(), ana)

    def test_it_gets_another_name(self, signed_in: Browser, passkey: Passkey) -> None:
        answer = send(signed_in, SECURITY, rename=str(passkey.pk), name=" Büro-Rechner ")
        assert (answer.status_code, answer["Location"]) == (303, SECURITY)
        assert Passkey.objects.get().name == "Büro-Rechner"

    @pytest.mark.parametrize("name", ["", "x" * 101, "a\tb"])
    def test_a_name_that_none_may_have_is_refused_beside_its_field(
        self, name: str, signed_in: Browser, passkey: Passkey
    ) -> None:
        answer = send(signed_in, SECURITY, rename=str(passkey.pk), name=name)
        assert answer.status_code == 422
        assert Elements(answer.content).one(id=f"name-{passkey.pk}")["aria-describedby"] == "name-error"
        assert Passkey.objects.get().name == "Laptop"

    def test_it_is_removed_and_the_codes_with_the_last(self, signed_in: Browser, ana: User, passkey: Passkey) -> None:
        make_recovery_codes(person=ana, actor="test", now=timezone.now())
        other = enrol(Authenticator(), ana)
        assert send(signed_in, SECURITY, remove=str(other.pk)).status_code == 303
        assert RecoveryCode.objects.count() == 10
        assert send(signed_in, SECURITY, remove=str(passkey.pk)).status_code == 303
        assert (Passkey.objects.count(), RecoveryCode.objects.count()) == (0, 0)
        removed = [{"factor": "passkey", "passkey": str(each.pk)} for each in (other, passkey)]
        assert events(EventName.FACTOR_REMOVED) == removed

    @pytest.mark.parametrize("where", ["here", "elsewhere"])
    def test_the_last_second_factor_stays_where_a_realm_of_theirs_demands_one(
        self, where: str, signed_in: Browser, ana: User, passkey: Passkey
    ) -> None:
        if where == "here":
            Realm.objects.update(require_second_factor=True)
        else:
            other = make_realm("other", purposes=())
            Membership.objects.create(user=ana, realm=other, created_at=ana.created_at)
            Realm.objects.filter(pk=other.pk).update(require_second_factor=True)
        make_recovery_codes(person=ana, actor="test", now=timezone.now())
        answer = send(signed_in, SECURITY, remove=str(passkey.pk))
        assert answer.status_code == 422
        assert b"This is your last second factor, and you need one here." in answer.content
        assert Elements(answer.content).one(role="alert")["id"] == "security-error"
        assert (Passkey.objects.count(), RecoveryCode.objects.count()) == (1, 10)
        assert not events(EventName.FACTOR_REMOVED)
        give_totp(ana, timezone.now())
        assert send(signed_in, SECURITY, remove=str(passkey.pk)).status_code == 303
        answer = send(signed_in, SECURITY, do="remove-app")
        assert (answer.status_code, TotpSecret.objects.count()) == (422, 1)

    @pytest.mark.parametrize(
        "body",
        ["", "do=", "do=x", "remove=a&remove=b", "remove=a&rename=b", "do=remove-app&remove=a", "name=x"],
    )
    def test_a_form_that_no_page_sends_is_refused(self, body: str, signed_in: Browser, passkey: Passkey) -> None:
        answer = signed_in.post(SECURITY, body or "a=b", FORM)
        assert answer.status_code == 400
        assert Passkey.objects.exists()

    @pytest.mark.parametrize("text", ["x", "1", "\u0661", "x" * 5_000, "%00", "{00000000-0000-0000-0000-000000000000}"])
    def test_a_passkey_that_is_none_is_not_found(self, text: str, signed_in: Browser, passkey: Passkey) -> None:
        assert send(signed_in, SECURITY, remove=text).status_code == 404


class TestTheApp:
    def begun(self, browser: Browser) -> tuple[str, bytes]:
        content = browser.get(ADD_APP).content
        shown = re.search(rb'id="totp-key"[^>]*>([A-Z2-7 ]+)<', content)
        assert shown
        enrolment = Elements(content).one(name="enrolment")["value"] or ""
        return enrolment, _seed(shown[1])

    def test_it_is_added_and_the_session_is_a_surer_one(self, browser: Browser, ana: User) -> None:
        post(browser)
        enrolment, seed = self.begun(browser)
        answer = send(browser, ADD_APP, enrolment=enrolment, code=fitting(seed, timezone.now()))
        assert answer.status_code == 200
        assert len(codes_on(answer)) == 10
        assert Session.objects.order_by("-pk")[0].methods == ["pwd", "otp", "mfa"]
        assert browser.get(ADD).status_code == 200
        assert events(EventName.FACTOR_ADDED) == [{"factor": "totp"}]
        assert (browser.get(ADD_APP).status_code, browser.get(ADD_APP)["Location"]) == (303, SECURITY)

    def test_a_wrong_code_keeps_the_key(self, signed_in: Browser) -> None:
        enrolment, seed = self.begun(signed_in)
        for code in ("", wrong(seed, timezone.now()), "x"):
            answer = send(signed_in, ADD_APP, enrolment=enrolment, code=code)
            assert answer.status_code == 422
            page = Elements(answer.content)
            assert page.one(name="enrolment")["value"] == enrolment
            assert page.one(id="code")["aria-describedby"] == "code-error"
        assert not TotpSecret.objects.exclude(confirmed_at=None).exists()

    def test_a_key_that_is_over_gives_way_to_a_new_one(self, signed_in: Browser) -> None:
        enrolment, seed = self.begun(signed_in)
        self.begun(signed_in)
        answer = send(signed_in, ADD_APP, enrolment=enrolment, code=fitting(seed, timezone.now()))
        assert (answer.status_code, b"This key is out of date." in answer.content) == (422, True)
        assert Elements(answer.content).one(name="enrolment")["value"] != enrolment

    @pytest.mark.parametrize("enrolment", ["", "x", "x" * 5_000])
    def test_a_form_that_no_page_sends_is_refused(self, enrolment: str, signed_in: Browser) -> None:
        assert send(signed_in, ADD_APP, enrolment=enrolment, code="123456").status_code == 400

    def test_it_is_removed(self, signed_in: Browser, ana: User) -> None:
        give_totp(ana, timezone.now())
        make_recovery_codes(person=ana, actor="test", now=timezone.now())
        assert send(signed_in, SECURITY, do="remove-app")["Location"] == SECURITY
        assert (TotpSecret.objects.count(), RecoveryCode.objects.count()) == (0, 0)
        assert send(signed_in, SECURITY, do="remove-app").status_code == 303


class TestRecoveryCodes:
    def test_new_ones_end_the_old(self, signed_in: Browser, ana: User) -> None:
        enrol(Authenticator(), ana)
        before = codes_on(send(signed_in, SECURITY, do="recovery-codes"))
        after = codes_on(send(signed_in, SECURITY, do="recovery-codes"))
        assert len(after) == 10
        assert not set(before) & set(after)
        assert RecoveryCode.objects.count() == 10

    def test_whoever_has_no_second_factor_gets_none(self, signed_in: Browser) -> None:
        assert send(signed_in, SECURITY, do="recovery-codes")["Location"] == SECURITY
        assert not RecoveryCode.objects.exists()


def _seed(text: bytes) -> bytes:
    return b32decode(text.replace(b" ", b""))


@pytest.mark.django_db(transaction=True)
@pytest.mark.spec("tokens.md: decided in one statement, or under a lock")
def test_nobody_takes_away_the_last_ones_at_once() -> None:
    realm = make_realm(purposes=())
    ana = make_person(realm=realm)
    Realm.objects.update(require_second_factor=True)
    passkeys = [enrol(Authenticator(), ana) for _ in range(4)]

    def run(passkey: Passkey) -> bool:
        close_old_connections()
        try:
            remove_own_passkey(passkey, realm=realm, now=timezone.now())
        except FactorDemanded:
            return False
        finally:
            connections.close_all()
        return True

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(run, passkeys)) == [False, True, True, True]
    assert Passkey.objects.count() == 1


@pytest.mark.django_db(transaction=True)
@pytest.mark.spec("Web Authentication Level 3 §7.1 step 26")
def test_a_passkey_is_registered_once_by_several_at_once() -> None:
    ana = make_person(realm=make_realm(purposes=()))
    browser = Browser()
    assert post(browser).status_code == 303
    answer = json.dumps(Authenticator().make(asked(browser)))

    def run(_: int) -> int:
        close_old_connections()
        try:
            tab = Browser()
            tab.cookies["sessionid"] = browser.cookies["sessionid"].value
            status: int = send(tab, ADD, credential=answer, name="x").status_code
            return status
        finally:
            connections.close_all()

    with ThreadPoolExecutor(4) as pool:
        answers = sorted(pool.map(run, range(4)))
    assert answers.count(200) == 1
    assert set(answers[1:]) <= {303, 422}  # who comes after it has to prove the new factor first
    assert Passkey.objects.get().user == ana
