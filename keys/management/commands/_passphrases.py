"""Passphrases of exports: from a file or a prompt, never from the command line, where others could read them."""

import getpass
import sys
from pathlib import Path

from django.core.management.base import CommandError

from keys.management.commands._arguments import WRONG_USAGE
from keys.management.commands._secret_files import read_passphrase_file


def passphrase_from(path: Path | None, *, twice: bool = False) -> bytes:
    """A passphrase.

    Arguments:
        path: a file that holds it; None asks at the terminal.
        twice: have it typed twice, since nobody sees it.

    Raises:
        CommandError: there is neither a file nor a terminal, or the two differ; wrong usage.
    """
    if path is not None:
        return read_passphrase_file(path)
    if not sys.stdin.isatty():
        raise CommandError("Name a file with the passphrase by --passphrase-file.", returncode=WRONG_USAGE)
    found = getpass.getpass("Passphrase: ")
    if twice and getpass.getpass("Once more: ") != found:
        raise CommandError("The two differ.", returncode=WRONG_USAGE)
    return found.encode("utf-8")
