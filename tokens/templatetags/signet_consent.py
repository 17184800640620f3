"""Scopes in plain words, for the consent page."""

from django import template

register = template.Library()

_WORDS = {
    "openid": "know who you are here",
    "profile": "read your name, language and time zone",
    "email": "read your email address",
    "address": "read your postal address",
    "phone": "read your phone number",
    "offline_access": "stay connected while you are away",
}


@register.filter
def in_plain_words(scope: str) -> str:
    """What a scope means for the person; a scope of the client's own stands as it is."""
    return _WORDS.get(scope, scope)
