"""What a person says to a device that asked: its user code, then allow or deny (RFC 8628 §3.3, §5.1, §5.4)."""

import logging
import math
from datetime import datetime

from django.db import transaction

from accounts.errors import TooManyAttempts
from accounts.selectors import LiveSession
from accounts.services.attempts import Attempt, reserve
from accounts.services.places import give_back
from accounts.services.presence import noticing_deletion
from audit.services import record
from audit.vocabulary import EventName
from realms.models import Realm
from tokens import user_codes
from tokens.demands import Way
from tokens.errors import ProofDemanded, TooManyRequests, UserCodeRefused
from tokens.models import DeviceAuthorization, Grant
from tokens.selectors import undecided_device
from tokens.services.consent import remember
from tokens.services.device_authorization import digest_of
from tokens.services.grants import new_session_grant
from tokens.services.step_up import lacking_of, way_of

logger = logging.getLogger("signet.tokens")


def asked_under(
    typed: str, *, realm: Realm, live: LiveSession, address: str, now: datetime
) -> tuple[DeviceAuthorization, str]:
    """What a device asked for under a user code.

    Every look at a code takes a place in the limits first, so that parallel guesses count too; a code that
    is right gives it back.

    Arguments:
        typed: as it came, however hostile.
        realm: whose device.
        live: who types it.
        address: of their browser, for the limits.
        now: aware time of the request.

    Returns:
        The row with its client, and the code as it is shown.

    Raises:
        UserCodeRefused: it is none, or not one that waits for somebody; which is not told.
        TooManyRequests: a limit is reached.
        ProofDemanded: the client or its realm demands more than the person proved.
    """
    asked, shown = _found_under(typed, realm=realm, live=live, address=address, now=now)
    _refuse_too_little(asked, realm=realm, live=live)
    return asked, shown


def _found_under(
    typed: str, *, realm: Realm, live: LiveSession, address: str, now: datetime
) -> tuple[DeviceAuthorization, str]:
    code = user_codes.read(typed)
    if code is None:  # that was no guess
        raise UserCodeRefused(detail="malformed")
    try:
        places = reserve(Attempt.USER_CODE, subject=live.person.subject, address=address, now=now)
    except TooManyAttempts as error:
        raise TooManyRequests(detail="limit", retry_after=math.ceil(error.retry_after.total_seconds())) from error
    found = undecided_device(digest_of(code, realm=realm), realm_id=realm.pk, now=now)
    if found is None:
        for limit in (place.budget.name for place in places if place.was_last):
            _record(EventName.USER_CODE_LIMITED, realm, live, live.person.subject, now, limit=limit)
        raise UserCodeRefused(detail="unknown")
    give_back(places)
    return found, user_codes.shown(code)


def _refuse_too_little(asked: DeviceAuthorization, *, realm: Realm, live: LiveSession) -> None:
    lacking = lacking_of(live, client=asked.client, realm=realm)
    if lacking:
        raise ProofDemanded(set_up=way_of(live.person, to=lacking) is Way.SET_UP)


def decide(typed: str, *, allowed: bool, realm: Realm, live: LiveSession, address: str, now: datetime) -> None:
    """Allow or deny what a device asked for; of several decisions at once exactly one counts.

    Arguments:
        allowed: what the person said.
        typed, realm, live, address, now: as `asked_under`; a grant rests on this person and session.

    Raises:
        UserCodeRefused, TooManyRequests, ProofDemanded: as `asked_under`; nothing was granted. To deny, no second
            factor is due.
        PersonGone: they were deleted in this moment.
    """
    asked, _shown = _found_under(typed, realm=realm, live=live, address=address, now=now)
    if allowed:
        _refuse_too_little(asked, realm=realm, live=live)
    with noticing_deletion(live.person), transaction.atomic():
        grant = _granted(asked, realm=realm, live=live, now=now) if allowed else None
        undecided = DeviceAuthorization.objects.filter(pk=asked.pk, decided_at=None, expires_at__gt=now)
        if not undecided.update(decided_at=now, grant=grant):
            raise UserCodeRefused(detail="decided")  # and what was written above is undone
        event = EventName.DEVICE_DENIED if grant is None else EventName.DEVICE_ALLOWED
        target = str(asked.pk if grant is None else grant.pk)
        _record(event, realm, live, target, now, client_id=asked.client.client_id)
    logger.info("%s realm=%s client=%s", event, realm.slug, asked.client.client_id)


def _granted(asked: DeviceAuthorization, *, realm: Realm, live: LiveSession, now: datetime) -> Grant:
    """The grant, and what the client is remembered to be allowed."""
    scopes = tuple(asked.scopes)
    remember(person=live.person, client=asked.client, scopes=scopes, now=now)
    grant = new_session_grant(
        realm=realm,
        client=asked.client,
        live=live,
        scopes=scopes,
        resources=tuple(asked.resources),
        fetched_by=asked.expires_at,
        now=now,
    )
    grant.save(force_insert=True)
    return grant


def _record(event: EventName, realm: Realm, live: LiveSession, target: str, now: datetime, **details: str) -> None:
    actor = f"user:{live.person.subject}"
    record(event, realm=realm.slug, actor=actor, target=target, now=now, details=details)
