"""What Signet writes to people: plain text in the language of the page that asked, with links below the issuer."""

from dataclasses import dataclass
from urllib.parse import urlencode

from django.template.loader import render_to_string
from django.utils.translation import gettext, gettext_lazy

from accounts.vocabulary import FactorChange
from realms.models import Realm

_FACTOR_CHANGES = {
    FactorChange.APP_ADDED: gettext_lazy("An authenticator app was added."),
    FactorChange.APP_REMOVED: gettext_lazy("The authenticator app was removed."),
    FactorChange.PASSKEY_ADDED: gettext_lazy("A passkey was added."),
    FactorChange.PASSKEY_REMOVED: gettext_lazy("A passkey was removed."),
    FactorChange.CODES_REPLACED: gettext_lazy("New recovery codes were made. Those from before no longer work."),
    FactorChange.CODE_USED: gettext_lazy("A recovery code was used. It doesn’t work again."),
    FactorChange.RESET: gettext_lazy(
        "Those who run this site took all passkeys, the authenticator app and the recovery codes away."
    ),
}


@dataclass(frozen=True, slots=True)
class Letter:
    """A mail without its recipient.

    Attributes:
        subject: one line.
        text: plain.
    """

    subject: str
    text: str


def confirm_address(*, realm: Realm, secret: str) -> Letter:
    """The link by which somebody confirms that an address is theirs.

    It goes to whomever a stranger names, so nothing in it is in the stranger's words: the page behind it tells the
    user name.

    Arguments:
        realm: where they have an account; the link leads below its issuer, never to where the request came from.
        secret: of the link.
    """
    link = _address(realm, "confirm-address", secret)
    return _letter("confirm_address", gettext("Confirm your email address"), realm=realm, link=link)


def address_in_use(*, realm: Realm) -> Letter:
    """To the owner of an address that somebody wanted for an account, though there is one."""
    sign_in, reset = _address(realm, "sign-in"), _address(realm, "reset-password")
    return _letter("address_in_use", gettext("You have an account already"), realm=realm, sign_in=sign_in, reset=reset)


def address_changing(*, realm: Realm, username: str) -> Letter:
    """To the present address of somebody who wants another one."""
    reset = _address(realm, "reset-password")
    return _letter(
        "address_changing", gettext("Your email address is to change"), realm=realm, username=username, reset=reset
    )


def reset_password(*, realm: Realm, username: str, secret: str) -> Letter:
    """The link by which somebody chooses another password."""
    link = _address(realm, "new-password", secret)
    return _letter("reset_password", gettext("Choose another password"), realm=realm, username=username, link=link)


def password_changed(*, realm: Realm, username: str) -> Letter:
    """That an account has another password."""
    reset = _address(realm, "reset-password")
    return _letter(
        "password_changed", gettext("Your password was changed"), realm=realm, username=username, reset=reset
    )


def factors_changed(*, realm: Realm, username: str, change: FactorChange) -> Letter:
    """That a person has a factor more or less, or a recovery code less."""
    reset, security = _address(realm, "reset-password"), _address(realm, "account/security")
    changed, subject = str(_FACTOR_CHANGES[change]), gettext("How you sign in has changed")
    return _letter(
        "factors_changed", subject, realm=realm, username=username, change=changed, reset=reset, security=security
    )


def invitation(*, realm: Realm, secret: str) -> Letter:
    """The link by which somebody who was invited makes an account."""
    return _letter("invitation", gettext("You are invited"), realm=realm, link=_address(realm, "invitation", secret))


def _address(realm: Realm, page: str, secret: str = "") -> str:
    query = f"?{urlencode({'link': secret})}" if secret else ""
    return f"{realm.issuer}/{page}{query}"


def _letter(name: str, subject: str, *, realm: Realm, **context: str) -> Letter:
    text = render_to_string(f"accounts/mail/{name}.txt", {"realm": realm.name, **context})
    return Letter(subject=_one_line(f"{realm.name}: {subject}"), text=text)


def _one_line(text: str) -> str:
    """Without line breaks and what else could begin a header of its own (RFC 5322 §2.2)."""
    return " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())
