"""Linking an identity at an upstream provider: only by whoever signs in freshly after it, and never twice."""

import threading
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from django.db import connection

from accounts.errors import LinkTaken
from accounts.models import Session, UpstreamLink, UpstreamProvider, User
from accounts.services.upstreams import link
from audit.models import Event
from audit.vocabulary import EventName
from realms.models import Realm
from tests.flows.code_flow import post
from tests.flows.upstream_flow import Visit, _loopback, add_provider, upstream, visit
from tests.pages import Elements, whose
from tests.provider import Browser, make_person, make_realm

__all__ = ["_loopback", "upstream", "visit"]
pytestmark = pytest.mark.spec("tokens.md: linked to an existing person only after a fresh sign-in of that person")
LINK = "/account/link"


def decide(browser: Browser, decision: str = "link") -> Any:
    return post(browser, LINK, {"decision": decision})


def names(*wanted: EventName) -> list[str]:
    return list(Event.objects.filter(name__in=wanted).order_by("pk").values_list("name", flat=True))


def test_whoever_signs_in_after_it_is_asked_and_linked(visit: Visit, ana: User) -> None:
    arrived = visit.come_back(next="/account/sessions")
    assert (arrived.status_code, arrived["Location"]) == (303, LINK)
    page = visit.browser.get(LINK)
    assert b"ana@example.org" in page.content
    assert b"Ask those who run default for one" in page.content
    assert Elements(page.content).one(id="sign-in-link")["href"] == "/sign-in?next=%2Faccount%2Flink"
    assert (decide(visit.browser).status_code, UpstreamLink.objects.count()) == (303, 0)
    assert visit.sign_in()["Location"] == "/signed-in"
    question = visit.browser.get(LINK)
    assert Elements(question.content).one(id="link-confirm")
    assert b'<strong id="link-username"><bdi>ana</bdi></strong>' in question.content
    assert not UpstreamLink.objects.exists()
    done = decide(visit.browser)
    assert (done.status_code, done["Location"]) == (303, "/account/sessions")
    made = UpstreamLink.objects.get()
    assert (made.user, made.subject, made.provider) == (ana, "u-1", visit.provider)
    [event] = Event.objects.filter(name=EventName.UPSTREAM_LINKED)
    assert (event.actor, event.target, event.details) == (f"user:{ana.subject}", ana.subject, {"upstream": "corp"})
    assert visit.browser.get(LINK).status_code == 404, "an identity is linked once"
    assert decide(visit.browser).status_code == 404
    fresh = Visit(Browser(), visit.upstream, visit.provider)
    assert fresh.come_back()["Location"] == "/signed-in"
    assert whose(fresh.browser) == "ana"


@pytest.mark.spec("CSP Level 3 §6.4.1")
def test_the_way_on_from_the_question_may_lead_to_a_client(visit: Visit, ana: User) -> None:
    """Browsers hold form-action against what follows the form too: /authorize, and the client's address behind it."""
    following = "/authorize?client_id=app"
    visit.come_back(next=following)
    visit.sign_in()
    question = visit.browser.get(LINK)
    assert Elements(question.content).one(id="link-confirm")
    assert "form-action" not in question["Content-Security-Policy"]
    assert decide(visit.browser)["Location"] == following


def test_nobody_is_made_of_an_identity(visit: Visit, realm: Realm) -> None:
    visit.come_back()
    visit.browser.get(LINK)
    decide(visit.browser)
    assert not User.objects.exists()
    assert not Session.objects.exists()


def test_who_was_signed_in_before_is_not_who_is_linked(visit: Visit, ana: User, realm: Realm) -> None:
    """The session of before may be anybody's who left the browser open."""
    make_person("bea", realm=realm)
    visit.sign_in("bea")
    visit.come_back()
    page = visit.browser.get(LINK)
    assert Elements(page.content).all(id="link-confirm") == []
    assert b"bea" not in page.content
    decide(visit.browser)
    assert not UpstreamLink.objects.exists()
    visit.sign_in("ana")
    assert b"<bdi>ana</bdi>" in visit.browser.get(LINK).content
    decide(visit.browser)
    assert UpstreamLink.objects.get().user == ana


def test_an_identity_goes_with_who_signs_out(visit: Visit, ana: User, realm: Realm) -> None:
    """Whoever sits down next at the browser is not asked whether it is theirs."""
    visit.come_back()
    visit.sign_in("ana")
    assert post(visit.browser, "/logout/confirm", {"go": "on"}).status_code == 200
    make_person("bea", realm=realm)
    visit.sign_in("bea")
    assert visit.browser.get(LINK).status_code == 404
    assert decide(visit.browser).status_code == 404
    assert not UpstreamLink.objects.exists()


def test_the_answer_may_be_no(visit: Visit, ana: User) -> None:
    visit.come_back()
    visit.sign_in()
    assert decide(visit.browser, "leave")["Location"] == "/account/linked"
    assert not UpstreamLink.objects.exists()
    assert visit.browser.get(LINK).status_code == 404


def test_an_identity_waits_for_ten_minutes(visit: Visit, ana: User, now: datetime, stopped_clock: Any) -> None:
    stopped_clock.move_to(now)
    visit.come_back()
    stopped_clock.shift(timedelta(minutes=9))
    visit.sign_in()
    assert visit.browser.get(LINK).status_code == 200
    stopped_clock.shift(timedelta(minutes=1))
    assert visit.browser.get(LINK).status_code == 404
    assert decide(visit.browser).status_code == 404
    assert not UpstreamLink.objects.exists()


def test_an_identity_of_one_realm_is_none_of_another(visit: Visit, ana: User, now: datetime) -> None:
    other = make_realm("other", purposes=())
    make_person("bea", realm=other)
    visit.come_back()
    elsewhere = Visit(visit.browser, visit.upstream, visit.provider, "/realms/other")
    elsewhere.sign_in("bea")
    assert visit.browser.get("/realms/other/account/link").status_code == 404
    assert post(visit.browser, "/realms/other/account/link", {"decision": "link"}).status_code == 404
    assert not UpstreamLink.objects.exists()


def test_a_provider_that_was_switched_off_meanwhile_links_nobody(visit: Visit, ana: User) -> None:
    visit.come_back()
    visit.sign_in()
    UpstreamProvider.objects.update(enabled=False)
    assert decide(visit.browser).status_code == 404
    assert not UpstreamLink.objects.exists()


def test_an_address_that_may_not_enter_may_not_be_linked_either(visit: Visit, ana: User) -> None:
    UpstreamProvider.objects.update(allowed_domains=["example.com"])
    assert visit.come_back().status_code == 403
    assert visit.browser.get(LINK).status_code == 404


def test_one_identity_is_one_person_whoever_is_faster(visit: Visit, ana: User, realm: Realm, now: datetime) -> None:
    bea = make_person("bea", realm=realm)
    visit.come_back()
    visit.sign_in("ana")
    visit.link(bea, now)
    answer = decide(visit.browser)
    assert answer.status_code == 409
    assert b"This can" in answer.content
    assert UpstreamLink.objects.get().user == bea
    assert names(EventName.UPSTREAM_LINKED) == [EventName.UPSTREAM_LINKED]


def test_one_person_has_one_identity_there(visit: Visit, ana: User, now: datetime) -> None:
    visit.link(ana, now, subject="u-0")
    visit.come_back()
    visit.sign_in("ana")
    assert decide(visit.browser).status_code == 409
    assert UpstreamLink.objects.get().subject == "u-0"


def test_the_same_link_twice_is_one(visit: Visit, ana: User, now: datetime) -> None:
    first = visit.link(ana, now)
    assert link(provider=visit.provider, subject="u-1", person=ana, now=now) == first
    assert names(EventName.UPSTREAM_LINKED) == [EventName.UPSTREAM_LINKED]


def test_another_provider_proves_who_somebody_is_only_afresh(
    visit: Visit, ana: User, realm: Realm, now: datetime
) -> None:
    """While an identity waits, no silent session at a linked provider stands in for the person."""
    known = Visit(visit.browser, visit.upstream, add_provider(realm, visit.upstream, now, slug="known"))
    known.link(ana, now, subject="u-1")
    visit.come_back()
    asked = dict(parse_qsl(urlsplit(known.address()).query))
    assert (asked["prompt"], asked["max_age"]) == ("login", "0")


@pytest.mark.spec("RFC 9700 §4.7")
def test_the_question_is_answered_from_here_alone(visit: Visit, ana: User) -> None:
    visit.come_back()
    visit.sign_in()
    strict = Browser(enforce_csrf_checks=True)
    strict.cookies = visit.browser.cookies
    assert decide(strict).status_code == 403
    assert not UpstreamLink.objects.exists()


def test_the_cookie_changes_when_an_identity_comes_to_wait(visit: Visit, ana: User) -> None:
    address = visit.upstream.authorize(visit.address())
    before = visit.browser.cookies["sessionid"].value
    visit.back(address)
    assert visit.browser.cookies["sessionid"].value != before


class TestThePageOfLinks:
    def test_links_are_seen_and_removed(self, visit: Visit, ana: User, realm: Realm, now: datetime) -> None:
        add_provider(realm, visit.upstream, now, slug="other", name="Other")
        add_provider(realm, visit.upstream, now, slug="off", name="Off", enabled=False)
        bea = make_person("bea", realm=realm)
        visit.link(ana, now)
        visit.link(bea, now, subject="u-2")
        visit.sign_in()
        page = visit.browser.get("/account/linked")
        found = Elements(page.content)
        assert [button["id"] for button in found.all(type="submit")] == ["unlink-corp", "upstream-other"]
        assert [one["value"] for one in found.all(name="next")] == ["/account/linked"]
        assert "form-action" not in page["Content-Security-Policy"]
        done = post(visit.browser, "/account/linked", {"remove": "corp"})
        assert (done.status_code, done["Location"]) == (303, "/account/linked")
        assert [left.user for left in UpstreamLink.objects.all()] == [bea]
        [event] = Event.objects.filter(name=EventName.UPSTREAM_UNLINKED)
        assert (event.actor, event.target, event.details) == (f"user:{ana.subject}", ana.subject, {"upstream": "corp"})
        assert post(visit.browser, "/account/linked", {"remove": "corp"}).status_code == 303
        assert post(visit.browser, "/account/linked", {"remove": "nowhere"}).status_code == 303
        assert post(visit.browser, "/account/linked", {"other": "corp"}).status_code == 400
        assert names(EventName.UPSTREAM_UNLINKED) == [EventName.UPSTREAM_UNLINKED]

    def test_the_account_leads_there(self, visit: Visit, ana: User) -> None:
        visit.sign_in()
        assert Elements(visit.browser.get("/account").content).one(id="account-linked")["href"] == "/account/linked"

    @pytest.mark.spec("NIST SP 800-63B §7.2")
    def test_a_fresh_proof_is_needed(self, visit: Visit, ana: User, now: datetime, stopped_clock: Any) -> None:
        stopped_clock.move_to(now)
        visit.link(ana, now)
        visit.sign_in()
        stopped_clock.shift(timedelta(minutes=11))
        for answer in (
            visit.browser.get("/account/linked"),
            post(visit.browser, "/account/linked", {"remove": "corp"}),
        ):
            assert (answer.status_code, answer["Location"].startswith("/sign-in?")) == (303, True)
            assert "prompt=login" in answer["Location"], "a silent session elsewhere is no fresh proof"
        assert UpstreamLink.objects.exists()

    def test_the_only_way_in_stays(self, visit: Visit, ana: User, now: datetime) -> None:
        visit.link(ana, now)
        ana.set_unusable_password()
        ana.signed_out_at = None
        ana.save()
        visit.come_back()
        assert whose(visit.browser) == "ana"
        assert post(visit.browser, "/account/linked", {"remove": "corp"}).status_code == 409
        assert UpstreamLink.objects.exists()


@pytest.mark.django_db(transaction=True)
@pytest.mark.spec("house.md: database constraints before code rules")
def test_of_two_people_who_take_one_identity_at_once_one_does(
    visit: Visit, ana: User, realm: Realm, now: datetime
) -> None:
    bea = make_person("bea", realm=realm)
    together, outcomes = threading.Barrier(2), []

    def take(person: User) -> None:
        together.wait(10)
        try:
            link(provider=visit.provider, subject="u-1", person=person, now=now)
            outcomes.append("linked")
        except LinkTaken:
            outcomes.append("taken")
        finally:
            connection.close()

    threads = [threading.Thread(target=take, args=(person,)) for person in (ana, bea)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert sorted(outcomes) == ["linked", "taken"]
    assert UpstreamLink.objects.count() == 1
    assert names(EventName.UPSTREAM_LINKED) == [EventName.UPSTREAM_LINKED]
