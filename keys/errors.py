"""What can go wrong with keys. Each text is one sentence that says what to do; none holds a secret."""


class KeysError(Exception):
    """Base of all errors of this app."""


class WeakPolicy(KeysError):
    """A ring's policy would break the invariant (keys/conf.py)."""


class MalformedSecrets(KeysError):
    """IDP_MASTER_SECRETS is not a list of id:base64(32 bytes)."""


class MissingMasterSecret(KeysError):
    """A value was sealed by a master secret that is not configured; the message names its id."""


class SealBroken(KeysError):
    """A sealed value was altered, moved, or sealed by another secret of the same id."""


class UnknownAlgorithm(KeysError):
    """No such algorithm, or not for this purpose."""


class UnavailableAlgorithm(KeysError):
    """The algorithm is known, but the installed cryptography can't do it."""


class UnknownCustodian(KeysError):
    """No custodian has this name."""


class CustodianNotConfigured(KeysError):
    """A custodian's settings or its library are not there; the message names what to do."""


class CustodianUnreachable(KeysError):
    """A custodian doesn't answer, or not in time: what needs it answers 503, and the JWKS stays up."""


class CustodianRefused(KeysError):
    """A custodian answers no: wrong credentials, no such key, or not allowed."""


class CustodyRefused(KeysError):
    """A ring's keys can't be kept by this custodian, or not in this way; the message says why."""


class UnknownRing(KeysError):
    """The realm has no such ring."""


class UnknownKey(KeysError):
    """No key has this kid."""


class RingExists(KeysError):
    """The realm already has such a ring."""


class NoSigningKey(KeysError):
    """No key of the ring may sign now; the endpoint answers 503."""


class DeadKeysUnreadable(KeysError):
    """The file of dead keys can't be read or written, so no key may be trusted by what the database says alone."""


class DatabaseRestored(KeysError):
    """The database is older than it was, and the epoch of handles isn't raised."""


class LifetimeTooLong(KeysError):
    """A token would outlive the publication of the key that signs it."""


class HostClockOff(KeysError):
    """This machine's clock and the database's differ by more than the policy's skew."""


class RingBusy(KeysError):
    """Another rotation holds the ring's row for longer than the lock timeout."""


class RetirementRefused(KeysError):
    """A ring can't be retired, since something needs it, or not be revived; the message says why."""


class CompromiseRefused(KeysError):
    """The key is declared compromised already."""


class AdoptionRefused(KeysError):
    """A key made elsewhere is malformed, weak, dead, there already, or of a kind that no ring has."""


class ExportRefused(KeysError):
    """An export of keys is malformed, altered, sealed with something else, or doesn't fit this installation."""


class TokenRefused(KeysError):
    """A token is not trusted; the message says why, and never repeats the token."""


class ForeignKeyRefused(KeysError):
    """A client's JWK Set holds a key that is malformed, weak or private, or none for what it is to do."""


class EncryptionRefused(KeysError):
    """What is to be encrypted for a client is no signed token, or too long."""


class HistoryUnavailable(KeysError):
    """The history of a realm's keys can't be read or signed now."""


class PublishedSetUnavailable(KeysError):
    """The published keys can't be read and the ones in memory are too old to be served."""
