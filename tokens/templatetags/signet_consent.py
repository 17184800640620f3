"""Scopes in plain words, for the consent page."""

from django import template
from django.utils.translation import gettext, gettext_noop

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
