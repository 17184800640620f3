"""The policy of a ring, the master secrets and the process's own periods: frozen and validated."""

import base64
import binascii
import re
from dataclasses import dataclass, field
from datetime import timedelta

from django.conf import settings

from keys.errors import MalformedSecrets, MissingMasterSecret, WeakPolicy

_SECRET_ID = re.compile(r"^[A-Za-z0-9._-]{1,32}$")
_SECRET_BYTES = 32
_FEWEST_DISTINCT_BYTES = 8  # 32 random bytes have fewer than 8 distinct values once in 10^30 draws
MAX_SIGNER_TTL = timedelta(seconds=5)
JWKS_REFRESH = timedelta(seconds=5)  # how often a worker looks for a change while the database answers


@dataclass(frozen=True, slots=True)
class Periods:
    """How long things stay in memory between a row and a verifier.

    Attributes:
        signer_ttl: how long a worker signs without asking the database again.
        jwks_max_age: the `max-age` of the JWKS.
        jwks_outage: how long a worker serves the JWKS while the database is away.
    """

    signer_ttl: timedelta
    jwks_max_age: timedelta
    jwks_outage: timedelta

    def least_propagation(self, clock_skew: timedelta) -> timedelta:
        """What the propagation of a ring has to cover: the whole way from a row to a verifier."""
        return self.jwks_max_age + self.jwks_outage + JWKS_REFRESH + self.signer_ttl + 2 * clock_skew


def periods() -> Periods:
    """The periods from the settings."""
    return Periods(settings.IDP_SIGNER_TTL, settings.IDP_JWKS_MAX_AGE, settings.IDP_JWKS_OUTAGE)


@dataclass(frozen=True, slots=True)
class KeyPolicy:
    """How the keys of a ring come and go.

    Attributes:
        rotation_period: how long a key signs.
        propagation: N; how long a key is published before it signs.
        max_token_lifetime: the longest life of what new keys sign.
        clock_skew: by how much two clocks may differ.
        verifier_leeway: for how long past `exp` verifiers may still accept.
    """

    rotation_period: timedelta
    propagation: timedelta
    max_token_lifetime: timedelta
    clock_skew: timedelta
    verifier_leeway: timedelta

    def retention(self, max_lifetime: timedelta) -> timedelta:
        """How long a key stays published after it stopped signing.

        Arguments:
            max_lifetime: the longest life of what this key signed.
        """
        return max_lifetime + 2 * self.clock_skew + self.verifier_leeway

    def lead(self, signer_ttl: timedelta) -> timedelta:
        """How far ahead an edit of a timetable must lie, so that no worker's memory is older."""
        return signer_ttl + self.clock_skew


def faults(policy: KeyPolicy, around: Periods) -> list[str]:
    """Why a policy would break the invariant, one sentence each; empty for a sound one."""
    found = []
    least = around.least_propagation(policy.clock_skew)
    if policy.propagation < least:
        found.append(
            f"The propagation of {policy.propagation} is shorter than {least}, the time that a new key needs to "
            f"reach every verifier: raise it, or lower the JWKS max-age or the outage that workers bridge."
        )
    if policy.rotation_period < policy.propagation + policy.lead(around.signer_ttl):
        found.append(
            f"The rotation period of {policy.rotation_period} is shorter than the propagation of "
            f"{policy.propagation}: a standby could never take over in time."
        )
    if policy.max_token_lifetime <= timedelta(0):
        found.append("The longest token lifetime must be above nought.")
    if policy.clock_skew < timedelta(seconds=1) or policy.verifier_leeway < timedelta(0):
        found.append("The clock skew must be a second at least, and the verifiers' leeway not negative.")
    return found


def validated(policy: KeyPolicy, around: Periods) -> KeyPolicy:
    """The policy itself, once nothing is wrong with it.

    Raises:
        WeakPolicy: it would break the invariant.
    """
    found = faults(policy, around)
    if found:
        raise WeakPolicy(" ".join(found))
    return policy


def default_policy() -> KeyPolicy:
    """The policy that new rings get, from the settings."""
    return KeyPolicy(
        rotation_period=settings.IDP_KEY_ROTATION_PERIOD,
        propagation=settings.IDP_KEY_PROPAGATION,
        max_token_lifetime=settings.IDP_KEY_MAX_TOKEN_LIFETIME,
        clock_skew=settings.IDP_KEY_CLOCK_SKEW,
        verifier_leeway=settings.IDP_KEY_VERIFIER_LEEWAY,
    )


@dataclass(frozen=True, slots=True)
class MasterSecrets:
    """The secrets that wrap data keys: the first seals, the others only unseal."""

    _by_id: dict[str, bytes] = field(repr=False)

    @property
    def first(self) -> str:
        """The id of the secret that seals."""
        return next(iter(self._by_id))

    @property
    def ids(self) -> tuple[str, ...]:
        """The ids of all secrets, the sealing one first."""
        return tuple(self._by_id)

    def get(self, secret_id: str) -> bytes:
        """The 32 bytes of one secret.

        Raises:
            MissingMasterSecret: it is not configured.
        """
        try:
            return self._by_id[secret_id]
        except KeyError:
            raise MissingMasterSecret(
                f"The master secret {secret_id!r} is missing: a value is sealed by it. Add it to "
                f"IDP_MASTER_SECRETS again, behind the others."
            ) from None


def parse_master_secrets(text: str) -> MasterSecrets:
    """Master secrets from `id:base64(32 bytes)` items between commas or white space.

    Raises:
        MalformedSecrets: an item has another form, or a secret is no random one; no part of a secret
            is repeated in the message.
    """
    found: dict[str, bytes] = {}
    for position, item in enumerate(re.split(r"[,\s]+", text.strip()), start=1):
        secret_id, colon, encoded = item.partition(":")
        if not colon or not _SECRET_ID.fullmatch(secret_id):
            raise MalformedSecrets(
                f"Item {position} of IDP_MASTER_SECRETS has no id: write id:base64 of 32 random bytes."
            )
        try:
            raw = base64.b64decode(encoded, validate=True)
        except (binascii.Error, ValueError):
            raw = b""
        if len(raw) != _SECRET_BYTES or len(set(raw)) < _FEWEST_DISTINCT_BYTES:
            raise MalformedSecrets(
                f"The master secret {secret_id!r} is not the base64 of 32 random bytes: make one with "
                f"openssl rand -base64 32."
            )
        if secret_id in found:
            raise MalformedSecrets(f"The master secret {secret_id!r} is given twice in IDP_MASTER_SECRETS.")
        found[secret_id] = raw
    return MasterSecrets(found)


def master_secrets() -> MasterSecrets:
    """The master secrets from the settings.

    Raises:
        MalformedSecrets: see `parse_master_secrets`.
    """
    return parse_master_secrets(settings.IDP_MASTER_SECRETS)
