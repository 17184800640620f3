"""The keys that another provider publishes for everybody: those that are of use here (RFC 7517 §5)."""

from typing import Any

from keys.errors import ForeignKeyRefused
from keys.foreign_keys import MAX_KEYS, clean_jwks, jwks_object, signature_keys


def usable_jwks(text: str) -> dict[str, Any]:
    """The keys of another provider's JWK Set that sign and are sound; all else in it is passed over.

    Arguments:
        text: the JSON.

    Returns:
        A set that `signature_keys` takes whole, with the members that are used here.

    Raises:
        ForeignKeyRefused: it is too long, not JSON with each member once, has no or too many keys, none of them
            is of use here, or two of those share a kid.
    """
    listed = jwks_object(text).get("keys")
    if not isinstance(listed, list) or not 0 < len(listed) <= MAX_KEYS:
        raise ForeignKeyRefused(f"A JWK Set has a list of 1 to {MAX_KEYS} keys.")
    usable = {"keys": [sound for jwk in listed for sound in _sound(jwk)]}
    if not usable["keys"]:
        raise ForeignKeyRefused("No key of the JWK Set is a sound one for signatures.")
    signature_keys(usable)
    return usable


def _sound(jwk: Any) -> list[Any]:
    """The key as it is stored; none where it doesn't sign, or isn't sound."""
    alone = {"keys": [jwk]}
    try:
        signature_keys(alone)
        return list(clean_jwks(alone)["keys"])
    except ForeignKeyRefused:
        return []
