"""Running management commands as a shell does: output, errors and exit code."""

import io
import json
from dataclasses import dataclass
from typing import Any

from django.core.management import call_command
from django.core.management.base import CommandError


@dataclass(frozen=True, slots=True)
class Ran:
    """What a command left behind."""

    out: str
    err: str
    code: int

    @property
    def json(self) -> Any:
        """The one JSON document that it printed."""
        return json.loads(self.out)


def run(name: str, *arguments: str) -> Ran:
    """Run a command with the arguments of a shell."""
    out, err = io.StringIO(), io.StringIO()
    try:
        call_command(name, *arguments, stdout=out, stderr=err)
    except CommandError as error:
        return Ran(out.getvalue(), err.getvalue() + str(error), error.returncode)
    except SystemExit as error:
        return Ran(out.getvalue(), err.getvalue(), int(error.code or 0))
    return Ran(out.getvalue(), err.getvalue(), 0)
