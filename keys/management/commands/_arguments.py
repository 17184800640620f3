"""What the commands share: choosing rings, and turning errors into one sentence and an exit code."""

from collections.abc import Sequence
from typing import Any

from django.core.management.base import CommandError, CommandParser

from keys.algorithms import algorithm_named
from keys.errors import UnknownAlgorithm
from keys.models import KeyRing
from keys.selectors import rings
from realms.models import Realm
from realms.selectors import DEFAULT_SLUG, realm_by_slug

WRONG_USAGE = 2


def add_ring_choice(parser: CommandParser) -> None:
    """The arguments by which a command is narrowed to some rings."""
    parser.add_argument("--realm", help="only the rings of this realm, by its slug")
    parser.add_argument("--algorithm", help="only the rings with this algorithm, such as ES256")


def chosen_rings(options: dict[str, Any]) -> Sequence[KeyRing]:
    """The rings that the arguments name.

    Raises:
        CommandError: a realm or an algorithm is unknown, or nothing is left; it is named in the message.
    """
    algorithm = options["algorithm"]
    if options["realm"] is not None:
        realm_named(options["realm"])
    if algorithm is not None:
        algorithm = known_algorithm(algorithm)
    found = list(rings(realm=options["realm"], algorithm=algorithm))
    if not found and (algorithm or options["realm"]):
        where = f"The realm {options['realm']!r} has" if options["realm"] else "There is"
        raise CommandError(
            f"{where} no ring with {algorithm or 'any algorithm'}: add one with add_ring.",
            returncode=WRONG_USAGE,
        )
    if not found:
        raise CommandError("There are no key rings yet: run manage.py bootstrap.")
    return found


def known_algorithm(name: str) -> str:
    """The proper name of an algorithm.

    Raises:
        CommandError: there is none of this name; wrong usage.
    """
    try:
        return algorithm_named(name).name
    except UnknownAlgorithm as error:
        raise CommandError(str(error), returncode=WRONG_USAGE) from error


def realm_named(slug: str | None) -> Realm:
    """The realm with a slug, or the default one.

    Raises:
        CommandError: there is none; wrong usage.
    """
    realm = realm_by_slug(slug or DEFAULT_SLUG)
    if realm is None:
        hint = "run manage.py bootstrap" if slug in (None, DEFAULT_SLUG) else "see the admin for those that there are"
        raise CommandError(f"There is no realm {slug or DEFAULT_SLUG!r}: {hint}.", returncode=WRONG_USAGE)
    return realm
