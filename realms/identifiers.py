"""Reading identifiers that come from outside."""

from uuid import UUID


def uuid_in(text: str) -> UUID | None:
    """The UUID that a text is; None for any other text."""
    try:
        return UUID(text)
    except ValueError:
        return None
