"""Where somebody is when they do something: personal, so the audit keeps it sealed."""

from collections.abc import Mapping
from dataclasses import dataclass

_LONGEST = 300


@dataclass(frozen=True, slots=True)
class Whereabouts:
    """The address and the program of a request; "" for what is not known.

    Attributes:
        address: the client's, as the limits see it.
        user_agent: what the program says that it is (RFC 9110 §10.1.5); anything, and of any length.
    """

    address: str = ""
    user_agent: str = ""

    def fields(self) -> Mapping[str, str]:
        """What is known, by name, in printable characters and bounded."""
        found = {"address": self.address, "user_agent": self.user_agent}
        legible = {name: "".join(sign for sign in text if sign.isprintable()) for name, text in found.items()}
        return {name: text[:_LONGEST] for name, text in legible.items() if text}


NOWHERE = Whereabouts()
