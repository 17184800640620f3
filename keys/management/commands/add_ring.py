"""`manage.py add_ring ALGORITHM`: a further ring for a realm, with its active key and its standby."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from keys import reports
from keys.algorithms import Custody, Purpose, algorithm_named, choose_bits
from keys.custodians import CUSTODIANS
from keys.errors import KeysError
from keys.management.commands._arguments import WRONG_USAGE, known_algorithm, realm_named
from keys.selectors import ring_of_kind
from keys.services.moving import custody_fault, prove_custody
from keys.services.retirement import revive_ring
from keys.services.rings import add_ring
from keys.services.rotation import rotate

ACTOR = "command:add_ring"


class Command(BaseCommand):
    """Exit code 0: added. 1: the custodian can't now, or added, but its keys could not be made. 2: wrong usage."""

    help = "Adds a key ring to a realm and makes its first keys."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("algorithm", help="such as ES256, RS256, PS256, ES384, ES512, Ed25519, ML-DSA-65")
        parser.add_argument("--realm", help="the realm's slug; the default realm if left out")
        parser.add_argument("--bits", type=int, help="length of an RSA modulus: 2048, 3072 or 4096")
        parser.add_argument(
            "--revive", action="store_true", help="the realm has the ring, retired: have new keys made for it"
        )
        parser.add_argument(
            "--purpose",
            type=Purpose,
            choices=(Purpose.SIGN, Purpose.EXPIRED_TEST, Purpose.MAC),
            default=Purpose.SIGN,
            help="what its keys are for",
        )
        parser.add_argument(
            "--custodian",
            choices=[custodian.name for custodian in CUSTODIANS],
            default="local",
            help="who looks after the private halves",
        )
        parser.add_argument(
            "--custody",
            type=Custody,
            choices=tuple(Custody),
            default=Custody.ENVELOPE,
            help="whether the custodian wraps them, or keeps them and signs",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        now = timezone.now()
        realm = realm_named(options["realm"])
        asked = {
            "realm": realm,
            "algorithm": known_algorithm(options["algorithm"]),
            "bits": options["bits"],
            "purpose": options["purpose"],
        }
        try:
            if options["revive"]:
                ring = revive_ring(ring_of_kind(**asked), actor=ACTOR)
            else:
                where = {"custodian": options["custodian"], "custody": options["custody"]}
                _prove(**where, algorithm=asked["algorithm"], purpose=asked["purpose"], bits=asked["bits"])
                ring = add_ring(**asked, **where, actor=ACTOR, now=now)
        except KeysError as error:
            raise CommandError(str(error), returncode=WRONG_USAGE) from error
        try:
            report = rotate(ring, now=now, actor=ACTOR)
        except KeysError as error:
            raise CommandError(f"The ring is there, but without keys: {error} Then run rotate_keys.") from error
        self.stdout.write(f"{realm.slug} {ring}:")
        for step, kid in report.steps:
            self.stdout.write(f"  {reports.in_words(step, kid)}")


def _prove(*, custodian: str, custody: Custody, algorithm: str, purpose: Purpose, bits: int | None) -> None:
    """A ring that no key can be made for would take every worker out of the balancer.

    Raises:
        CommandError: the custodian can't keep such keys, or can't now; no ring is added.
        UnknownAlgorithm: no such length.
    """
    if fault := custody_fault(custodian=custodian, custody=custody, purpose=purpose, algorithm=algorithm):
        raise CommandError(fault, returncode=WRONG_USAGE)
    length = choose_bits(algorithm_named(algorithm), bits)
    try:
        prove_custody(custodian=custodian, custody=custody, algorithm=algorithm, bits=length)
    except KeysError as error:
        raise CommandError(f"Nothing was added: {error}") from error
