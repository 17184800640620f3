"""What a request needs beside a good token: scopes, roles, and how sure a sign-in was (RFC 6750 §3.1, RFC 9470)."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from signet_verifier.claims import MOST_TRUST, Claims
from signet_verifier.errors import ConfigurationWrong, InsufficientAuthentication, InsufficientScope

SINGLE_FACTOR = "urn:signet:acr:single-factor"
MULTI_FACTOR = "urn:signet:acr:multi-factor"
PHISHING_RESISTANT = "urn:signet:acr:phishing-resistant"
ACR_VALUES = (SINGLE_FACTOR, MULTI_FACTOR, PHISHING_RESISTANT)  # each is more than the one before it


@dataclass(frozen=True, slots=True)
class Requirement:
    """What the claims have to say; nothing that is left out is asked for.

    Attributes:
        scopes: all of them.
        roles: one of them.
        acr: one of these classes, or a surer one of Signet's.
        device_trust: at least so much, 0 to 100.
        max_age: the sign-in is at most so many seconds old.
    """

    scopes: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()
    acr: tuple[str, ...] = ()
    device_trust: int = 0
    max_age: int | None = None

    def check(self, claims: Claims, *, now: float, leeway: int = 0) -> None:
        """Hold it against claims.

        Arguments:
            now: seconds since 1970.
            leeway: seconds that the clocks may differ by.

        Raises:
            InsufficientScope: a scope or a role is missing, or trust that no sign-in would bring.
            InsufficientAuthentication: the person can help by signing in again, or more surely.
        """
        if not claims.scopes.issuperset(self.scopes):
            raise InsufficientScope("The token doesn't have the scope for this.", self.scopes)
        if self.roles and set(self.roles).isdisjoint(claims.roles):
            raise InsufficientScope("The token has no role for this.")
        if self.acr and not _is_enough(claims.acr, self.acr):
            raise self._more("A surer sign-in is needed.", self.acr)
        if self.max_age is not None and (claims.auth_time is None or now - claims.auth_time > self.max_age + leeway):
            raise self._more("A more recent sign-in is needed.", self.acr)
        if (claims.device_trust or 0) < self.device_trust:
            # A second factor proved on the device is what raises trust; where it was proved, only time does.
            if _is_enough(claims.acr, (MULTI_FACTOR,)):
                raise InsufficientScope("The device is not trusted enough for this.")
            raise self._more("The device is not trusted enough for this.", self.acr or (MULTI_FACTOR,))

    def _more(self, message: str, acr_values: tuple[str, ...]) -> InsufficientAuthentication:
        return InsufficientAuthentication(message, acr_values=acr_values, max_age=self.max_age)


def requirement(
    *,
    scopes: str | Iterable[str] = (),
    roles: str | Iterable[str] = (),
    acr: str | Iterable[str] = (),
    device_trust: int = 0,
    max_age: int | None = None,
) -> Requirement:
    """A requirement, a single text standing for one; arguments as the attributes of `Requirement`.

    Raises:
        ConfigurationWrong: no trust between 0 and 100, or an age below 0.
    """
    if not 0 <= device_trust <= MOST_TRUST or (max_age is not None and max_age < 0):
        raise ConfigurationWrong(f"device_trust is 0 to {MOST_TRUST}, and max_age 0 or more seconds.")
    return Requirement(_several(scopes), _several(roles), _several(acr), device_trust, max_age)


def _several(value: str | Iterable[str]) -> tuple[str, ...]:
    return tuple(value.split()) if isinstance(value, str) else tuple(value)


def _is_enough(reached: str, demanded: Collection[str]) -> bool:
    """Whether a class is one of those demanded, or surer."""
    known = [ACR_VALUES.index(each) for each in demanded if each in ACR_VALUES]
    surer = bool(known) and reached in ACR_VALUES and ACR_VALUES.index(reached) >= min(known)
    return reached in demanded or surer
