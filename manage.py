#!/usr/bin/env python
"""Signet's commands: `manage.py help` lists them."""

import os
import sys

from django.core.exceptions import ImproperlyConfigured
from django.core.management import execute_from_command_line
from django.db import OperationalError, ProgrammingError
from psycopg.errors import UndefinedColumn, UndefinedTable


def main(arguments: list[str]) -> int:
    """Run one command.

    Arguments:
        arguments: the program's name, the command and its arguments.

    Returns:
        0; 2 when a setting is missing or wrong, 1 when the database can't be reached or has no tables yet.
        Other failures end the process with the command's own exit code.
    """
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "idp_project.settings")
    try:
        execute_from_command_line(arguments)
    except ImproperlyConfigured as error:
        sys.stderr.write(f"signet: {error}\n")
        return 2
    except OperationalError as error:
        if getattr(error.__cause__, "sqlstate", None):
            raise  # the server answered: that is a fault to look into, not a server that is away
        sys.stderr.write(f"signet: the database can't be reached: {str(error).splitlines()[0]}\n")
        return 1
    except ProgrammingError as error:
        if not isinstance(error.__cause__, UndefinedTable | UndefinedColumn):
            raise
        sys.stderr.write("signet: the database's tables are not those of this version: run manage.py migrate first.\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
