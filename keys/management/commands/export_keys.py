"""`manage.py export_keys FILE`: all keys with their timetables, sealed under a passphrase or by a custodian."""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from keys.errors import KeysError
from keys.key_export import KeyExport, Seal, passphrase_seal
from keys.management.commands._arguments import WRONG_USAGE, realm_named
from keys.management.commands._passphrases import passphrase_from
from keys.management.commands._secret_files import write_secret_file
from keys.services.exporting import export_keys, seal_by_custodian


class Command(BaseCommand):
    """Exit code 0: written. 1: a key can't be unsealed, or the custodian doesn't answer. 2: wrong usage."""

    help = "Writes keys, private halves among them, into a new file that is sealed as a whole."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path, help="the file to make; nothing is overwritten")
        parser.add_argument("--realm", help="only the keys of this realm, by its slug")
        parser.add_argument("--passphrase-file", type=Path, help="a file with the passphrase; asked for if left out")
        parser.add_argument("--custodian", help="have this custodian wrap the key of the file, instead of a passphrase")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["realm"] is not None:
            realm_named(options["realm"])
        if options["file"].exists():
            raise CommandError(
                f"{options['file']} is there already, and nothing is overwritten.", returncode=WRONG_USAGE
            )
        seal = _seal(options)
        try:
            document, export = export_keys(
                realm=options["realm"], seal=seal, actor="command:export_keys", now=timezone.now()
            )
        except KeysError as error:
            raise CommandError(str(error)) from error
        write_secret_file(options["file"], document)
        self._tell(export, options["file"])

    def _tell(self, export: KeyExport, path: Path) -> None:
        for ring in export.rings:
            name = " ".join(str(part) for part in (ring.realm, ring.purpose, ring.algorithm, ring.bits) if part)
            private = sum(key.private is not None for key in ring.keys)
            remote = sum(bool(key.custodian_reference) for key in ring.keys)
            line = f"{name}: {len(ring.keys)} keys, {private} with their private halves"
            self.stdout.write(line + (f"; {remote} stay with their custodian, by reference" if remote else ""))
        self.stdout.write(f"Written to {path}. Keep it apart from what opens it.")


def _seal(options: dict[str, Any]) -> Seal:
    if options["custodian"] is not None and options["passphrase_file"] is not None:
        raise CommandError("A passphrase or a custodian seals an export, not both.", returncode=WRONG_USAGE)
    try:
        if options["custodian"] is not None:
            return seal_by_custodian(options["custodian"])
        return passphrase_seal(passphrase_from(options["passphrase_file"], twice=True))
    except KeysError as error:
        raise CommandError(str(error), returncode=WRONG_USAGE) from error
