"""Addresses of the admin, and what a page says."""

import html
import re
from typing import Any

from django.contrib.messages import get_messages

from keys.models import KeyPair, KeyRing

FRONT = "/admin/"
RINGS = "/admin/keys/keyring/"
KEYS = "/admin/keys/keypair/"
ADD_RING = RINGS + "add/"


def of_ring(ring: KeyRing, page: str = "change") -> str:
    return f"{RINGS}{ring.pk}/{page}/"


def of_key(key: KeyPair, page: str = "change") -> str:
    return f"{KEYS}{key.pk}/{page}/"


def words(response: Any) -> str:
    """What a person reads on a page."""
    without_tags = re.sub(r"<[^>]+>", " ", response.content.decode())
    return re.sub(r"\s+", " ", html.unescape(without_tags))


def told(response: Any) -> list[str]:
    """The messages that the next page will show."""
    return [str(message) for message in get_messages(response.wsgi_request)]
