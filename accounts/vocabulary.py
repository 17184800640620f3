"""The words that rows of people's sessions hold."""

from enum import StrEnum


class SessionEnd(StrEnum):
    """Why a session ended. A word, once written, is never given another meaning."""

    SIGNED_OUT = "signed_out"  # by the person
    REPLACED = "replaced"  # somebody else signed in with the same browser
    OPERATOR = "operator"  # by whoever runs the realm
