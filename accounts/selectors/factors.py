"""Reading what people can prove besides a password."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from accounts.acr import SECOND_FACTOR
from accounts.models import Membership, Passkey, RecoveryCode, SignInChallenge, TotpSecret, User
from accounts.selectors.sessions import still_signed_in
from keys.api import SealedColumn, unseal
from realms.models import Realm

TOTP_COLUMN = SealedColumn("accounts.TotpSecret", "secret", "totp-secret")
ENROLMENT_LIFETIME = timedelta(minutes=15)  # long enough to find an app and install it


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


@dataclass(frozen=True, slots=True)
class Enrolment:
    """An authenticator app that is being set up.

    Attributes:
        id: of its row; the form that confirms it carries this.
        seed: what the app has to get; shown to its person and to nobody else.
    """

    id: UUID
    seed: bytes = field(repr=False)


def factors_of(person: User) -> Factors:
    """What a person has besides a password."""
    return Factors(
        totp=TotpSecret.objects.filter(user=person, confirmed_at__isnull=False).exists(),
        passkeys=Passkey.objects.filter(user=person).count(),
        recovery_codes=RecoveryCode.objects.filter(user=person, used_at__isnull=True).count(),
    )


def is_whole(methods: tuple[str, ...], *, person: User, realm: Realm | None) -> bool:
    """Whether a proof is a whole sign-in, to which nothing is due.

    Arguments:
        methods: how it was proved.
        realm: which may demand a second factor of everybody; None for the operators' admin.
    """
    if SECOND_FACTOR in methods:
        return True
    return not (realm is not None and realm.require_second_factor) and not factors_of(person).any


def factor_is_demanded(person: User) -> bool:
    """Whether a realm that somebody is a member of demands a second factor."""
    return Membership.objects.filter(user=person, realm__require_second_factor=True).exists()


def confirmed_totp(person: User) -> TotpSecret | None:
    """The row of a person's authenticator app; None where they have none, or none that was confirmed."""
    return TotpSecret.objects.filter(user=person, confirmed_at__isnull=False).first()


def enrolling_totp(person: User, enrolment: UUID, *, now: datetime) -> Enrolment | None:
    """The authenticator app that a person is setting up; None where it is over, confirmed or another's.

    Arguments:
        enrolment: from a form, however hostile.
        now: aware time.

    Raises:
        KeysError: the seed can't be unsealed now.
    """
    row = TotpSecret.objects.filter(
        pk=enrolment, user=person, confirmed_at__isnull=True, created_at__gt=now - ENROLMENT_LIFETIME
    ).first()
    return None if row is None else Enrolment(row.pk, seed_of(row))


def seed_of(row: TotpSecret) -> bytes:
    """The seed in a row.

    Raises:
        KeysError: it can't be unsealed now.
    """
    return unseal(bytes(row.secret), column=TOTP_COLUMN, row=str(row.pk))


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
