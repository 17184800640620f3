"""`manage.py move_ring`: another custodian, or another custody, for the keys that a ring gets from now on."""

from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from keys.algorithms import Custody, Purpose
from keys.errors import CustodyRefused, KeysError
from keys.management.commands._arguments import WRONG_USAGE, known_algorithm, realm_named
from keys.models import KeyRing
from keys.selectors import rings
from keys.services.moving import custody_fault, move_ring, prove_custody
from realms.spans import in_words

ACTOR = "command:move_ring"
_MINUTE = timedelta(minutes=1)


class Command(BaseCommand):
    """Exit code 0: moved, or there already. 1: the custodian can't now. 2: wrong usage."""

    help = "Has a ring's new keys made by another custodian; the move is over after the rotations that are due."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--realm", help="the realm's slug; the default realm if left out")
        parser.add_argument("--algorithm", required=True, help="of the ring, such as ES256")
        parser.add_argument("--purpose", type=Purpose, choices=list(Purpose), default=Purpose.SIGN, help="of the ring")
        parser.add_argument("--bits", type=int, help="of the ring, where there are several of one algorithm")
        parser.add_argument("--custodian", required=True, help="who looks after the keys to come, such as pkcs11")
        parser.add_argument(
            "--custody",
            type=Custody,
            choices=list(Custody),
            default=Custody.ENVELOPE,
            help="envelope: sealed in the database, under a key of the custodian; remote: never leave the custodian",
        )
        parser.add_argument("--reason", default="", help="stands in the audit")

    def handle(self, *args: Any, **options: Any) -> None:
        ring = _chosen(options)
        asked = {"custodian": options["custodian"], "custody": options["custody"]}
        fault = custody_fault(**asked, purpose=Purpose(ring.purpose), algorithm=ring.algorithm)
        if fault:
            raise CommandError(fault, returncode=WRONG_USAGE)
        now = timezone.now()
        try:
            prove_custody(**asked, algorithm=ring.algorithm, bits=ring.bits)
            move = move_ring(ring, **asked, actor=ACTOR, now=now, reason=options["reason"])
        except CustodyRefused as error:
            raise CommandError(str(error), returncode=WRONG_USAGE) from error
        except KeysError as error:
            raise CommandError(f"Nothing was moved: {error}") from error
        where = f"the custodian {options['custodian']!r} ({options['custody']})"
        begun = "is with" if not move.changed else "gets its new keys from"
        self.stdout.write(f"{ring.realm.slug} {ring} {begun} {where}.")
        if move.complete_at is None:
            self.stdout.write("No key of it may sign now: run rotate_keys.")
        elif move.complete_at <= now:
            self.stdout.write("A key of it signs already: nothing is left to be done.")
        else:
            minutes = (move.complete_at - now) // _MINUTE
            self.stdout.write(
                f"The first of them signs from {move.complete_at:%Y-%m-%d %H:%M} UTC, in "
                f"{in_words(minutes * _MINUTE)}, if rotate_keys runs as usual; rotate_keys --force brings each "
                f"takeover near."
            )


def _chosen(options: dict[str, Any]) -> KeyRing:
    """The one ring that the arguments name.

    Raises:
        CommandError: none, or more than one.
    """
    realm, algorithm = realm_named(options["realm"]), known_algorithm(options["algorithm"])
    found = rings(realm=realm.slug, algorithm=algorithm).filter(purpose=options["purpose"])
    if options["bits"] is not None:
        found = found.filter(bits=options["bits"])
    match list(found):
        case [ring]:
            return ring
        case []:
            raise CommandError(
                f"The realm {realm.slug!r} has no such ring: add one with add_ring.", returncode=WRONG_USAGE
            )
    raise CommandError(
        f"The realm {realm.slug!r} has several rings with {algorithm}: name one with --bits.", returncode=WRONG_USAGE
    )
