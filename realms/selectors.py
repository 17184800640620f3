"""Reading realms."""

from collections.abc import Sequence

from realms.models import Realm

DEFAULT_SLUG = "default"


def default_realm() -> Realm | None:
    """The realm whose issuer is the site itself, or None before `manage.py bootstrap`."""
    return realm_by_slug(DEFAULT_SLUG)


def realm_by_slug(slug: str) -> Realm | None:
    """The realm with this slug, or None."""
    return Realm.objects.filter(slug=slug).first()


def all_realms() -> Sequence[Realm]:
    """Every realm, by slug."""
    return list(Realm.objects.all())
