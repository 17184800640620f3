"""Reading what people can prove besides a password."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from accounts.models import Passkey, RecoveryCode, SignInChallenge, TotpSecret, User
from accounts.selectors.sessions import still_signed_in
from realms.models import Realm


@dataclass(frozen=True, slots=True)
class Factors:
    """What a person has besides a password.

    Attributes:
        totp: whether an authenticator app was confirmed.
        passkeys: how many.
        recovery_codes: how many are left.
    """

    totp: bool
    passkeys: int
    recovery_codes: int

    @property
    def any(self) -> bool:
        """Whether there is a second factor; recovery codes alone are none, they stand in for one."""
        return self.totp or self.passkeys > 0


def factors_of(person: User) -> Factors:
    """What a person has besides a password."""
    return Factors(
        totp=TotpSecret.objects.filter(user=person, confirmed_at__isnull=False).exists(),
        passkeys=Passkey.objects.filter(user=person).count(),
        recovery_codes=RecoveryCode.objects.filter(user=person, used_at__isnull=True).count(),
    )


def standing_challenge(challenge_id: UUID, *, realm: Realm, now: datetime) -> SignInChallenge | None:
    """The half of a sign-in with this id that can still be completed in this realm, with its person.

    Arguments:
        now: aware time.

    Returns:
        None where it is over, completed or another realm's; where its person is disabled, no member any more or
        has another password since.
    """
    return (
        SignInChallenge.objects.select_related("user")
        .filter(
            still_signed_in("user", since="proved_at"),
            pk=challenge_id,
            realm=realm,
            completed_at__isnull=True,
            expires_at__gt=now,
            user__is_active=True,
            user__memberships__realm=realm,
        )
        .first()
    )
