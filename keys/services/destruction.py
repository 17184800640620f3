"""Having custodians destroy what they keep, after its row was wiped: outside of any transaction, again until it works.

`destroyed_at` beside a reference says that nothing here uses the key any more, and that its custodian has
yet to confirm. Nothing waits for that: the key is distrusted, or past its time, without it.
"""

import logging
from collections.abc import Sequence
from datetime import datetime

from django.db import transaction

from audit.services import record
from audit.vocabulary import EventName
from keys.custodians import custodian_named
from keys.errors import KeysError
from keys.models import KeyPair
from keys.selectors import awaiting_destruction
from keys.services.thumbprints import thumbprint_of

ACTOR = "keys:destruction"
logger = logging.getLogger("signet.keys")


def destroy_kept(ring_id: int, *, now: datetime) -> None:
    """Destroy what custodians keep of a ring's wiped keys; what fails is logged, and the housekeeping tries again."""
    _destroy_all(awaiting_destruction(ring_id=ring_id), now)


def destroy_everything_kept(now: datetime) -> int:
    """The housekeeping: destroy what custodians keep of any wiped key.

    Arguments:
        now: aware.

    Returns:
        How many keys custodians destroyed.

    Raises:
        KeysError: a custodian doesn't confirm; the others were asked all the same.
    """
    done, failure = _destroy_all(awaiting_destruction(), now)
    if failure is not None:
        raise failure
    return done


def _destroy_all(keys: Sequence[KeyPair], now: datetime) -> tuple[int, KeysError | None]:
    """One failure a custodian: one that doesn't answer is not asked again for its other keys."""
    done, failures = 0, dict[str, KeysError]()
    for key in keys:
        if key.custodian in failures:
            continue
        try:
            custodian_named(key.custodian).destroy(key.custodian_reference)
        except KeysError as error:
            logger.error(  # noqa: TRY400
                "custodian.not_destroyed custodian=%s kid=%s error=%s", key.custodian, key.kid, type(error).__name__
            )
            failures[key.custodian] = error
            continue
        done += _confirm(key, now)
    return done, next(iter(failures.values()), None)


def _confirm(key: KeyPair, now: datetime) -> int:
    with transaction.atomic():
        rows = KeyPair.objects.filter(pk=key.pk, custodian_reference=key.custodian_reference)
        confirmed = rows.update(custodian_reference="")
        if confirmed:  # two runs may have asked at once: one of them tells
            record(
                EventName.KEY_DESTROYED_BY_CUSTODIAN,
                realm=key.realm.slug,
                actor=ACTOR,
                target=key.kid,
                now=now,
                details={"custodian": key.custodian, **thumbprint_of(key.public_jwk)},
            )
    return confirmed
