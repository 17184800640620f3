"""The words that realms' rows hold."""

from enum import StrEnum


class Registration(StrEnum):
    """Who makes the accounts of a realm's people. A word, once written, is never given another meaning."""

    CLOSED = "closed"  # operators alone
    INVITED = "invited"  # whoever an operator sent an invitation
    OPEN = "open"  # whoever comes, for themselves
