"""How somebody proved who they are, in plain words."""

from collections.abc import Sequence

from django import template
from django.utils.translation import gettext, gettext_noop

from accounts.acr import PRESENCE, SECOND_FACTOR

register = template.Library()

# RFC 8176 §2, as far as they say with what. A word that isn't here stands as it is.
_WORDS = {
    "pwd": gettext_noop("password"),
    "otp": gettext_noop("one-time code"),
    "pop": gettext_noop("passkey"),
    "fed": gettext_noop("another provider"),
}
_ADDED = frozenset({PRESENCE, SECOND_FACTOR})  # what these words say, the others show


@register.filter
def methods_in_plain_words(methods: Sequence[str]) -> str:
    """The authentication methods of a session, one after the other."""
    shown = [method for method in methods if method not in _ADDED]
    return ", ".join(gettext(_WORDS[method]) if method in _WORDS else method for method in shown)
