"""What can be wrong with a person's row or with a sign-in. No text holds a password."""

from datetime import timedelta


class AccountsError(Exception):
    """Base of all errors of this app; the text is one sentence."""


class NameRefused(AccountsError):
    """A user name, an address, a role or a passkey's name has a form that none may have."""


class NameTaken(AccountsError):
    """Somebody has this user name, or one that reads the same."""


class AddressTaken(AccountsError):
    """Somebody has this email address, or one that reads the same."""


class ClaimRefused(AccountsError):
    """A person's name, locale, time zone, telephone number or postal address has a form that none may have."""


class UnknownRole(AccountsError):
    """No group holds the permissions of this role of operators."""


class WeakPassword(AccountsError):
    """The password validators refuse the password; the text is theirs."""


class SignInRefused(AccountsError):
    """Wrong credentials. Which part was wrong is for the audit alone, never for the one who asked."""


class TooManyAttempts(AccountsError):
    """The limit on attempts is reached.

    Attributes:
        retry_after: how long until the next attempt counts.
    """

    def __init__(self, retry_after: timedelta) -> None:
        super().__init__("There were too many attempts.")
        self.retry_after = retry_after


class RegistrationClosed(AccountsError):
    """The realm's people don't make their own accounts."""


class HashingBusy(AccountsError):
    """This process hashes as many passwords at once as it may; the endpoint answers 503."""


class DeviceNameRefused(AccountsError):
    """A device can't be called that."""


class LastSuperuser(AccountsError):
    """The only superuser who can come in stays one: nobody could make another."""


class PersonGone(AccountsError):
    """The person was deleted in this moment."""


class ChallengeOver(AccountsError):
    """The half of a sign-in was completed, or has ended; begin anew."""


class FactorExists(AccountsError):
    """The person has this second factor already, or one where only a first may be set up."""


class FactorMissing(AccountsError):
    """The person has no second factor, and recovery codes only stand in for one."""


class EnrolmentOver(AccountsError):
    """An authenticator app was not confirmed in time, or another was begun meanwhile; begin anew."""


class FactorRefused(AccountsError):
    """A second factor is wrong, or was used already. Which of them is for the audit alone."""


class PasskeyRefused(AccountsError):
    """A passkey's answer doesn't hold. Why is for the audit alone, never for the one who asked.

    Attributes:
        fault: a word.
        detail: the library's sentence, "" for none; it holds nothing of the answer.
    """

    def __init__(self, fault: str, detail: str = "") -> None:
        super().__init__(fault)
        self.fault = fault
        self.detail = detail


class TooManyPasskeys(AccountsError):
    """The person has as many passkeys as one may have."""


class FactorDemanded(AccountsError):
    """The last second factor can't be removed: a realm that its person is a member of demands one."""


class LinkOver(AccountsError):
    """A link that was mailed is no longer good: used, ended, replaced, or never there."""


class NoMail(AccountsError):
    """This installation sends no mail; the settings name no server for it."""


class ProviderRefused(AccountsError):
    """An upstream provider can't be configured like this; the text says why, a sentence a fault."""


class ProviderTaken(AccountsError):
    """The realm has an upstream provider of this slug already."""


class UpstreamAway(AccountsError):
    """An upstream provider doesn't answer, or says that it can't now; nothing is wrong with who asked."""


class UpstreamRefused(AccountsError):
    """What an upstream provider said is not trusted; the text says which rule it breaks, and repeats nothing of it."""


class UpstreamDeclined(AccountsError):
    """An upstream provider didn't sign somebody in, and said so.

    Attributes:
        word: its `error`, where it is a registered one; else "".
    """

    def __init__(self, word: str) -> None:
        super().__init__("The upstream provider answered with an error.")
        self.word = word


class UpstreamTooOld(AccountsError):
    """Somebody signed in at an upstream provider, but longer ago than is asked for here, or nobody knows when."""


class LinkTaken(AccountsError):
    """An identity at an upstream provider is somebody else's already, or the person has another one there."""
