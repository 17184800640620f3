"""Writing realms. Whoever calls records the event: the audit stands above this app."""

from datetime import datetime

from realms.errors import IssuerMoved
from realms.models import Realm
from realms.selectors import DEFAULT_SLUG


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
    realm, created = Realm.objects.get_or_create(
        slug=DEFAULT_SLUG, defaults={"name": "Signet", "issuer": issuer, "created_at": now}
    )
    check_issuer(realm, configured=issuer)
    return realm, created


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
