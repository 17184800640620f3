"""What `/auth` refuses, beside what every endpoint refuses (tokens/errors.py)."""

from tokens.errors import BASIC_CHALLENGE, InvalidGrant, OAuthError, PlainError


class InvalidCredentials(OAuthError):
    """Name and password don't fit; which of them is not told."""

    code = "invalid_credentials"
    status = 401
    description = "The user name or the password is wrong."
    headers = {"WWW-Authenticate": BASIC_CHALLENGE}


class SecondFactorDue(OAuthError):
    """Name and password fit, and a second factor is due: the answer has a challenge for `/auth/mfa`."""

    code = "mfa_required"
    status = 401
    description = "A second factor is due. Send the challenge with a code to /auth/mfa."
    headers = {"WWW-Authenticate": BASIC_CHALLENGE}


class SecondFactorRefused(InvalidCredentials):
    """The code of a second factor is wrong or was used already; which of them is not told. The challenge stands."""

    description = "The code is wrong, or it was used already."


class ChallengeRefused(InvalidGrant):
    """A challenge is forged, of another realm, over or completed, or its person can't sign in; which is not told."""

    description = "The challenge is invalid or over, or it was completed already. Sign in again."


class InteractionRequired(OAuthError):
    """Name and password fit, but the rest of the sign-in needs a browser (OpenID Connect Core §3.1.2.6)."""

    code = "interaction_required"
    status = 403
    description = "This person can't sign in without a browser."


class InvalidExpired(PlainError):
    """`expired` is neither true nor false."""

    code = "Invalid 'expired' query parameter. Must be 'true' or 'false'."


class NoSuitableKey(PlainError):
    """Expired tokens are not to be had here."""

    code = "No suitable key found"
    status = 404
