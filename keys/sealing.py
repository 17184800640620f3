"""Seals values with a custodian, each bound to its place; `rewrap_keys` reaches every registered column."""

from dataclasses import dataclass

from keys import envelope
from keys.custodians import Custodian
from keys.envelope import Context


@dataclass(frozen=True, slots=True)
class SealedColumn:
    """A column of sealed values; register it with `keys.hooks`, so that a rewrap reaches it.

    Attributes:
        label: the model, as `app.Model`.
        column: the field with the blob.
        purpose: what its wrapping key is derived for.
        kid_field, algorithm_field: the look-ups whose values are bound to the blob too, if any.
        custodian_field: the field that names the row's custodian; the local one if empty.
    """

    label: str
    column: str
    purpose: str
    kid_field: str = ""
    algorithm_field: str = ""
    custodian_field: str = ""

    def context(self, row: str, *, kid: str = "", algorithm: str = "") -> Context:
        """The context of the value in one row, by its primary key."""
        return Context(self.purpose, self.label, self.column, row, kid, algorithm)


def seal(plaintext: bytes, *, context: Context, custodian: Custodian) -> bytes:
    """Seal a value for one row and column; see `keys.envelope.seal`."""
    return envelope.seal(
        plaintext,
        context=context,
        secret_id=custodian.wrapping_id(),
        wrap=lambda data_key, bound: custodian.wrap(data_key, purpose=context.purpose, bound=bound),
    )


def unseal(blob: bytes, *, context: Context, custodian: Custodian) -> bytes:
    """Open a sealed value in its place.

    Raises:
        MissingMasterSecret: what wrapped it is not at hand.
        SealBroken: it was altered or moved.
    """
    parsed = envelope.parse(blob)
    return envelope.unseal(parsed, context=context, unwrap=_unwrapper(parsed.secret_id, context, custodian))


def rewrap(blob: bytes, *, context: Context, custodian: Custodian) -> bytes:
    """The same value under the custodian's present secret.

    Raises:
        MissingMasterSecret: what wrapped it is not at hand.
        SealBroken: it doesn't open as it is.
    """
    parsed = envelope.parse(blob)
    return envelope.rewrap(
        parsed,
        context=context,
        secret_id=custodian.wrapping_id(),
        unwrap=_unwrapper(parsed.secret_id, context, custodian),
        wrap=lambda data_key, bound: custodian.wrap(data_key, purpose=context.purpose, bound=bound),
    )


def _unwrapper(secret_id: str, context: Context, custodian: Custodian) -> envelope.Wrapper:
    def unwrap(wrapped: bytes, bound: bytes) -> bytes:
        return custodian.unwrap(wrapped, secret_id=secret_id, purpose=context.purpose, bound=bound)

    return unwrap
