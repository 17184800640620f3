"""Security events are found by what they are about, by whom and when; by indexes alone, however many there are."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.db.models import Q, QuerySet
from django.test.utils import CaptureQueriesContext

from accounts.models import User
from accounts.services.sessions import begin_session, end_session
from accounts.services.sign_in import SignedIn
from accounts.vocabulary import SessionEnd
from audit.admin.events import LatestPages
from audit.hooks import nouns_with_places
from audit.models import Event
from audit.selectors import matching, of_person, on_days, places
from audit.services import record
from audit.vocabulary import EventName
from keys.models import KeyPair
from realms.models import Realm
from tests.pages import Elements
from tests.provider import Browser, make_person, make_realm
from tests.tokens.grants import begin
from tokens.models import Grant
from tokens.services.revocation import end_grants
from tokens.vocabulary import RevocationReason

pytestmark = pytest.mark.spec("issue: audit events with search")
LIST = "/admin/audit/event/"
DAY = datetime(2026, 3, 4, tzinfo=UTC)


@pytest.fixture
def now() -> datetime:
    return datetime.now(UTC)


@pytest.fixture
def realm(db: None) -> Realm:
    """With its keys, which are led to."""
    return make_realm()


@pytest.fixture
def ana(realm: Realm) -> User:
    return make_person(realm=realm)


@pytest.fixture
def operator(db: None) -> Browser:
    browser = Browser(raise_request_exception=False)
    browser.force_login(make_person("operator", realm=None, is_staff=True, is_superuser=True))
    return browser


def event(
    name: EventName = EventName.KEY_CREATED, target: str = "thing", *, at: datetime = DAY, actor: str = "", **more: Any
) -> Event:
    record(name, realm=more.pop("realm", "default"), actor=actor, target=target, now=at, **more)
    found = Event.objects.order_by("-id").first()
    assert found is not None
    return found


def keys_of(events: QuerySet[Event]) -> set[int]:
    return set(events.values_list("pk", flat=True))


@pytest.mark.usefixtures("db")
class TestDays:
    @pytest.mark.parametrize(
        ("query", "expected"),
        [
            ("from=2026-03-04", {1, 2, 3}),
            ("to=2026-03-04", {0, 1, 2}),
            ("from=2026-03-04&to=2026-03-04", {1, 2}),
            ("from=2026-03-05&to=2026-03-04", set()),
            ("from=&to=", {0, 1, 2, 3}),
            ("from=2026-03-04&to=2026-03-04&name=key.created", {1, 2}),
        ],
    )
    def test_are_from_midnight_to_midnight_both_included(
        self, query: str, expected: set[int], operator: Browser
    ) -> None:
        second = timedelta(seconds=1)
        moments = (DAY - second, DAY, DAY + timedelta(days=1) - second, DAY + timedelta(days=1))
        for number, moment in enumerate(moments):
            event(target=f"kid-{number}", at=moment)
        page = operator.get(f"{LIST}?{query}").content.decode()
        assert {number for number in range(4) if f"kid-{number}" in page} == expected

    @pytest.mark.parametrize("query", ["from=2026-13-01", "to=x", "to=9999-12-31", "from=%00", "from=2026-03-04T00:00"])
    def test_that_there_are_not_show_nothing_and_are_no_fault_of_ours(self, query: str, operator: Browser) -> None:
        event(target="kid-1")
        answer = operator.get(f"{LIST}?{query}")
        assert answer.status_code == (400 if "%00" in query else 302)

    def test_keep_what_else_was_asked_for(self, operator: Browser) -> None:
        page = Elements(operator.get(f"{LIST}?name=key.created&q=kid&p=1&from=2026-03-04").content)
        hidden = {each["name"]: each["value"] for each in page.all(type="hidden") if each.get("name") in ("name", "p")}
        assert hidden == {"name": "key.created"}
        assert page.one(id="days-from")["value"] == "2026-03-04"


class TestAPersonsHistory:
    def test_is_all_they_did_and_all_that_happened_to_them_and_theirs(
        self, realm: Realm, ana: User, now: datetime, operator: Browser
    ) -> None:
        actor = "user:somebody-else"
        session = begin_session(realm=realm, signed_in=SignedIn(ana, (), now, ("pwd",)), now=now)
        end_session(session, reason=SessionEnd.OPERATOR, actor=actor, now=now)
        begin(realm, ana, now)
        end_grants(Grant.objects.filter(user=ana), reason=RevocationReason.OPERATOR, actor=actor, now=now)
        said = {"subject": ana.subject, "scope": "openid"}
        theirs = [
            event(EventName.PERSON_CHANGED, ana.subject, actor=actor),
            event(EventName.CONSENT_GRANTED, "app", actor=f"user:{ana.subject}"),
            event(EventName.CONSENT_WITHDRAWN, "app", actor=actor, details=said),
            Event.objects.get(name=EventName.SESSION_ENDED),
            Event.objects.get(name=EventName.GRANT_ENDED),
        ]
        event(EventName.PERSON_CHANGED, "another", actor=actor)
        event(EventName.CONSENT_WITHDRAWN, "app", actor=actor, details={"subject": "another"})
        found = keys_of(Event.objects.filter(of_person(ana.subject)))
        assert {each.pk for each in theirs} <= found
        assert found - {each.pk for each in theirs} == keys_of(Event.objects.filter(name=EventName.SESSION_BEGUN))
        page = operator.get(f"{LIST}?person={ana.subject}").content.decode()
        assert ("app" in page, "another" in page) == (True, False)

    def test_outlives_the_person(self, operator: Browser, db: None) -> None:
        event(EventName.PERSON_DELETED, "gone")
        event(EventName.PERSON_DELETED, "other")
        page = operator.get(f"{LIST}?person=gone").content.decode()
        assert "other" not in page


class TestLinks:
    def test_lead_to_people_clients_grants_sessions_and_keys(
        self, realm: Realm, ana: User, now: datetime, operator: Browser
    ) -> None:
        key = KeyPair.objects.filter(ring__purpose="sign").first()
        assert key is not None
        session = begin_session(realm=realm, signed_in=SignedIn(ana, (), now, ("pwd",)), now=now)
        begin(realm, ana, now)
        grant = Grant.objects.get()
        expected = {
            event(EventName.PERSON_CHANGED, ana.subject).pk: f"/admin/accounts/user/{ana.pk}/change/",
            event(EventName.SESSION_ENDED, session.sid).pk: f"/admin/accounts/session/{session.pk}/change/",
            event(EventName.CLIENT_CHANGED, "signet-direct").pk: f"/admin/tokens/client/{grant.client_id}/change/",
            event(EventName.GRANT_ENDED, str(grant.pk)).pk: f"/admin/tokens/grant/{grant.pk}/change/",
            event(EventName.KEY_CREATED, key.kid).pk: f"/admin/keys/keypair/{key.pk}/change/",
            event(EventName.RING_CREATED, str(key.ring)).pk: f"/admin/keys/keyring/{key.ring_id}/change/",
            event(EventName.KEY_CREATED, "long gone").pk: "",
            event(EventName.GRANT_ENDED, "no uuid").pk: "",
        }
        found = places(list(Event.objects.filter(pk__in=expected)))
        assert {pk: target for pk, (target, _actor) in found.items()} == expected
        page = Elements(operator.get(LIST).content)
        for address in filter(None, expected.values()):
            assert page.all(href=address)
            assert operator.get(address).status_code == 200

    def test_are_there_for_every_kind_of_event(self) -> None:
        nouns = {name.partition(".")[0] for name in EventName}
        nowhere = {"database", "keys", "mail", "secrets"}
        assert nouns - nouns_with_places() == nowhere, "name the kind in the admin's places"

    def test_of_a_client_lead_to_the_realms_own(self, realm: Realm, now: datetime) -> None:
        make_realm("other")
        mine = event(EventName.CLIENT_CHANGED, "signet-direct", realm="default")
        theirs = event(EventName.CLIENT_CHANGED, "signet-direct", realm="other")
        found = places([mine, theirs])
        assert found[mine.pk] != found[theirs.pk]
        assert places([event(EventName.CLIENT_CHANGED, "signet-direct", realm="nowhere")]).popitem()[1][0] == ""

    def test_of_whoever_did_it_lead_to_them(self, realm: Realm, ana: User) -> None:
        by_ana = event(actor=f"user:{ana.subject}")
        by_client = event(actor="client:signet-direct")
        by_command = event(actor="command:rotate_keys")
        found = places([by_ana, by_client, by_command])
        assert found[by_ana.pk][1] == f"/admin/accounts/user/{ana.pk}/change/"
        assert found[by_client.pk][1].startswith("/admin/tokens/client/")
        assert found[by_command.pk][1] == ""

    def test_are_found_by_as_many_queries_however_long_the_page_is(
        self, realm: Realm, operator: Browser, db: None
    ) -> None:
        def queries() -> int:
            with CaptureQueriesContext(connection) as asked:
                operator.get(LIST)
            return len(asked)

        people = [make_person(f"p{number}", realm=realm) for number in range(6)]
        event(EventName.PERSON_CHANGED, people[0].subject, actor=f"user:{people[0].subject}")
        few = queries()
        for person in people:
            event(EventName.PERSON_CHANGED, person.subject, actor=f"user:{person.subject}")
        assert queries() == few


@pytest.mark.usefixtures("db")
class TestALongTable:
    def plan(self, condition: Q) -> str:
        """What the planner does where it doesn't find the table small."""
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL enable_seqscan = off")
            cursor.execute("SET LOCAL enable_indexscan = on")
        return Event.objects.filter(condition).order_by().explain()

    @pytest.mark.parametrize(
        ("condition", "indexes"),
        [
            (lambda: matching("kid-1"), ("audit_event_target", "audit_event_actor", "audit_event_with_a_reason")),
            (lambda: of_person("subject"), ("audit_event_target", "audit_event_actor", "audit_event_subject")),
            (lambda: on_days(DAY.date(), DAY.date()), ("audit_event_moment",)),
            (lambda: Q(target="kid"), ("audit_event_target",)),
            (lambda: Q(name="key.created"), ("audit_event_name",)),
        ],
        ids=["search", "person", "days", "target", "name"],
    )
    def test_is_never_read_from_end_to_end(self, condition: Callable[[], Q], indexes: Sequence[str]) -> None:
        plan = self.plan(condition())
        assert "Seq Scan" not in plan
        for index in indexes:
            assert index in plan

    def test_is_counted_no_further_than_the_pages_go(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("audit.admin.events._MOST_COUNTED", 3)
        for _ in range(5):
            event()
        assert LatestPages(Event.objects.all(), 50).count == 3
        assert LatestPages(Event.objects.filter(target="none"), 50).count == 0

    def test_is_never_counted_as_a_whole(self, operator: Browser) -> None:
        with CaptureQueriesContext(connection) as asked:
            operator.get(f"{LIST}?q=kid")
        counts = [each["sql"] for each in asked if "COUNT(" in each["sql"] and "audit_event" in each["sql"]]
        assert counts
        assert all("LIMIT" in sql for sql in counts)


@pytest.mark.parametrize("words", ["%", "_", "\\", "'", "kid%", "user:%"])
def test_what_is_typed_is_no_pattern(words: str, db: None) -> None:
    event(target="kid-1", actor="user:abc", reason="because")
    assert not Event.objects.filter(matching(words)).exists()
