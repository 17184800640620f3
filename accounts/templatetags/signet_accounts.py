"""How somebody proved who they are, in plain words."""

from collections.abc import Sequence

from django import template
from django.utils.translation import gettext, gettext_noop

register = template.Library()

# RFC 8176 §2. A word that isn't here stands as it is.
_WORDS = {
    "pwd": gettext_noop("password"),
    "otp": gettext_noop("one-time code"),
    "hwk": gettext_noop("security key"),
    "swk": gettext_noop("key on a device"),
    "fed": gettext_noop("another provider"),
}


@register.filter
def methods_in_plain_words(methods: Sequence[str]) -> str:
    """The authentication methods of a session, one after the other."""
    return ", ".join(gettext(_WORDS[method]) if method in _WORDS else method for method in methods)
