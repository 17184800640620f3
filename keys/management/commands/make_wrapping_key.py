"""`manage.py make_wrapping_key CUSTODIAN`: make the key with which a custodian wraps data keys."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from keys.custodians import MakesWrappingKeys, custodian_named
from keys.errors import CustodianNotConfigured, KeysError, UnknownCustodian
from keys.management.commands._arguments import WRONG_USAGE


class Command(BaseCommand):
    """Exit code 0: made. 1: the custodian doesn't, or can't be reached. 2: wrong usage or not configured."""

    help = "Makes the wrapping key that a custodian's settings name, in the custodian."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("custodian", help="such as pkcs11")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            custodian = custodian_named(options["custodian"])
            if not isinstance(custodian, MakesWrappingKeys):
                raise CommandError(
                    f"The custodian {custodian.name!r} makes no wrapping key by command: see docs/keys.md.",
                    returncode=WRONG_USAGE,
                )
            made = custodian.make_wrapping_key()
        except (UnknownCustodian, CustodianNotConfigured) as error:
            raise CommandError(str(error), returncode=WRONG_USAGE) from error
        except KeysError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"The custodian {custodian.name!r} has the wrapping key {made!r} now.")
