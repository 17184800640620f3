"""Whether what a client registers anew would be signed by a key that its verifiers can't know yet."""

from datetime import datetime

from keys import api
from keys.errors import KeysError
from realms.models import Realm
from tokens.client_metadata import ClientMetadata
from tokens.services.clients import ClientRefused

_COLUMNS = ("access_token_alg", "id_token_alg", "userinfo_alg")


def refuse_early_algorithms(present: ClientMetadata, wanted: ClientMetadata, *, realm: Realm) -> None:
    """Refuse a switch to an algorithm whose key is younger than the propagation, while everybody knows the present one.

    In a realm that is that young itself nobody holds an older copy of the JWKS, and where the present key can't sign
    any more nothing is lost.

    Arguments:
        present: what the client has registered.
        wanted: what it is to have.
        realm: whose client it is.

    Raises:
        ClientRefused: the sentence says from when on it may.
    """
    for column in _COLUMNS:
        before, after = getattr(present, column), getattr(wanted, column)
        if before in ("", after) or not after:
            continue
        until = _unknown_until(realm, after)
        if until is not None and _is_known(realm, before):
            raise ClientRefused(
                f"Verifiers may not know the key that signs with {after} before {until:%Y-%m-%d %H:%M:%S} UTC: change "
                f"it then, or step by step with migrate_algorithm."
            )


def _unknown_until(realm: Realm, algorithm: str) -> datetime | None:
    try:
        return api.propagates_until(realm, algorithm)
    except KeysError:  # it signs nothing: other rules speak of that
        return None


def _is_known(realm: Realm, algorithm: str) -> bool:
    try:
        return api.propagates_until(realm, algorithm) is None
    except KeysError:
        return False
