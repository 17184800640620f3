"""Tables of people: columns and constraints, no behaviour."""

from accounts.models.devices import MAX_DEVICE_NAME, Device
from accounts.models.factors import Passkey, RecoveryCode, TotpSecret
from accounts.models.limits import AttemptBudget
from accounts.models.mail import MailedLink, OutgoingMail
from accounts.models.people import Membership, User, UserManager, new_subject
from accounts.models.personal import PersonalKey
from accounts.models.sessions import Session, SignInChallenge, new_sid
from accounts.models.upstreams import UpstreamLink, UpstreamProvider

__all__ = [
    "MAX_DEVICE_NAME", "AttemptBudget", "Device", "MailedLink", "Membership", "OutgoingMail", "Passkey", "PersonalKey",
    "RecoveryCode", "Session", "SignInChallenge", "TotpSecret", "UpstreamLink", "UpstreamProvider", "User",
    "UserManager", "new_sid", "new_subject",
]  # fmt: skip
