"""Telling clients of logouts (OpenID Connect Back-Channel Logout §2.5): claim, sign, post, write down what came of it.

At least once: a row is claimed by one statement that moves its next attempt to the end of a lease. Nothing is
locked and no transaction is open while a client is waited for; a worker that dies leaves a lease that runs out.
"""

import logging
import random
import secrets
import time
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta

from django.db import connection, transaction

from audit.services import Details, record
from audit.vocabulary import EventName
from keys.errors import KeysError
from tokens.logout_post import post_logout_token
from tokens.logout_token import JTI_BYTES, LOGOUT_TOKEN_TYPE, logout_token_claims
from tokens.models import LogoutDelivery
from tokens.redelivery import Delivered, TryAgain, verdict
from tokens.services.issuance import token_for_client
from tokens.services.live_grants import id_token_encryption, sid_for, subject_for
from tokens.vocabulary import DeliveryState, LogoutFailure

logger = logging.getLogger("signet.logout")

Clock = Callable[[], datetime]
Post = Callable[[str, str], str]  # takes the address and the token, gives the HTTP status or a LogoutFailure

LEASE = timedelta(minutes=1)  # longer than anybody waits for a client
_HOUSEKEEPING = timedelta(minutes=1)  # for as long rotate_keys delivers, at most
# A client that is away keeps nobody else waiting: last come those whose silence was waited for in vain, and first
# attempts come before further ones. With IN instead of = PostgreSQL may ask the inner question anew for each row,
# and lease many where one is meant.
_SILENCE: list[str] = [LogoutFailure.TIMEOUT, LogoutFailure.UNREACHABLE]
_CLAIM = """
    UPDATE tokens_logoutdelivery SET attempts = attempts + 1, next_attempt_at = %(lease)s
    WHERE id = (
        SELECT id FROM tokens_logoutdelivery
        WHERE delivered_at IS NULL AND given_up_at IS NULL AND next_attempt_at <= %(due)s
        ORDER BY client_id IN (
            SELECT client_id FROM tokens_logoutdelivery
            WHERE delivered_at IS NULL AND given_up_at IS NULL AND last_outcome = ANY(%(silence)s)
        ), attempts, next_attempt_at LIMIT 1 FOR UPDATE SKIP LOCKED
    )
    RETURNING id
"""


def deliver_due(
    *,
    clock: Clock,
    until: datetime | None = None,
    post: Post = post_logout_token,
    chance: Callable[[], float] = random.random,
) -> Counter[DeliveryState]:
    """Make one attempt at everything that is due now. Safe at any time, from any number of workers at once.

    Arguments:
        clock: tells the time; it goes on while clients are waited for.
        until: begin no further attempt from this moment on.
        post: sends a token.
        chance: from 0 to 1; spreads the next attempts.

    Returns:
        How many of them were delivered, given up, or are waiting for another attempt.
    """
    done: Counter[DeliveryState] = Counter()
    due = now = clock()
    while until is None or now < until:
        claimed = _claim(due=due, now=now)
        if claimed is None:
            break
        outcome = _attempt(claimed, now=now, post=post)
        now = clock()
        done[_settle(claimed, outcome, now=now, chance=chance())] += 1
    return done


def deliver_while_keeping_house(now: datetime) -> int:
    """What `rotate_keys` does for logouts that are still waiting, for a minute at most.

    Returns:
        How many were delivered.
    """
    began = time.monotonic()
    done = deliver_due(clock=lambda: now + timedelta(seconds=time.monotonic() - began), until=now + _HOUSEKEEPING)
    return done[DeliveryState.DELIVERED]


def _claim(*, due: datetime, now: datetime) -> LogoutDelivery | None:
    """Take one row that is due, for the length of a lease; None where there is none that nobody else takes."""
    with connection.cursor() as cursor:
        cursor.execute(_CLAIM, {"due": due, "lease": now + LEASE, "silence": _SILENCE})
        row = cursor.fetchone()
    if row is None:
        return None
    return LogoutDelivery.objects.select_related("realm", "client").get(pk=row[0])


def _attempt(delivery: LogoutDelivery, *, now: datetime, post: Post) -> str:
    """Send a fresh token; a word for what came of it. What stands in the way on our side counts as an attempt too."""
    if not delivery.realm.enabled:
        return LogoutFailure.REALM_DISABLED
    if not delivery.client.enabled:
        return LogoutFailure.CLIENT_DISABLED
    if not delivery.client.backchannel_logout_uri:
        return LogoutFailure.NO_ADDRESS
    try:
        token = _logout_token(delivery, now=now)
    except KeysError as error:
        logger.error("logout.not_signed realm=%s error=%s", delivery.realm.slug, type(error).__name__)  # noqa: TRY400
        return LogoutFailure.NO_KEY
    return post(delivery.client.backchannel_logout_uri, token)


def _logout_token(delivery: LogoutDelivery, *, now: datetime) -> str:
    """The token, signed and encrypted as the client's ID tokens are (§2.4)."""
    realm, client = delivery.realm, delivery.client
    claims = logout_token_claims(
        issuer=realm.issuer,
        client_id=client.client_id,
        subject=subject_for(delivery.subject, client=client, realm=realm),
        sid=sid_for(delivery.sid, client=client, realm=realm),
        issued_at=now,
        random=secrets.token_bytes(JTI_BYTES),
    )
    return token_for_client(
        claims,
        typ=LOGOUT_TOKEN_TYPE,
        algorithm=client.id_token_alg,
        encryption=id_token_encryption(client),
        realm=realm,
        now=now,
    )


def _settle(delivery: LogoutDelivery, outcome: str, *, now: datetime, chance: float) -> DeliveryState:
    """Write down what came of an attempt; a failure only where nobody else has taken the row since."""
    decided = verdict(outcome, attempts=delivery.attempts, chance=chance)
    waiting = LogoutDelivery.objects.filter(pk=delivery.pk, delivered_at__isnull=True)
    if isinstance(decided, Delivered):
        waiting.update(delivered_at=now, given_up_at=None, last_outcome=outcome)
        _log(DeliveryState.DELIVERED, delivery, outcome)
        return DeliveryState.DELIVERED
    ours = waiting.filter(attempts=delivery.attempts, given_up_at__isnull=True)
    if isinstance(decided, TryAgain):
        ours.update(next_attempt_at=now + decided.pause, last_outcome=outcome)
        _log(DeliveryState.WAITING, delivery, outcome)
        return DeliveryState.WAITING
    _log(DeliveryState.GIVEN_UP, delivery, outcome)
    with transaction.atomic():
        if ours.update(given_up_at=now, last_outcome=outcome):
            details: Details = {
                "client_id": delivery.client.client_id,
                "outcome": outcome,
                "attempts": delivery.attempts,
            }
            realm = delivery.realm.slug
            record(EventName.LOGOUT_GIVEN_UP, realm=realm, actor="", target=delivery.sid, now=now, details=details)
    return DeliveryState.GIVEN_UP


def _log(state: DeliveryState, delivery: LogoutDelivery, outcome: str) -> None:
    logger.info(
        "logout.%s realm=%s client=%s sid=%s outcome=%s attempts=%s",
        state,
        delivery.realm.slug,
        delivery.client.client_id,
        delivery.sid,
        outcome,
        delivery.attempts,
    )
