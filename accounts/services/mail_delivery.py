"""Handing mails over: claim, unseal, send, and forget or try again (RFC 5321 §4.5.4).

At least once: a row is claimed by one statement that moves its next attempt to the end of a lease. Nothing is
locked and no transaction is open while a mail server is waited for; a worker that dies leaves a lease that runs out.
"""

import json
import logging
import random
import smtplib
import time
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta

from django.conf import settings
from django.core.mail import BadHeaderError, EmailMessage
from django.db import connection, transaction

from accounts.errors import NoMail
from accounts.mail_retries import next_attempt
from accounts.models import OutgoingMail
from accounts.vocabulary import MailOutcome
from audit.services import Details, record
from audit.vocabulary import EventName
from keys import api as keys

logger = logging.getLogger("signet.mail")

Clock = Callable[[], datetime]
Send = Callable[[EmailMessage], object]

CONTENT = keys.SealedColumn(label="accounts.OutgoingMail", column="content", purpose="outgoing-mail")
LEASE = timedelta(minutes=2)  # longer than a mail server is waited for
_HOUSEKEEPING = timedelta(minutes=1)  # for as long rotate_keys sends, at most
_PERMANENT = 500  # RFC 5321 §4.2.1: replies from here on say that trying again is of no use
# With IN instead of = PostgreSQL may ask the inner question anew for each row, and lease many where one is meant.
_CLAIM = """
    UPDATE accounts_outgoingmail SET attempts = attempts + 1, next_attempt_at = %(lease)s
    WHERE id = (
        SELECT id FROM accounts_outgoingmail WHERE next_attempt_at <= %(due)s
        ORDER BY attempts, next_attempt_at LIMIT 1 FOR UPDATE SKIP LOCKED
    )
    RETURNING id
"""


def send_due(
    *,
    clock: Clock,
    until: datetime | None = None,
    send: Send | None = None,
    chance: Callable[[], float] = random.random,
) -> Counter[MailOutcome]:
    """Make one attempt at every mail that is due now. Safe at any time, from any number of workers at once.

    Arguments:
        clock: tells the time; it goes on while the mail server is waited for.
        until: begin no further attempt from this moment on.
        send: hands a message over; by the settings where left out.
        chance: from 0 to 1; spreads the next attempts.

    Returns:
        How many of them were sent, given up, or are waiting for another attempt.
    """
    done: Counter[MailOutcome] = Counter()
    due = now = clock()
    while until is None or now < until:
        mail = _claim(due=due, now=now)
        if mail is None:
            break
        fault, final = _attempt(mail, send=send or EmailMessage.send)
        now = clock()
        if not fault:
            done[_forget(mail)] += 1
        else:
            done[_settle(mail, fault, final=final, now=now, chance=chance())] += 1
    return done


def send_while_keeping_house(now: datetime) -> int:
    """What `rotate_keys` does for mails that are still waiting, for a minute at most.

    Returns:
        How many were sent.
    """
    began = time.monotonic()
    done = send_due(clock=lambda: now + timedelta(seconds=time.monotonic() - began), until=now + _HOUSEKEEPING)
    return done[MailOutcome.SENT]


def _claim(*, due: datetime, now: datetime) -> OutgoingMail | None:
    """Take one row that is due, for the length of a lease; None where there is none that nobody else takes."""
    with connection.cursor() as cursor:
        cursor.execute(_CLAIM, {"due": due, "lease": now + LEASE})
        row = cursor.fetchone()
    return None if row is None else OutgoingMail.objects.filter(pk=row[0]).first()


def _attempt(mail: OutgoingMail, *, send: Send) -> tuple[str, bool]:
    """Hand it over; a word for what is wrong, "" where nothing is, and whether that is for good."""
    if mail.content is None:
        return "", False
    fault, final = "", False
    try:
        send(_message(mail))
    except smtplib.SMTPRecipientsRefused as error:
        fault, final = "refused", all(code >= _PERMANENT for code, _words in error.recipients.values())
    except BadHeaderError:
        fault, final = "bad_header", True
    except Exception as error:  # noqa: BLE001  (whatever the back end raises: the other mails wait for their turn)
        fault = type(error).__name__
    return fault, final


def _message(mail: OutgoingMail) -> EmailMessage:
    if not settings.IDP_CAN_MAIL:
        raise NoMail("The settings name no mail server any more.")
    content = json.loads(keys.unseal(bytes(mail.content or b""), column=CONTENT, row=str(mail.pk)))
    automatic = {"Auto-Submitted": "auto-generated"}  # RFC 3834 §5: nobody's absence answers it
    return EmailMessage(content["subject"], content["text"], to=[content["to"]], headers=automatic)


def _forget(mail: OutgoingMail) -> MailOutcome:
    OutgoingMail.objects.filter(pk=mail.pk).delete()
    if mail.content is not None:
        logger.info("mail.sent mail=%s attempts=%s", mail.pk, mail.attempts)
    return MailOutcome.SENT


def _settle(mail: OutgoingMail, fault: str, *, final: bool, now: datetime, chance: float) -> MailOutcome:
    """Write down that it failed, where nobody else has taken the row since."""
    ours = OutgoingMail.objects.filter(pk=mail.pk, attempts=mail.attempts)
    following = next_attempt(attempts=mail.attempts, created_at=mail.created_at, now=now, chance=chance)
    if following is not None and not final:
        ours.update(next_attempt_at=following)
        logger.warning("mail.waiting mail=%s fault=%s attempts=%s", mail.pk, fault, mail.attempts)
        return MailOutcome.WAITING
    logger.error("mail.given_up mail=%s fault=%s attempts=%s", mail.pk, fault, mail.attempts)
    with transaction.atomic():
        deleted, _by_model = ours.delete()
        if deleted:
            details: Details = {"fault": fault, "attempts": mail.attempts}
            record(EventName.MAIL_GIVEN_UP, realm="", actor="", target=str(mail.pk), now=now, details=details)
    return MailOutcome.GIVEN_UP
