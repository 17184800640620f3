"""The custodian 'aws_kms': AWS KMS wraps data keys, or keeps private keys and signs.

A data key is bound to its place by an encryption context. AWS logs those in clear, so it is a hash.
"""

import hashlib
import re
import time
from collections.abc import Callable, Mapping
from typing import Any

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from django.conf import settings

from keys.custodians.aws_kms_client import CLIENT
from keys.custodians.binding import associated_data
from keys.custodians.remote_key import RemoteKey
from keys.errors import CustodianNotConfigured, CustodianRefused, KeysError, MissingMasterSecret, SealBroken
from keys.errors import UnavailableAlgorithm as Unavailable

_ID_PREFIX = "aws_kms/"
# No alias: one that is pointed at another key later would leave what was sealed before unopenable.
_ARN = re.compile(r"arn:aws[a-z-]{0,20}:kms:[a-z0-9-]{1,32}:[0-9]{12}:key/(mrk-)?[0-9a-f-]{32,36}", re.ASCII)
_KEY = re.compile(rf"{_ARN.pattern}|(mrk-)?[0-9a-f-]{{32,36}}", re.ASCII)
_CHECKSUM_BYTES = 16
_LONGEST_RAW = 4096  # bytes of a message that KMS hashes itself
_DELETED_AFTER_DAYS = 7  # the shortest that KMS offers
_GOING = frozenset({"PendingDeletion", "PendingReplicaDeletion"})
_PATIENCE = (0.1, 0.4, 1.0)  # seconds: what CreateKey made may not be known everywhere at once
_FIRST_MESSAGE = b"\0signet first signature\0"  # no token's signing input begins so
_CURVES: dict[str, tuple[str, str, type[hashes.HashAlgorithm], int]] = {
    "ES256": ("ECC_NIST_P256", "secp256r1", hashes.SHA256, 32),
    "ES384": ("ECC_NIST_P384", "secp384r1", hashes.SHA384, 48),
    "ES512": ("ECC_NIST_P521", "secp521r1", hashes.SHA512, 66),
}
_SIGNING = {
    "ES256": "ECDSA_SHA_256",
    "ES384": "ECDSA_SHA_384",
    "ES512": "ECDSA_SHA_512",
    "RS256": "RSASSA_PKCS1_V1_5_SHA_256",
    "PS256": "RSASSA_PSS_SHA_256",
}


class AwsKmsCustodian:
    """Keys in AWS KMS, in the region that `IDP_AWS_KMS_REGION` names; credentials are found as boto3 does."""

    name = "aws_kms"
    remote_algorithms = frozenset(_SIGNING)

    def wrapping_id(self) -> str:
        """`aws_kms/` and the id or ARN of the wrapping key: another key is another secret."""
        return _ID_PREFIX + _wrapping_key()

    def wrap(self, data_key: bytes, *, purpose: str, bound: bytes) -> bytes:
        """Wrap a data key with the wrapping key, bound to its id, the purpose and the place."""
        key = _wrapping_key()
        context = _context(_ID_PREFIX + key, purpose, bound)
        answer = CLIENT.call("encrypt", KeyId=key, Plaintext=data_key, EncryptionContext=context)
        wrapped = _bytes(answer, "CiphertextBlob")
        return _checksum(wrapped) + wrapped

    def unwrap(self, wrapped: bytes, *, secret_id: str, purpose: str, bound: bytes) -> bytes:
        """Unwrap a data key.

        Raises:
            MissingMasterSecret: no key of KMS can have wrapped it.
            SealBroken: altered, moved, or wrapped by another key.
        """
        key = secret_id.removeprefix(_ID_PREFIX)
        if not secret_id.startswith(_ID_PREFIX) or not _KEY.fullmatch(key):
            raise MissingMasterSecret(f"A value was sealed under {secret_id!r}, which is no key of AWS KMS.")
        checksum, blob = wrapped[:_CHECKSUM_BYTES], wrapped[_CHECKSUM_BYTES:]
        if not blob or checksum != _checksum(blob):  # no secret: it spares a call, and tells damage from a refusal
            raise SealBroken(f"What AWS KMS is said to have wrapped with {key} was altered or cut short.")
        context = _context(secret_id, purpose, bound)
        return _bytes(CLIENT.call("decrypt", KeyId=key, CiphertextBlob=blob, EncryptionContext=context), "Plaintext")

    def make_key(self, *, algorithm: str, bits: int | None) -> RemoteKey:
        """Make a key pair in KMS.

        Raises:
            UnavailableAlgorithm: this custodian makes no such keys.
            CustodianRefused: what came back is no public key of that kind; the pair is destroyed again.
        """
        spec = f"RSA_{bits}" if algorithm in {"RS256", "PS256"} and bits else _CURVES.get(algorithm, ("",))[0]
        if not spec:
            raise Unavailable(f"The custodian 'aws_kms' makes no keys for {algorithm}, {bits or 'no'} bits.")
        answer = CLIENT.call(
            "create_key",
            KeySpec=spec,
            KeyUsage="SIGN_VERIFY",
            Description=f"Signet {settings.IDP_ISSUER} {algorithm}"[:500],
            Tags=[{"TagKey": "signet", "TagValue": "signing-key"}],
        )
        reference = str(answer.get("KeyMetadata", {}).get("Arn", ""))
        try:
            public_key = _public_key(_patiently(lambda: _described(reference)), algorithm, bits)
            _patiently(lambda: self.sign(_FIRST_MESSAGE, reference=reference, algorithm=algorithm))
            return RemoteKey(reference, public_key)
        except KeysError:
            self._destroy_best_effort(reference)
            raise

    def sign(self, message: bytes, *, reference: str, algorithm: str) -> bytes:
        """The signature as a JWS holds it; KMS answers in DER for elliptic curves."""
        if algorithm not in _SIGNING:
            raise CustodianRefused(f"The custodian 'aws_kms' doesn't sign with {algorithm[:32]!r}.")
        curve = _CURVES.get(algorithm)
        found = _bytes(
            CLIENT.call(
                "sign",
                KeyId=_checked(reference),
                SigningAlgorithm=_SIGNING[algorithm],
                **_message(message, curve[2] if curve else hashes.SHA256),
            ),
            "Signature",
        )
        return _raw(found, curve[3]) if curve else found

    def destroy(self, reference: str) -> None:
        """Disable a key at once and have it deleted after seven days, the shortest time that KMS offers."""
        key = _checked(reference)
        try:
            state = CLIENT.call("describe_key", KeyId=key)["KeyMetadata"]["KeyState"]
        except CustodianRefused as error:
            if _code(error) == "NotFoundException":
                return
            raise
        except (KeyError, TypeError) as error:
            raise CustodianRefused("AWS KMS didn't answer as KMS does.") from error
        if state in _GOING:
            return
        CLIENT.call("disable_key", KeyId=key)
        CLIENT.call("schedule_key_deletion", KeyId=key, PendingWindowInDays=_DELETED_AFTER_DAYS)

    def _destroy_best_effort(self, reference: str) -> None:
        try:
            self.destroy(reference)
        except KeysError:
            CLIENT.orphaned(reference)


def _wrapping_key() -> str:
    key: str = settings.IDP_AWS_KMS_KEY
    if not settings.IDP_AWS_KMS_REGION or not key:
        raise CustodianNotConfigured(
            "The custodian 'aws_kms' wraps nothing without IDP_AWS_KMS_REGION and IDP_AWS_KMS_KEY: set them."
        )
    if not _KEY.fullmatch(key):
        raise CustodianNotConfigured("IDP_AWS_KMS_KEY must be the id or the ARN of a key of AWS KMS, not an alias.")
    return key


def _checked(reference: str) -> str:
    if not _ARN.fullmatch(reference):
        raise CustodianRefused("This is no reference to a key of AWS KMS.")
    return reference


def _context(secret_id: str, purpose: str, bound: bytes) -> dict[str, str]:
    return {"signet": hashlib.sha256(associated_data(secret_id, purpose, bound)).hexdigest()}


def _checksum(wrapped: bytes) -> bytes:
    return hashlib.sha256(wrapped).digest()[:_CHECKSUM_BYTES]


def _message(message: bytes, algorithm: type[hashes.HashAlgorithm]) -> dict[str, Any]:
    """KMS hashes short messages itself; longer ones, and the empty one, are hashed here."""
    if 0 < len(message) <= _LONGEST_RAW:
        return {"Message": message, "MessageType": "RAW"}
    digest = hashes.Hash(algorithm())
    digest.update(message)
    return {"Message": digest.finalize(), "MessageType": "DIGEST"}


def _raw(der: bytes, length: int) -> bytes:
    """An ECDSA signature as r ‖ s (RFC 7518 §3.4)."""
    try:
        return b"".join(part.to_bytes(length, "big") for part in decode_dss_signature(der))
    except (ValueError, OverflowError) as error:
        raise CustodianRefused("What AWS KMS answered is no signature.") from error


def _bytes(answer: Mapping[str, Any], name: str) -> bytes:
    value = answer.get(name)
    if not isinstance(value, bytes) or not value:
        raise CustodianRefused(f"AWS KMS answered without {name}.")
    return value


def _described(reference: str) -> bytes:
    """The public half of a key, in DER."""
    return _bytes(CLIENT.call("get_public_key", KeyId=_checked(reference)), "PublicKey")


def _patiently(call: Callable[[], bytes]) -> bytes:
    """What KMS answers of a key that was just made, once it knows of it."""
    for pause in (*_PATIENCE, None):
        try:
            return call()
        except CustodianRefused as error:
            if pause is None or _code(error) != "NotFoundException":
                raise
            time.sleep(pause)
    raise AssertionError  # the last round returns or raises


def _public_key(der: bytes, algorithm: str, bits: int | None) -> PublicKeyTypes:
    try:
        key = serialization.load_der_public_key(der)
    except ValueError as error:
        raise CustodianRefused("What AWS KMS answered is no public key.") from error
    curve = _CURVES.get(algorithm)
    if curve and isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name == curve[1]:
        return key
    if not curve and isinstance(key, rsa.RSAPublicKey) and key.key_size == bits:
        return key
    raise CustodianRefused(f"AWS KMS made a key of another kind than {algorithm} needs.")


def _code(error: KeysError) -> str:
    response = getattr(error.__cause__, "response", {})
    return str(response.get("Error", {}).get("Code", ""))
