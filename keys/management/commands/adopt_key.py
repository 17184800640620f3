"""`manage.py adopt_key FILE`: takes in a key that was made elsewhere, with its kid."""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError
from django.utils import timezone

from keys import reports
from keys.adoptable import MOST_BYTES, AdoptableKey, read_key
from keys.errors import KeysError, RingBusy
from keys.management.commands._arguments import WRONG_USAGE, realm_named
from keys.management.commands._secret_files import open_to_others, read_file, read_passphrase_file
from keys.services.adoption import AdoptionReport, adopt, adopt_for_verifying
from keys.services.rotation import rotate
from realms.models import Realm
from realms.spans import from_iso

ACTOR = "command:adopt_key"


class Command(BaseCommand):
    """Exit code 0: adopted. 1: adopted, but its standby could not be made; or another run held the ring. 2: refused."""

    help = "Adopts a key made elsewhere (PEM or JWK): as the next to sign, or to verify alone."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path, help="PEM (PKCS #8 or traditional), or a JWK")
        parser.add_argument("--realm", help="the realm's slug; the default realm if left out")
        parser.add_argument("--kid", help="its kid; that of the JWK, or else its thumbprint, if left out")
        parser.add_argument("--algorithm", help="such as PS256; by the kind of the key if left out")
        parser.add_argument("--passphrase-file", type=Path, help="a file with the passphrase of an encrypted PEM")
        parser.add_argument("--verify-for", metavar="SPAN", help="publish it for so long (P7D), and never sign with it")

    def handle(self, *args: Any, **options: Any) -> None:
        realm = realm_named(options["realm"])
        try:
            report = self._adopt(realm, options)
        except RingBusy as error:
            raise CommandError(str(error)) from error
        except KeysError as error:
            raise CommandError(str(error), returncode=WRONG_USAGE) from error
        self._tell(report)
        if report.signs_from is not None:
            self.stdout.write(f"Now destroy {options['file']}: whoever has it can sign as this provider.")
            self._rotate(report)

    def _adopt(self, realm: Realm, options: dict[str, Any]) -> AdoptionReport:
        key = _read(options)
        if options["verify_for"] is None:
            return adopt(key, realm=realm, kid=options["kid"], actor=ACTOR)
        lifetime = from_iso(options["verify_for"])
        if lifetime is None:
            raise CommandError("--verify-for is no length of time such as P7D.", returncode=WRONG_USAGE)
        return adopt_for_verifying(key, realm=realm, kid=options["kid"], lifetime=lifetime, actor=ACTOR)

    def _tell(self, report: AdoptionReport) -> None:
        does = (
            f"published, signs from {reports.moment(report.signs_from)}"
            if report.signs_from
            else f"published until {reports.moment(report.until)}, never signs"
        )
        self.stdout.write(f"{report.ring.realm.slug} {report.ring}:\n  key {report.kid}: adopted, {does}")

    def _rotate(self, report: AdoptionReport) -> None:
        """Have a standby made where the ring had none; the adoption stands whether that works or not."""
        try:
            for step, kid in rotate(report.ring, now=timezone.now(), actor=ACTOR).steps:
                self.stdout.write(f"  {reports.in_words(step, kid)}")
        except (KeysError, DatabaseError) as error:
            raise CommandError(f"The key is adopted, but no standby could be made: {error} Run rotate_keys.") from error


def _read(options: dict[str, Any]) -> AdoptableKey:
    passphrase = read_passphrase_file(options["passphrase_file"]) if options["passphrase_file"] else None
    raw, is_open = read_file(options["file"], most_bytes=MOST_BYTES)
    key = read_key(raw, algorithm=options["algorithm"], passphrase=passphrase)
    if is_open and key.private is not None:
        raise open_to_others(options["file"])
    return key
