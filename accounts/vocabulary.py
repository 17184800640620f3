"""The words that rows of people hold."""

from enum import StrEnum


class SessionEnd(StrEnum):
    """Why a session ended. A word, once written, is never given another meaning."""

    SIGNED_OUT = "signed_out"  # by the person
    REPLACED = "replaced"  # somebody else signed in with the same browser
    OPERATOR = "operator"  # by whoever runs the realm
    DEVICE_REMOVED = "device_removed"  # the device it was on


class Factor(StrEnum):
    """What a person proves besides a password; events and `/auth` call it so."""

    TOTP = "totp"
    RECOVERY_CODE = "recovery_code"
    PASSKEY = "passkey"


class FactorChange(StrEnum):
    """What became of somebody's factors, as a mail tells them."""

    APP_ADDED = "app_added"
    APP_REMOVED = "app_removed"
    PASSKEY_ADDED = "passkey_added"
    PASSKEY_REMOVED = "passkey_removed"
    CODES_REPLACED = "codes_replaced"
    CODE_USED = "code_used"
    RESET = "reset"  # all of them, by an operator


class DeviceKind(StrEnum):
    """How a device is recognised."""

    BROWSER = "browser"  # by a signed cookie
    KEY = "key"  # by the key that a client proves (RFC 9449)


class LinkPurpose(StrEnum):
    """What a link that was mailed is for. A word, once written, is never given another meaning."""

    CONFIRM_ADDRESS = "confirm_address"
    RESET_PASSWORD = "reset_password"  # noqa: S105  (a word, not a password)
    INVITATION = "invitation"


class MailOutcome(StrEnum):
    """What came of an attempt to hand a mail over."""

    SENT = "sent"
    WAITING = "waiting"
    GIVEN_UP = "given_up"


class OperatorRole(StrEnum):
    """What somebody may do in the admin (idp_project/roles.py says with which permissions)."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    KEY_OFFICER = "key officer"
    OWNER = "owner"  # Django's superuser, and no group: nothing can be left out, and nothing be added by hand


def group_of(role: OperatorRole) -> str:
    """The name of the group that holds a role's permissions; nobody has one of this name by accident."""
    return f"Signet {role}"


ROLE_GROUPS = frozenset(group_of(role) for role in OperatorRole if role is not OperatorRole.OWNER)
