"""Why a request is refused, each with its answer (RFC 6750 §3.1, RFC 9470 §3)."""

from collections.abc import Sequence


class VerifierError(Exception):
    """Everything that this package raises on purpose. The message never repeats a token."""


class ConfigurationWrong(VerifierError, ValueError):
    """What a service configured can't be right; raised where it is configured."""


class ProviderUnavailable(VerifierError):
    """Nobody can say now whether a token is good: there are no keys, or no answer. Worth a 503, never a yes."""

    status = 503
    retry_after = 10


class Refused(VerifierError):
    """A request that isn't let in.

    Attributes:
        status: of the HTTP answer.
        error: the code of RFC 6750 §3.1 or RFC 9470 §3; "" where the request had no credentials at all.
    """

    status = 401
    error = ""

    def attributes(self) -> Sequence[tuple[str, str]]:
        """What stands in the challenge beside `realm`, in order."""
        return (("error", self.error), ("error_description", str(self))) if self.error else ()

    def challenge(self, realm: str = "") -> str:
        """The value of `WWW-Authenticate` (RFC 6750 §3).

        Arguments:
            realm: of the service; left out where it is empty.
        """
        members = ([("realm", realm)] if realm else []) + list(self.attributes())
        listed = ", ".join(f'{name}="{_quotable(value)}"' for name, value in members)
        return f"Bearer {listed}" if listed else "Bearer"


class NoCredentials(Refused):
    """No access token came; the answer says no more than that one is needed (RFC 6750 §3.1)."""


class InvalidRequest(Refused):
    """The credentials have no proper form, or there are several."""

    status = 400
    error = "invalid_request"


class InvalidToken(Refused):
    """The token is malformed, expired, somebody else's, revoked, or not the provider's."""

    error = "invalid_token"


class InsufficientScope(Refused):
    """The token is good, and doesn't allow this.

    Arguments:
        scopes: those that the request needs; none where it is something else that is missing, such as a role.
    """

    status = 403
    error = "insufficient_scope"

    def __init__(self, message: str, scopes: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.scopes = tuple(scopes)

    def attributes(self) -> Sequence[tuple[str, str]]:
        """With the scopes (RFC 6750 §3)."""
        return (*super().attributes(), *((("scope", " ".join(self.scopes)),) if self.scopes else ()))


class InsufficientAuthentication(Refused):
    """The person has to prove more, or anew (RFC 9470 §3).

    Arguments:
        acr_values: classes that are enough, to be asked for at the provider.
        max_age: how many seconds old the sign-in may be; None says nothing of it.
    """

    error = "insufficient_user_authentication"

    def __init__(self, message: str, *, acr_values: Sequence[str] = (), max_age: int | None = None) -> None:
        super().__init__(message)
        self.acr_values, self.max_age = tuple(acr_values), max_age

    def attributes(self) -> Sequence[tuple[str, str]]:
        """With what to ask the provider for."""
        wanted = [("acr_values", " ".join(self.acr_values))] if self.acr_values else []
        if self.max_age is not None:
            wanted.append(("max_age", str(self.max_age)))
        return (*super().attributes(), *wanted)


def _quotable(text: str) -> str:
    """Printable ASCII without what a quoted string would need to escape (RFC 6750 §3)."""
    return "".join(letter if " " <= letter <= "~" and letter not in '"\\' else "'" for letter in text)
