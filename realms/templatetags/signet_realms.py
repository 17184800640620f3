"""Where a page finds the look of its realm."""

from urllib.parse import urlencode

from django import template
from django.urls import reverse

from realms.models import Realm
from realms.selectors import DEFAULT_SLUG

register = template.Library()


@register.simple_tag
def theme_of(realm: Realm | str) -> str:
    """The address of a realm's style sheet; "" where it has no colours of its own, or where there is no realm."""
    if not isinstance(realm, Realm) or not (realm.accent or realm.accent_dark):
        return ""
    return _address("theme", realm, f"{realm.accent}{realm.accent_dark}")


@register.simple_tag
def logo_of(realm: Realm | str) -> str:
    """The address of a realm's logo; "" where it has none, or where there is no realm."""
    return _address("logo", realm, realm.logo_digest) if isinstance(realm, Realm) and realm.logo_digest else ""


def _address(name: str, realm: Realm, shown: str) -> str:
    """The path, with what changes when the look does, so that nobody is shown what a browser kept."""
    own = {} if realm.slug == DEFAULT_SLUG else {"realm": realm.slug}
    path = reverse(f"realm:{name}" if own else name, kwargs=own)
    return f"{path}?{urlencode({'v': shown.replace('#', '')})}"
