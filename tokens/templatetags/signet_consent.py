"""Scopes and destinations in plain words, for the consent page."""

from urllib.parse import urlsplit

from django import template
from django.utils.translation import gettext, gettext_noop

from accounts.addresses import is_loopback

register = template.Library()

_WORDS = {
    "openid": gettext_noop("know who you are here"),
    "profile": gettext_noop("read your name, language and time zone"),
    "email": gettext_noop("read your email address"),
    "address": gettext_noop("read your postal address"),
    "phone": gettext_noop("read your phone number"),
    "offline_access": gettext_noop("stay connected while you are away"),
}


@register.filter
def in_plain_words(scope: str) -> str:
    """What a scope means for the person; a scope of the client's own stands as it is."""
    return gettext(_WORDS[scope]) if scope in _WORDS else scope


@register.filter
def where_it_leads(redirect_uri: str) -> str:
    """Who gets the answer: the host of a web site, or an app on the person's own device (RFC 8252 §7)."""
    parts = urlsplit(redirect_uri)
    if parts.scheme not in ("https", "http"):
        return gettext("the app %(scheme)s on this device") % {"scheme": parts.scheme}
    if is_loopback(parts.hostname):
        return gettext("a program on this device (%(place)s)") % {"place": parts.netloc}
    return parts.netloc
