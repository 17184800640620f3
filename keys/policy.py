"""The policy of a ring and the periods of a process: frozen, and refused where they break the invariant."""

from dataclasses import astuple, dataclass
from datetime import timedelta

from keys.errors import WeakPolicy

MAX_SIGNER_TTL = timedelta(seconds=5)
JWKS_REFRESH = timedelta(seconds=5)  # how often a worker looks for a change while the database answers
LONGEST_HANDLE = timedelta(days=90)  # of the mac rings; that no realm's grants live longer is checked in idp_project
LONGEST_PERIOD = timedelta(days=3_650)  # beyond it a date may leave the calendar


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


@dataclass(frozen=True, slots=True)
class KeyPolicy:
    """How the keys of a ring come and go.

    Attributes:
        rotation_period: how long a key signs.
        propagation: N; how long a key is published before it signs.
        max_token_lifetime: the longest life of what new keys sign.
        clock_skew: by how much two clocks may differ.
        verifier_leeway: for how long past `exp` verifiers may still accept.
        patience: for how long a takeover waits at most until all known fetchers hold the next key.
    """

    rotation_period: timedelta
    propagation: timedelta
    max_token_lifetime: timedelta
    clock_skew: timedelta
    verifier_leeway: timedelta
    patience: timedelta = timedelta(0)

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
    if max(astuple(policy)) > LONGEST_PERIOD:
        found.append(f"No length of time in a policy may be above {LONGEST_PERIOD.days} days.")
    if policy.clock_skew < timedelta(seconds=1) or policy.verifier_leeway < timedelta(0):
        found.append("The clock skew must be a second at least, and the verifiers' leeway not negative.")
    if policy.patience < timedelta(0):
        found.append("The patience must not be negative: nought doesn't wait.")
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
