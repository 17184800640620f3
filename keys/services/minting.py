"""Making key material: outside of any lock, sealed or with its custodian before it is stored."""

import logging
import secrets
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes, PublicKeyTypes
from django.db import DatabaseError, transaction

from keys.algorithms import Algorithm, Custody, algorithm_named, private_to_bytes
from keys.custodians import custodian_named
from keys.errors import KeysError, UnknownAlgorithm
from keys.jwk import base64url, key_members, thumbprint
from keys.models import KeyPair, KeyRing
from keys.remote_keys import remote_half_of, try_made_key
from keys.sealing import seal
from keys.selectors import PRIVATE_COLUMN, newest_sealed_key, unsealed_private
from keys.steps import Mint

_MAC_KID_BYTES = 8


logger = logging.getLogger("signet.keys")


@dataclass(frozen=True, slots=True)
class Material:
    """A key that is made for one row, but not stored yet.

    Attributes:
        custodian: who sealed its private half, or keeps it.
        sealed_private: the sealed half; None where the custodian keeps it.
        reference: how the custodian finds it; "" where it is sealed.
    """

    id: uuid.UUID
    kid: str
    public_jwk: dict[str, str] | None
    custodian: str
    sealed_private: bytes | None = field(repr=False)
    reference: str = ""

    def suits(self, ring: KeyRing) -> bool:
        """Whether it lives where the ring wants its keys now; the ring may have moved since it was made."""
        remote = ring.custody == Custody.REMOTE
        return self.custodian == ring.custodian and bool(self.reference) is remote


def make_material(ring: KeyRing) -> Material:
    """Generate a key for a ring. Takes seconds for RSA with 4096 bits: never call it in a transaction.

    Raises:
        UnavailableAlgorithm: the installed cryptography, or the custodian, lacks the algorithm.
        MalformedSecrets: there is no usable master secret.
        CustodianUnreachable, CustodianRefused, CustodianNotConfigured: the custodian makes or seals no key; or
            what a new key of its own signed is not that key's.
    """
    algorithm = algorithm_named(ring.algorithm)
    if ring.custody == Custody.REMOTE:
        return _remote_material(ring, algorithm)
    row = uuid.uuid4()
    private, kid, public_jwk = _generate(algorithm, ring.bits)
    sealed = seal(
        private_to_bytes(private),
        context=PRIVATE_COLUMN.context(str(row), kid=kid, algorithm=algorithm.name),
        custodian=custodian_named(ring.custodian),
    )
    return Material(row, kid, public_jwk, ring.custodian, sealed)


def _remote_material(ring: KeyRing, algorithm: Algorithm) -> Material:
    """A key that the ring's custodian makes and keeps, once it has signed something with it."""
    custodian = custodian_named(ring.custodian)
    while True:
        made = custodian.make_key(algorithm=algorithm.name, bits=ring.bits)
        try:
            kid, public_jwk = _public_jwk(made.public_key, algorithm)
            material = Material(uuid.uuid4(), kid, public_jwk, ring.custodian, None, made.reference)
            if not kid.startswith("-"):
                try_made_key(made, kid=kid, custodian=ring.custodian, algorithm=algorithm.name)
                return material
        except Exception:
            _destroy(ring.custodian, made.reference)
            raise
        _destroy(ring.custodian, made.reference)


def _generate(algorithm: Algorithm, bits: int | None) -> tuple[PrivateKeyTypes | bytes, str, dict[str, str] | None]:
    """A private key with its kid and its public JWK; a symmetric key has a random kid and nothing public.

    One key in 64 would have a kid that begins with a hyphen, which a shell command takes for an option;
    such a key is thrown away, so that every kid can be pasted behind `compromise_key`.
    """
    while True:
        private = algorithm.generate(bits)
        public_jwk: dict[str, str] | None = None
        if isinstance(private, bytes):
            kid = base64url(secrets.token_bytes(_MAC_KID_BYTES))
        else:
            kid, public_jwk = _public_jwk(private.public_key(), algorithm)
        if not kid.startswith("-"):
            return private, kid, public_jwk


def _public_jwk(key: PublicKeyTypes, algorithm: Algorithm) -> tuple[str, dict[str, str]]:
    members = key_members(key, algorithm.name)
    if members["kty"] != algorithm.kty:
        raise UnknownAlgorithm(f"A custodian made a key of the type {members['kty']} for {algorithm.name}.")
    kid = thumbprint(members)
    return kid, {**members, "kid": kid, "use": "sig", "alg": algorithm.name}


def discard(ring: KeyRing, materials: Iterable[Material]) -> None:
    """Have custodians destroy what they made and no row took, as far as they can be asked.

    Whether a row took it is asked while the ring is held: a transaction whose end was not heard of may have
    been committed. What can't be destroyed is logged with its reference, and costs storage, no safety.

    Arguments:
        ring: the ring for which they were made.
        materials: made keys, those that were stored among them.
    """
    remote = {material.id: material for material in materials if material.reference}
    if not remote:
        return
    try:
        with transaction.atomic():
            KeyRing.objects.select_for_update(of=("self",)).filter(pk=ring.pk).first()
            stored = set(KeyPair.objects.filter(pk__in=list(remote)).values_list("pk", flat=True))
    except DatabaseError:
        for material in remote.values():
            _orphaned(material.custodian, material.reference)
        return
    for row, material in remote.items():
        if row not in stored:
            _destroy(material.custodian, material.reference)


def _destroy(custodian: str, reference: str) -> None:
    try:
        custodian_named(custodian).destroy(reference)
    except KeysError:
        _orphaned(custodian, reference)


def _orphaned(custodian: str, reference: str) -> None:
    logger.error("custodian.orphan custodian=%s reference=%s", custodian, reference)


def prove_master_secret(ring_keys: Sequence[KeyPair]) -> None:
    """Refuse to mint over keys that can't be used, so that a wrong secret or custodian is noticed at once.

    Every sealed key is unsealed. Of the keys that custodians keep, the newest with each of them signs once.

    Arguments:
        ring_keys: the keys of the ring; where it has none with a private half, the youngest key of the
            installation that a master secret seals stands in.

    Raises:
        MissingMasterSecret, SealBroken: the message names the master secret.
        CustodianUnreachable, CustodianRefused, CustodianNotConfigured: a custodian doesn't unwrap, or sign.
    """
    sealed = [key for key in ring_keys if key.sealed_private is not None]
    kept = [key for key in ring_keys if key.custodian_reference and key.destroyed_at is None]
    if not sealed and not kept and (youngest := newest_sealed_key()) is not None:
        sealed = [youngest]
    for key in sealed:
        unsealed_private(key)
    newest = {key.custodian: key for key in sorted(kept, key=lambda key: key.created_at)}
    for key in newest.values():
        remote_half_of(key).prove()


def store(ring: KeyRing, material: Material, mint: Mint, *, now: datetime) -> KeyPair:
    """Insert a made key with its timetable; call it in the transaction that holds the ring."""
    return KeyPair.objects.create(
        id=material.id,
        realm_id=ring.realm_id,
        ring=ring,
        kid=material.kid,
        public_jwk=material.public_jwk,
        custodian=material.custodian,
        custodian_reference=material.reference,
        sealed_private=material.sealed_private,
        max_lifetime=mint.max_lifetime,
        published_at=mint.times.published_at,
        activates_at=mint.times.activates_at,
        deactivates_at=mint.times.deactivates_at,
        unpublishes_at=mint.times.unpublishes_at,
        created_at=now,
    )
