"""The custodian 'pkcs11': a token (HSM) that wraps data keys with AES-GCM, or keeps private keys and signs.

Whatever it is asked to keep must say of itself that it never leaves the token; otherwise it isn't used.
"""

import re

from django.conf import settings

from keys.custodians import pkcs11_keys
from keys.custodians.binding import associated_data
from keys.custodians.pkcs11_token import TOKEN, TokenSettings
from keys.custodians.remote_key import RemoteKey
from keys.errors import CustodianNotConfigured, CustodianRefused, MissingMasterSecret, UnavailableAlgorithm

_ID_PREFIX = "pkcs11/"
_LABEL = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)
_REFERENCE = re.compile(r"[0-9a-f]{32}", re.ASCII)


class Pkcs11Custodian:
    """Keys in the token that `IDP_PKCS11_MODULE` and `IDP_PKCS11_TOKEN` name."""

    name = "pkcs11"
    remote_algorithms = pkcs11_keys.REMOTE_ALGORITHMS

    def wrapping_id(self) -> str:
        """`pkcs11/` and the label of the wrapping key: another label is another secret, to which a rewrap moves."""
        return _ID_PREFIX + _wrapping_label()

    def wrap(self, data_key: bytes, *, purpose: str, bound: bytes) -> bytes:
        """Wrap a data key with the wrapping key, whose label and purpose are bound to it too."""
        label = _wrapping_label()
        aad = associated_data(_ID_PREFIX + label, purpose, bound)
        return TOKEN.perform(_token(), lambda token: pkcs11_keys.wrap(token, label, data_key, aad))

    def unwrap(self, wrapped: bytes, *, secret_id: str, purpose: str, bound: bytes) -> bytes:
        """Unwrap a data key.

        Raises:
            MissingMasterSecret: no key of the token can have wrapped it.
            SealBroken: altered, moved, or wrapped by another key of this label.
        """
        label = secret_id.removeprefix(_ID_PREFIX)
        if not secret_id.startswith(_ID_PREFIX) or not _LABEL.fullmatch(label):
            raise MissingMasterSecret(f"A value was sealed under {secret_id!r}, which is no key of a PKCS #11 token.")
        if len(wrapped) < pkcs11_keys.SHORTEST_WRAPPED:
            raise pkcs11_keys.broken(label)
        aad = associated_data(secret_id, purpose, bound)
        return TOKEN.perform(_token(), lambda token: pkcs11_keys.unwrap(token, label, wrapped, aad))

    def make_key(self, *, algorithm: str, bits: int | None) -> RemoteKey:
        """Make a key pair in the token and read back that its private half can't leave.

        Raises:
            UnavailableAlgorithm: neither this custodian nor, perhaps, the token makes such keys.
            CustodianRefused: the token would let the private half out; the pair is destroyed again.
        """
        if algorithm not in self.remote_algorithms or (algorithm in {"RS256", "PS256"} and bits is None):
            raise UnavailableAlgorithm(f"The custodian 'pkcs11' makes no keys for {algorithm}, {bits or 'no'} bits.")
        return TOKEN.perform(_token(), lambda token: pkcs11_keys.make_pair(token, algorithm, bits), again=False)

    def sign(self, message: bytes, *, reference: str, algorithm: str) -> bytes:
        """Sign with a key of the token (RFC 7518 §3.3 to §3.5, RFC 8037 §3.1)."""
        if algorithm not in self.remote_algorithms:
            raise CustodianRefused(f"The custodian 'pkcs11' doesn't sign with {algorithm}.")
        _check(reference)
        return TOKEN.perform(_token(), lambda token: pkcs11_keys.sign(token, message, reference, algorithm))

    def destroy(self, reference: str) -> None:
        """Destroy both halves of a key."""
        _check(reference)
        TOKEN.perform(_token(), lambda token: pkcs11_keys.destroy(token, reference))

    def make_wrapping_key(self) -> str:
        """Make the AES-256 key that `IDP_PKCS11_KEY` names; for `manage.py make_wrapping_key`.

        Returns:
            The id under which sealed values name it.

        Raises:
            CustodianRefused: the token has one of this label already.
        """
        label = _wrapping_label()
        TOKEN.perform(_token(), lambda token: pkcs11_keys.make_wrapping_key(token, label), again=False)
        return _ID_PREFIX + label


def _token() -> TokenSettings:
    found = TokenSettings(settings.IDP_PKCS11_MODULE, settings.IDP_PKCS11_TOKEN, settings.IDP_PKCS11_PIN)
    if not (found.module and found.label and found.pin):
        raise CustodianNotConfigured(
            "The custodian 'pkcs11' needs IDP_PKCS11_MODULE, IDP_PKCS11_TOKEN and IDP_PKCS11_PIN (or "
            "IDP_PKCS11_PIN_FILE): set all three."
        )
    return found


def _wrapping_label() -> str:
    label: str = settings.IDP_PKCS11_KEY
    if not _LABEL.fullmatch(label):
        raise CustodianNotConfigured(
            "IDP_PKCS11_KEY must name the wrapping key of the PKCS #11 token with 1 to 64 letters, digits and "
            ". _ -; manage.py make_wrapping_key pkcs11 makes it."
        )
    return label


def _check(reference: str) -> None:
    if not _REFERENCE.fullmatch(reference):
        raise CustodianRefused("The PKCS #11 token has no such key.")
