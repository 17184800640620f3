"""Making key material: outside of any lock, sealed before it is stored."""

import secrets
import uuid
from dataclasses import dataclass, field
from datetime import datetime

from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes

from keys.algorithms import Algorithm, algorithm_named, private_to_bytes
from keys.custodians import custodian_named
from keys.jwk import base64url, key_members, thumbprint
from keys.models import KeyPair, KeyRing
from keys.planning import Mint
from keys.sealing import seal
from keys.selectors import PRIVATE_COLUMN, newest_sealed_key, unsealed_private

_MAC_KID_BYTES = 8


@dataclass(frozen=True, slots=True)
class Material:
    """A key that is made and sealed for one row, but not stored yet."""

    id: uuid.UUID
    kid: str
    public_jwk: dict[str, str] | None
    sealed_private: bytes = field(repr=False)


def make_material(ring: KeyRing) -> Material:
    """Generate and seal a key for a ring. Takes seconds for RSA with 4096 bits: never call it in a transaction.

    Raises:
        UnavailableAlgorithm: the installed cryptography lacks the algorithm.
        MalformedSecrets: there is no usable master secret.
    """
    algorithm = algorithm_named(ring.algorithm)
    row = uuid.uuid4()
    private, kid, public_jwk = _generate(algorithm, ring.bits)
    sealed = seal(
        private_to_bytes(private),
        context=PRIVATE_COLUMN.context(str(row), kid=kid, algorithm=algorithm.name),
        custodian=custodian_named(ring.custodian),
    )
    return Material(row, kid, public_jwk, sealed)


def _generate(algorithm: Algorithm, bits: int | None) -> tuple[PrivateKeyTypes | bytes, str, dict[str, str] | None]:
    """A private key with its kid and its public JWK; a symmetric key has a random kid and nothing public.

    One key in 64 would have a kid that begins with a hyphen, which a shell command takes for an option;
    such a key is thrown away, so that every kid can be pasted behind `compromise_key`.
    """
    while True:
        private = algorithm.generate(bits)
        if isinstance(private, bytes):
            kid, public_jwk = base64url(secrets.token_bytes(_MAC_KID_BYTES)), None
        else:
            members = key_members(private.public_key(), algorithm.name)
            kid = thumbprint(members)
            public_jwk = {**members, "kid": kid, "use": "sig", "alg": algorithm.name}
        if not kid.startswith("-"):
            return private, kid, public_jwk


def prove_master_secret(ring_keys: list[KeyPair]) -> None:
    """Refuse to mint over keys that can't be unsealed, so that a wrong master secret is noticed at once.

    Arguments:
        ring_keys: the keys of the ring; where none is sealed, the installation's youngest stands in.

    Raises:
        MissingMasterSecret, SealBroken: the message names the master secret.
    """
    sealed = [key for key in ring_keys if key.sealed_private is not None]
    if not sealed and (youngest := newest_sealed_key()) is not None:
        sealed = [youngest]
    for key in sealed:
        unsealed_private(key)


def store(ring: KeyRing, material: Material, mint: Mint, *, now: datetime) -> KeyPair:
    """Insert a made key with its timetable; call it in the transaction that holds the ring."""
    return KeyPair.objects.create(
        id=material.id,
        realm_id=ring.realm_id,
        ring=ring,
        kid=material.kid,
        public_jwk=material.public_jwk,
        custodian=ring.custodian,
        sealed_private=material.sealed_private,
        max_lifetime=mint.max_lifetime,
        published_at=mint.times.published_at,
        activates_at=mint.times.activates_at,
        deactivates_at=mint.times.deactivates_at,
        unpublishes_at=mint.times.unpublishes_at,
        created_at=now,
    )
