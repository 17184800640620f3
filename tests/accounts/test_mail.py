"""The outbox of mails: sealed, sent after the commit, at least once, and given up after a day."""

import json
import logging
import smtplib
import socketserver
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from io import StringIO

import pytest
from django.conf import LazySettings
from django.core import mail
from django.core.mail import EmailMessage
from django.core.management import call_command
from django.db import OperationalError, close_old_connections, connection, connections, transaction
from django.test.utils import CaptureQueriesContext

from accounts import letters
from accounts.letters import Letter
from accounts.mail_retries import GIVEN_UP_AFTER
from accounts.models import OutgoingMail
from accounts.selectors.mail import next_mail_attempt
from accounts.services import mail_courier, mail_delivery
from accounts.services.mail_courier import courier, make_round, resume
from accounts.services.mail_delivery import CONTENT, LEASE, send_due, send_while_keeping_house
from accounts.services.outbox import post
from accounts.vocabulary import MailOutcome
from audit.models import Event
from audit.vocabulary import EventName
from keys import api as keys
from keys.hooks import housekeeping, sealed_columns
from realms.models import Realm
from tests.mailbox import Mailbox, mailbox

__all__ = ["mailbox"]
LETTER = Letter("Acme: hello", "The secret is canary-secret.\n")
TO = "canary@example.org"
LIMIT = 20.0


def write(now: datetime, letter: Letter = LETTER, *, to: str = TO, really: bool = True) -> OutgoingMail:
    post(letter, to=to, now=now, really=really)
    return OutgoingMail.objects.latest("created_at")


def refusing(error: Exception) -> mail_delivery.Send:
    def send(_message: EmailMessage) -> None:
        raise error

    return send


def attempt(now: datetime, error: Exception | None = None) -> dict[str, int]:
    done = send_due(clock=lambda: now, send=refusing(error) if error else None, chance=lambda: 0.5)
    return {str(key): count for key, count in done.items()}


@pytest.mark.django_db
def test_what_waits_is_sealed_whole_and_a_rewrap_reaches_it(now: datetime, mailbox: Mailbox) -> None:
    row = write(now)
    stored = bytes(row.content or b"")
    for part in (b"canary", b"Acme", b"example.org"):
        assert part not in stored
    opened = json.loads(keys.unseal(stored, column=CONTENT, row=str(row.pk)))
    assert opened == {"to": TO, "subject": LETTER.subject, "text": LETTER.text}
    assert CONTENT in sealed_columns()


@pytest.mark.django_db
def test_a_mail_goes_once_it_is_sent(now: datetime, mailbox: Mailbox) -> None:
    write(now)
    assert attempt(now) == {"sent": 1}
    [sent] = mail.outbox
    assert (sent.to, sent.subject, sent.body) == ([TO], LETTER.subject, LETTER.text)
    assert sent.extra_headers == {"Auto-Submitted": "auto-generated"}
    assert not OutgoingMail.objects.exists()
    assert attempt(now) == {}


@pytest.mark.django_db
@pytest.mark.spec("NIST SP 800-63B §3.1.1.2; issue: no enumeration by time")
def test_a_mail_for_nobody_takes_the_same_statements_and_is_sent_to_nobody(now: datetime, mailbox: Mailbox) -> None:
    taken = []
    for really in (True, False):
        with CaptureQueriesContext(connection) as statements:
            write(now, really=really)
        taken.append([query["sql"].split()[0] for query in statements])
    assert taken[0] == taken[1]
    attempt(now)
    assert len(mail.outbox) == 1
    assert not OutgoingMail.objects.exists()


@pytest.mark.django_db
def test_what_failed_waits_longer_each_time(now: datetime, mailbox: Mailbox) -> None:
    row = write(now)
    assert attempt(now, OSError("canary")) == {"waiting": 1}
    row.refresh_from_db()
    assert (row.attempts, row.next_attempt_at) == (1, now + timedelta(seconds=5))
    assert attempt(now + timedelta(seconds=4)) == {}
    assert attempt(now + timedelta(seconds=5), OSError()) == {"waiting": 1}
    row.refresh_from_db()
    assert row.next_attempt_at == now + timedelta(seconds=35)
    assert attempt(row.next_attempt_at) == {"sent": 1}


@pytest.mark.django_db
def test_whatever_a_back_end_raises_every_mail_has_its_turn(now: datetime, mailbox: Mailbox) -> None:
    for _ in range(3):
        write(now)
    assert attempt(now, ZeroDivisionError()) == {"waiting": 3}
    assert attempt(now + GIVEN_UP_AFTER, ZeroDivisionError()) == {"given_up": 3}


@pytest.mark.django_db
def test_after_a_day_it_is_given_up_with_an_event_and_without_the_address(
    now: datetime, mailbox: Mailbox, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    row = write(now)
    assert attempt(now, smtplib.SMTPServerDisconnected(TO)) == {"waiting": 1}
    assert attempt(now + GIVEN_UP_AFTER, smtplib.SMTPServerDisconnected(TO)) == {"given_up": 1}
    assert not OutgoingMail.objects.exists()
    event = Event.objects.get(name=EventName.MAIL_GIVEN_UP)
    assert (event.target, event.details) == (str(row.pk), {"fault": "SMTPServerDisconnected", "attempts": 2})
    assert "mail.given_up" in caplog.text
    assert "canary" not in caplog.text


@pytest.mark.django_db
@pytest.mark.parametrize(("code", "outcome"), [(550, "given_up"), (451, "waiting")])
@pytest.mark.spec("RFC 5321 §4.2.1")
def test_an_address_that_the_server_refuses_for_good_is_not_tried_again(
    code: int, outcome: str, now: datetime, mailbox: Mailbox
) -> None:
    write(now)
    assert attempt(now, smtplib.SMTPRecipientsRefused({TO: (code, b"no")})) == {outcome: 1}


@pytest.mark.django_db
def test_what_cannot_be_unsealed_waits_and_stops_nothing_else(now: datetime, mailbox: Mailbox) -> None:
    broken, whole = write(now), write(now + timedelta(seconds=1))
    OutgoingMail.objects.filter(pk=broken.pk).update(content=whole.content)  # of another row
    assert attempt(now + timedelta(seconds=1)) == {"waiting": 1, "sent": 1}
    assert len(mail.outbox) == 1


@pytest.mark.django_db
@pytest.mark.spec("RFC 5322 §2.2")
@pytest.mark.parametrize("name", ["Acme\r\nBcc: evil@example.org", "Acme\u2028Bcc: x", "A\tB\x0b\x0cC"])
def test_no_name_of_a_realm_breaks_a_subject(name: str, realm: Realm, now: datetime, mailbox: Mailbox) -> None:
    realm.name = name
    letter = letters.password_changed(realm=realm, username="ana")
    assert letter.subject.isprintable()
    write(now, letter)
    attempt(now)
    message = mail.outbox[0].message()
    assert "Bcc" not in message
    assert "evil" not in str(message["To"])


@pytest.mark.django_db
@pytest.mark.parametrize("to", ["a@example.org\r\nBcc: evil@example.org", "a@example.org\nX: y"])
def test_an_address_with_a_line_break_reaches_nobody(to: str, now: datetime, mailbox: Mailbox) -> None:
    write(now, to=to)
    assert attempt(now) == {"given_up": 1}
    assert mail.outbox == []


@pytest.mark.django_db
@pytest.mark.spec("issue: links built from the realm's issuer")
def test_links_lead_below_the_issuer(realm: Realm) -> None:
    Realm.objects.filter(pk=realm.pk).update(name="<b>Acme & Sons</b>")
    realm.refresh_from_db()
    letter = letters.reset_password(realm=realm, username="ana<&>'", secret="s3")
    assert "\nhttps://id.example.test/new-password?link=s3\n" in letter.text
    assert "ana<&>'" in letter.text, "plain text is not escaped"
    assert "<b>Acme & Sons</b>" in letter.text


@pytest.mark.django_db(transaction=True)
def test_of_many_who_send_at_once_each_mail_is_sent_by_one(now: datetime, mailbox: Mailbox) -> None:
    for number in range(8):
        write(now, to=f"p{number}@example.org")
    sent: list[str] = []

    def worker(_number: int) -> None:
        close_old_connections()
        try:
            send_due(clock=lambda: now, send=lambda message: sent.append(message.to[0]))
        finally:
            connections.close_all()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(worker, range(4)))
    assert sorted(sent) == [f"p{number}@example.org" for number in range(8)]


@pytest.mark.django_db
def test_a_worker_that_was_killed_leaves_a_lease_that_runs_out(now: datetime, mailbox: Mailbox) -> None:
    """Between the commit and the sending, or between the sending and its note: it is sent, at least once."""
    write(now)

    class Killed(BaseException):
        pass

    with pytest.raises(Killed):
        send_due(clock=lambda: now, send=refusing(Killed()))  # type: ignore[arg-type]
    assert attempt(now + LEASE - timedelta(seconds=1)) == {}
    assert attempt(now + LEASE) == {"sent": 1}


@pytest.mark.django_db
def test_the_house_is_kept_without_any_worker(now: datetime, mailbox: Mailbox) -> None:
    write(now)
    assert housekeeping()["sent mails"] is send_while_keeping_house
    assert send_while_keeping_house(now) == 1


@pytest.mark.django_db
def test_the_command_says_what_came_of_it(now: datetime, mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch) -> None:
    write(now - timedelta(minutes=1))
    out = StringIO()
    call_command("deliver_mail", stdout=out)
    assert out.getvalue() == "sent: 1\nwaiting: 0\ngiven up: 0\n"
    write(now - timedelta(minutes=1))
    monkeypatch.setattr(EmailMessage, "send", refusing(OSError()))
    with pytest.raises(SystemExit):
        call_command("deliver_mail", stdout=out)


@pytest.mark.django_db
def test_without_a_server_nothing_is_lost_for_a_day(now: datetime, mailbox: Mailbox, settings: LazySettings) -> None:
    write(now)
    settings.IDP_CAN_MAIL = False
    assert attempt(now) == {"waiting": 1}
    settings.IDP_CAN_MAIL = True
    assert attempt(now + timedelta(minutes=1)) == {"sent": 1}


# --- With threads, and a server -----------------------------------------------------------------------------


class OneSmtp(socketserver.StreamRequestHandler):
    """As much of RFC 5321 as takes a mail."""

    def handle(self) -> None:
        taken: list[bytes] = self.server.taken  # type: ignore[attr-defined]
        self.wfile.write(b"220 here\r\n")
        while line := self.rfile.readline():
            word = line[:4].upper().strip()
            if word == b"DATA":
                self.wfile.write(b"354 go on\r\n")
                text = b""
                while (part := self.rfile.readline()) != b".\r\n":
                    text += part
                taken.append(text)
            self.wfile.write(b"221 bye\r\n" if word == b"QUIT" else b"250 ok\r\n")
            if word == b"QUIT":
                return


class SmtpServer(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), OneSmtp)
        self.taken: list[bytes] = []


@pytest.fixture
def smtp(settings: LazySettings) -> Iterator[SmtpServer]:
    with SmtpServer() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        settings.IDP_CAN_MAIL = True
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", server.server_address[1]
        yield server
        server.shutdown()


@pytest.mark.django_db(transaction=True)
@pytest.mark.spec("issue: sent after the commit by a thread of the workers")
def test_a_mail_is_sent_after_its_commit_and_never_before(realm: Realm, now: datetime, smtp: SmtpServer) -> None:
    with transaction.atomic():
        write(now)
        assert courier._thread is None
    assert courier.join(LIMIT)
    [text] = smtp.taken
    assert b"Subject: Acme: hello" in text
    assert b"From: no-reply@id.example.test" in text
    assert not OutgoingMail.objects.exists()
    with transaction.atomic():
        write(now)
        transaction.set_rollback(True)
    assert courier.join(LIMIT)
    assert len(smtp.taken) == 1


@pytest.mark.django_db(transaction=True)
def test_a_worker_that_starts_sends_what_was_left(
    now: datetime, smtp: SmtpServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(courier, "wake", lambda: None)
        write(now)
    resume()
    assert courier.join(LIMIT)
    assert len(smtp.taken) == 1
    resume()
    assert courier._thread is None


@pytest.mark.django_db
def test_a_server_that_is_away_holds_up_nobody(now: datetime, settings: LazySettings, mailbox: Mailbox) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 1
    write(now)
    assert attempt(now) == {"waiting": 1}
    assert next_mail_attempt() == now + timedelta(seconds=5)


def test_without_a_database_a_worker_starts_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    def away() -> None:
        raise OperationalError

    monkeypatch.setattr(mail_courier, "next_mail_attempt", away)
    resume()
    assert make_round.__module__ == "accounts.services.mail_courier"
    assert set(MailOutcome) == {"sent", "waiting", "given_up"}
