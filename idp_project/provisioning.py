"""Making a realm with everything that it needs: the default one by `bootstrap`, others by `create_realm`."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from audit.services import record
from audit.vocabulary import EventName
from keys.selectors import rings
from keys.services.bootstrapping import Clock, ensure_keys, ensure_rings
from realms.errors import TermsRefused
from realms.hooks import lifetime_faults
from realms.models import Realm
from realms.services import ensure_realm
from realms.terms import Terms
from tokens.services.clients import ensure_direct_client


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """What the settings say of all realms.

    Attributes:
        base: the site's public base address, the default realm's issuer.
        expired_tokens: whether realms have the ring that signs expired tokens for tests.
    """

    base: str
    expired_tokens: bool


def provide_realm(
    *,
    slug: str,
    terms: Terms,
    site: Site,
    actor: str,
    clock: Clock,
    say: Callable[[str], None],
    with_keys: bool = True,
) -> tuple[Realm, bool]:
    """Make what is missing of a realm, its rings, their first keys and its built-in client; the rest stays as it is.

    The rows come first, all or none of them, and the keys after that, outside of any transaction: whoever is
    stopped in between calls it again.

    Arguments:
        slug: the realm's name in addresses.
        terms: what is decided of it, if it is made.
        site: what the settings say.
        actor: opaque id of who does it, for the audit.
        clock: reads this machine's clock.
        say: is told what is made, since an RSA key takes seconds.
        with_keys: make first keys; without, an import of keys comes next.

    Returns:
        The realm, and whether it was made by this call.

    Raises:
        RealmError: the slug or the terms are refused, also by what its rings vouch for, or the realm has another
            issuer.
        KeysError: a ring or a key can't be made; the message says why.
    """
    now = clock()
    with transaction.atomic():
        realm, created = ensure_realm(slug=slug, base=site.base, terms=terms, now=now)
        if created:
            record_realm_created(realm, actor=actor, now=now)
        ensure_rings(realm, expired_tokens=site.expired_tokens, actor=actor, now=now)
        if created:
            _refuse_unserved(realm)
        ensure_direct_client(realm=realm, actor=actor, now=now)
    if with_keys:
        ensure_keys(rings(realm=realm.slug), actor=actor, clock=clock, say=say)
    return realm, created


def _refuse_unserved(realm: Realm) -> None:
    found = lifetime_faults(realm, access=realm.access_token_lifetime, refresh=realm.refresh_absolute_lifetime)
    if found:
        raise TermsRefused(" ".join(found))


def record_realm_created(realm: Realm, *, actor: str, now: datetime) -> None:
    """Append the event of a new realm."""
    record(EventName.REALM_CREATED, realm=realm.slug, actor=actor, target=realm.issuer, now=now)
