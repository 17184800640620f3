"""A year of a provider's life, as its pages show it: keys that took turns, people, applications. Import after setup."""

import struct
import zlib
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from django.conf import settings

from accounts.models import User
from accounts.services.people import create_member
from keys.models import KeyPair, KeyRing
from keys.services.bootstrapping import ensure_rings
from keys.services.compromise import compromise
from keys.services.rotation import rotate
from realms.models import Realm
from realms.pictures import picture_of
from realms.selectors import terms_of
from realms.services import change_logo, change_realm, ensure_realm
from realms.terms import Terms
from realms.vocabulary import Registration
from tokens.client_metadata import ClientMetadata
from tokens.services.clients import create_client, ensure_direct_client
from tokens.vocabulary import GrantType

MOMENT = datetime(2026, 11, 20, 9, 41, tzinfo=UTC)
BEGAN = MOMENT - timedelta(days=395)
HOUSE = "museum"
OPERATOR, PERSON = "m.okafor", "ana.ribeiro"
_ACTOR = "command:rotate_keys"
_PEOPLE = (PERSON, "b.lindqvist", "chen.wei", "d.moreau", "e.schulz")
_ACCENT, _ACCENT_DARK = "#1f5f8b", "#8cc6ee"


def make_rows(*, password: str, callback: str) -> str:
    """Make everything.

    Arguments:
        password: of everybody.
        callback: where the application listens.

    Returns:
        The application's secret.
    """
    default = _realm("default", Terms(name="Signet"), began=BEGAN)
    museum = _realm(HOUSE, Terms(name="Harbour Museum", accent=_ACCENT, accent_dark=_ACCENT_DARK), began=MOMENT)
    change_realm(museum, terms=replace(terms_of(museum), registration=Registration.OPEN))
    change_logo(museum, picture=picture_of(_logo()))
    for ring in KeyRing.objects.filter(realm=default):
        _take_turns(ring)
    for realm in (default, museum):
        _people(realm, _PEOPLE if realm == default else (f"{PERSON}.museum",), password)
    operator = create_member(
        username=OPERATOR, password=password, operator=True, realm=default, actor=_ACTOR, now=BEGAN
    )
    operator.save()
    return _application(default, callback)


def _realm(slug: str, terms: Terms, *, began: datetime) -> Realm:
    """A realm whose first keys were made when it began; `create_realm` would ask the database's clock for that."""
    realm, _created = ensure_realm(slug=slug, base=settings.IDP_ISSUER, terms=terms, now=began)
    ensure_rings(realm, expired_tokens=False, actor=_ACTOR, now=began)
    ensure_direct_client(realm=realm, actor=_ACTOR, now=began)
    for ring in KeyRing.objects.filter(realm=realm):
        rotate(ring, now=began, actor=_ACTOR, clock=lambda: began)
    return realm


def _take_turns(ring: KeyRing) -> None:
    """Run what the scheduler would have run, every three days; one key was seen in a log in between."""
    at = BEGAN
    condemned = ring.algorithm == "ES256"
    while at < MOMENT:
        at = min(at + timedelta(days=3), MOMENT)
        now = at
        rotate(ring, now=now, actor=_ACTOR, clock=lambda: now)  # noqa: B023 - called at once
        if condemned and at > BEGAN + timedelta(days=200):
            active = KeyPair.objects.filter(ring=ring, activates_at__lte=at).latest("activates_at")
            compromise(active, actor=f"user:{OPERATOR}", reason="Seen in a log", clock=lambda: now)  # noqa: B023
            condemned = False


def _people(realm: Realm, names: Iterable[str], password: str) -> None:
    for days, name in enumerate(names):
        now = min(BEGAN + timedelta(days=30 * days), MOMENT)
        email = f"{name}@example.org"
        person = create_member(username=name, password=password, email=email, realm=realm, actor=_ACTOR, now=now)
        User.objects.filter(pk=person.pk).update(email_verified=True)


def _application(realm: Realm, callback: str) -> str:
    metadata = ClientMetadata(
        grant_types=(GrantType.AUTHORIZATION_CODE, GrantType.REFRESH_TOKEN),
        redirect_uris=(f"{callback}/callback",),
        scopes=("openid", "profile", "email", "offline_access"),
        client_uri="https://notes.example.org/",
        policy_uri="https://notes.example.org/privacy",
        tos_uri="https://notes.example.org/terms",
    )
    _client, secret = create_client(
        realm=realm, client_id="notes", name="Field Notes", metadata=metadata, actor=_ACTOR, now=BEGAN
    )
    return str(secret)


def _logo(side: int = 96) -> bytes:
    """A sail over water, drawn here: a PNG with an alpha channel (W3C PNG §11)."""
    rows = bytearray()
    for y in range(side):
        rows.append(0)
        for x in range(side):
            sail = 14 <= y < 66 and abs(x - side // 2 - (y - 40) // 8) * 2 < (y - 8)
            water = y >= 72 and (y + (x // 12 % 2) * 3) % 10 < 6
            rows += bytes((0x1F, 0x5F, 0x8B, 255) if sail or water else (0, 0, 0, 0))
    header = struct.pack(">IIBBBBB", side, side, 8, 6, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(bytes(rows), 9)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in chunks
    )
