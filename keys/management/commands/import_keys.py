"""`manage.py import_keys FILE`: takes in the keys of an export; overwrites none and revives none."""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError
from django.utils import timezone

from keys import reports
from keys.custodians import custodian_named
from keys.errors import ExportRefused, KeysError
from keys.key_export import MOST_BYTES, PURPOSE, ExportedRing, KeyExport, Wrapper, from_document, sealed_by_passphrase
from keys.management.commands._arguments import WRONG_USAGE, realm_named
from keys.management.commands._passphrases import passphrase_from
from keys.management.commands._secret_files import read_secret_file
from keys.services.importing import ImportReport, Outcome, import_ring
from keys.services.rotation import rotate

ACTOR = "command:import_keys"


class Command(BaseCommand):
    """Exit code 0: imported. 1: a ring could not be imported, or no standby made; the others went on. 2: refused."""

    help = "Imports keys of an export: as they were into rings without keys, to verify alone beside others."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path, help="what export_keys wrote")
        parser.add_argument("--realm", help="only the keys of this realm, by its slug")
        parser.add_argument("--passphrase-file", type=Path, help="a file with the passphrase; asked for if left out")
        parser.add_argument("--dry-run", action="store_true", help="say what would be done; change nothing")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["realm"] is not None:
            realm_named(options["realm"])
        try:
            export = _opened(options)
        except KeysError as error:
            raise CommandError(str(error), returncode=WRONG_USAGE) from error
        chosen = [ring for ring in export.rings if options["realm"] in (None, ring.realm)]
        if not chosen:
            raise CommandError("The export holds no keys of this realm.", returncode=WRONG_USAGE)
        self.stdout.write(f"Exported at {reports.moment(export.exported_at)}.")
        done = [self._import(ring, dry_run=options["dry_run"]) for ring in chosen]
        if not all(done):
            raise SystemExit(1)

    def _import(self, ring: ExportedRing, *, dry_run: bool) -> bool:
        """One ring; one that fails doesn't stop the others."""
        try:
            report = import_ring(ring, actor=ACTOR, dry_run=dry_run)
        except (KeysError, DatabaseError) as error:
            self.stderr.write(f"FAILED: {str(error).strip()}")
            return False
        self._tell(report, dry_run=dry_run)
        changed = any(outcome is not Outcome.LEFT for _, outcome in report.outcomes)
        return dry_run or not changed or self._rotate(report)

    def _tell(self, report: ImportReport, *, dry_run: bool) -> None:
        self.stdout.write(f"{report.realm} {report.ring}:{' new ring' if report.made else ''}")
        for kid, outcome in report.outcomes:
            self.stdout.write(f"  {'would: ' if dry_run else ''}key {kid}: {outcome.value}")

    def _rotate(self, report: ImportReport) -> bool:
        assert report.row is not None  # noqa: S101  (no dry run)
        try:
            for step, kid in rotate(report.row, now=timezone.now(), actor=ACTOR).steps:
                self.stdout.write(f"  {reports.in_words(step, kid)}")
        except (KeysError, DatabaseError) as error:
            self.stderr.write(f"Imported, but no new key could be made: {str(error).strip()} Then run rotate_keys.")
            return False
        return True


def _opened(options: dict[str, Any]) -> KeyExport:
    raw = read_secret_file(options["file"], most_bytes=MOST_BYTES)
    passphrase = passphrase_from(options["passphrase_file"]) if sealed_by_passphrase(raw) else None
    if passphrase is None and options["passphrase_file"] is not None:
        raise ExportRefused("The export is sealed by a custodian: leave the passphrase out.")
    return from_document(raw, passphrase=passphrase, unwrap=_unwrapper)


def _unwrapper(name: str, secret_id: str) -> Wrapper:
    custodian = custodian_named(name)
    return lambda wrapped, bound: custodian.unwrap(wrapped, secret_id=secret_id, purpose=PURPOSE, bound=bound)
