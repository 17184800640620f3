"""Exporting keys: rings, timetables and both halves, as a document that is sealed as a whole."""

from datetime import datetime

from audit.services import record
from audit.vocabulary import EventName
from keys.custodians import custodian_named
from keys.errors import ExportRefused
from keys.key_export import PURPOSE, ExportedKey, ExportedRing, KeyExport, Seal, custodian_seal, to_document
from keys.models import KeyPair, KeyRing
from keys.selectors import keys_of, rings, unsealed_private
from keys.services.burial import preview_burial


def seal_by_custodian(name: str) -> Seal:
    """A seal under a custodian's secret.

    Raises:
        UnknownCustodian, CustodianNotConfigured, CustodianUnreachable, CustodianRefused: it can't wrap.
    """
    custodian = custodian_named(name)
    return custodian_seal(
        name,
        secret_id=custodian.wrapping_id(),
        wrap=lambda key, bound: custodian.wrap(key, purpose=PURPOSE, bound=bound),
    )


def export_keys(*, realm: str | None, seal: Seal, actor: str, now: datetime) -> tuple[bytes, KeyExport]:
    """All keys of a realm, or of all, as a sealed document. It is a security event: what it holds can sign.

    Arguments:
        realm: the realm's slug; None takes all.
        seal: what seals the document.
        actor: who asks, an opaque id.
        now: aware.

    Returns:
        The document, and what is in it.

    Raises:
        MissingMasterSecret, SealBroken, UnknownCustodian: a private half can't be unsealed; nothing is exported.
        ExportRefused: by the file of dead keys the database holds keys that are dead; nothing is exported.
        DeadKeysUnreadable: that file can't be read.
    """
    chosen = list(rings(realm=realm))
    if any(preview_burial(ring, moment=now) for ring in chosen):
        raise ExportRefused(
            "The file of dead keys knows of dead keys whose private halves are in the database again: run rotate_keys."
        )
    export = KeyExport(now, [_ring(ring) for ring in chosen])
    document = to_document(export, seal)
    for slug in sorted({ring.realm for ring in export.rings}):
        there = [ring for ring in export.rings if ring.realm == slug]
        record(
            EventName.KEYS_EXPORTED, realm=slug, actor=actor, target="keys", now=now,
            details={
                "rings": len(there),
                "private_halves": sum(key.private is not None for ring in there for key in ring.keys),
                "sealed_by": str(seal.header.get("custodian", "passphrase")),
            },
        )  # fmt: skip
    return document, export


def _ring(ring: KeyRing) -> ExportedRing:
    return ExportedRing(
        realm=ring.realm.slug,
        issuer=ring.realm.issuer,
        purpose=ring.purpose,
        algorithm=ring.algorithm,
        bits=ring.bits,
        custodian=ring.custodian,
        custody=ring.custody,
        rotation_period=ring.rotation_period,
        propagation=ring.propagation,
        max_token_lifetime=ring.max_token_lifetime,
        clock_skew=ring.clock_skew,
        verifier_leeway=ring.verifier_leeway,
        patience=ring.patience,
        retired_at=ring.retired_at,
        keys=[_key(ring, key) for key in reversed(keys_of(ring.pk))],
    )


def _key(ring: KeyRing, key: KeyPair) -> ExportedKey:
    key.ring = ring
    return ExportedKey(
        kid=key.kid,
        public_jwk=key.public_jwk,
        private=unsealed_private(key) if key.sealed_private is not None else None,
        custodian=key.custodian,
        custodian_reference=key.custodian_reference if key.destroyed_at is None else "",
        max_lifetime=key.max_lifetime,
        published_at=key.published_at,
        activates_at=key.activates_at,
        deactivates_at=key.deactivates_at,
        unpublishes_at=key.unpublishes_at,
        compromised_at=key.compromised_at,
        destroyed_at=key.destroyed_at,
        withdrawn_at=key.withdrawn_at,
        ends_ring=key.ends_ring,
        created_at=key.created_at,
    )
