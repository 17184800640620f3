"""Writing realms. Whoever calls records the event: the audit stands above this app."""

import hashlib
import re
from dataclasses import asdict
from datetime import datetime

from django.db import transaction

from realms.errors import IssuerMoved, TermsRefused
from realms.models import SLUG_PATTERN, Logo, Realm
from realms.pictures import Picture
from realms.selectors import DEFAULT_SLUG, issuer_of
from realms.terms import Terms, faults


def ensure_default_realm(*, issuer: str, now: datetime) -> tuple[Realm, bool]:
    """The default realm; made if it is not there.

    Arguments:
        issuer: the site's public base address, without a trailing slash.
        now: aware time of the change.

    Returns:
        The realm, and whether it was made by this call.

    Raises:
        IssuerMoved: the realm exists with another issuer, which every token out there names.
    """
    return ensure_realm(slug=DEFAULT_SLUG, base=issuer, terms=Terms(name="Signet"), now=now)


def ensure_realm(*, slug: str, base: str, terms: Terms, now: datetime) -> tuple[Realm, bool]:
    """A realm; made if it is not there, and left as it is otherwise.

    Arguments:
        slug: its name in addresses.
        base: the site's public base address, without a trailing slash; its issuer follows from that.
        terms: what is decided of it, if it is made.
        now: aware time of the change.

    Returns:
        The realm, and whether it was made by this call.

    Raises:
        TermsRefused: no realm can be called or be like this.
        IssuerMoved: the realm exists with another issuer, which every token out there names.
    """
    if not re.fullmatch(SLUG_PATTERN, slug):
        raise TermsRefused("A slug has 1 to 63 small letters, digits and hyphens, and no hyphen at an end.")
    refuse_terms(terms)
    issuer = issuer_of(slug, base=base)
    realm, created = Realm.objects.get_or_create(
        slug=slug, defaults={**asdict(terms), "issuer": issuer, "created_at": now}
    )
    check_issuer(realm, configured=issuer)
    return realm, created


def change_realm(realm: Realm, *, terms: Terms) -> Realm:
    """Give a realm other terms. Whether its rings vouch for its lifetimes is for the caller to ask (realms/hooks.py).

    Raises:
        TermsRefused: no realm can be like this.
    """
    refuse_terms(terms)
    Realm.objects.filter(pk=realm.pk).update(**asdict(terms))
    realm.refresh_from_db()
    return realm


def change_logo(realm: Realm, *, picture: Picture | None) -> None:
    """Give a realm a logo, or take it away.

    Arguments:
        realm: is brought up to date.
        picture: what its pages show from now on; None for Signet's own.
    """
    realm.logo_digest = hashlib.sha256(picture.content).hexdigest()[:16] if picture else ""
    with transaction.atomic():
        if picture is None:
            Logo.objects.filter(realm=realm).delete()
        else:
            values = {"media_type": picture.media_type, "picture": picture.content}
            Logo.objects.update_or_create(realm=realm, defaults=values)
        Realm.objects.filter(pk=realm.pk).update(logo_digest=realm.logo_digest)


def refuse_terms(terms: Terms) -> None:
    """Refuse what no realm can be like.

    Raises:
        TermsRefused: one sentence a fault.
    """
    found = [f"{name}: {sentence}" for name, sentence in faults(terms)]
    if found:
        raise TermsRefused(" ".join(found))


def check_issuer(realm: Realm, *, configured: str) -> None:
    """Refuse to speak for a realm under another address than its issuer.

    Raises:
        IssuerMoved: the two differ.
    """
    if realm.issuer != configured:
        raise IssuerMoved(
            f"The issuer of this data is {realm.issuer} and can't move to {configured}, because every token "
            f"and every service names it: start with the old address (IDP_ISSUER, PORT) or with other data."
        )
