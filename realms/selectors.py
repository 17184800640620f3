"""Reading realms."""

from collections.abc import Sequence
from dataclasses import fields

from realms.models import Logo, Realm
from realms.terms import Terms
from realms.vocabulary import Registration

DEFAULT_SLUG = "default"


def default_realm() -> Realm | None:
    """The realm whose issuer is the site itself, or None before `manage.py bootstrap`."""
    return realm_by_slug(DEFAULT_SLUG)


def realm_by_slug(slug: str) -> Realm | None:
    """The realm with this slug, or None."""
    return Realm.objects.filter(slug=slug).first()


def logo_of(realm: Realm) -> Logo | None:
    """The realm's picture, or None."""
    return Logo.objects.filter(realm=realm).first()


def all_realms() -> Sequence[Realm]:
    """Every realm, by slug."""
    return list(Realm.objects.all())


def issuer_of(slug: str, *, base: str) -> str:
    """The issuer that a realm has: the default one's is the site itself, another's lies below it.

    Arguments:
        base: the site's public base address, without a trailing slash.
    """
    return base if slug == DEFAULT_SLUG else f"{base}/realms/{slug}"


def terms_of(realm: Realm) -> Terms:
    """What is decided of a realm."""
    columns = {column.name: getattr(realm, column.name) for column in fields(Terms)}
    return Terms(**{**columns, "registration": Registration(realm.registration)})
