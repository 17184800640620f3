"""What can be wrong with a configuration."""

from collections.abc import Sequence

_MOST_TOLD = 50


class ConfigurationRefused(ValueError):
    """A configuration can't be read, or not be imported; one sentence a fault, and none repeats a value."""

    def __init__(self, faults: Sequence[str]) -> None:
        """The sentences, a line each; of very many the first ones."""
        more = [f"And {len(faults) - _MOST_TOLD} more."] if len(faults) > _MOST_TOLD else []
        super().__init__("\n".join([*faults[:_MOST_TOLD], *more]))
