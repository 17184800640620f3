"""`manage.py migrate_algorithm FROM TO`: moves clients from one signing algorithm to another, step by step."""

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from idp_project.algorithm_migration import Side, sides, start
from keys import reports
from keys.algorithms import Purpose, algorithm_named
from keys.errors import KeysError
from keys.services.retirement import check_retirement, retire_rings
from realms.models import Realm
from realms.selectors import DEFAULT_SLUG, realm_by_slug
from tokens.algorithm_shares import parse_share
from tokens.services.algorithm_moves import Move, Moved, MoveRefused, move_clients
from tokens.vocabulary import TokenKind

WRONG_USAGE = 2
ACTOR = "command:migrate_algorithm"
_KINDS = {
    "access": frozenset({TokenKind.ACCESS}),
    "id": frozenset({TokenKind.ID}),
    "both": frozenset(TokenKind),
}
_WORDS = {TokenKind.ACCESS: "access tokens", TokenKind.ID: "ID tokens and userinfo"}


class Done:
    """What an action did, in words and as JSON."""

    def __init__(self, *lines: str, refused: bool = False, **document: Any) -> None:
        """Keep the lines, the members, and whether some of what was asked for was refused."""
        self.lines, self.refused, self.document = lines, refused, document


class Command(BaseCommand):
    """Exit code 0: done, or told. 1: refused for now, or some clients can't be moved. 2: wrong usage."""

    help = "Moves clients from one signing algorithm to another, step by step; without an action it says how far it is."

    def add_arguments(self, parser: CommandParser) -> None:
        """Two algorithms and one action."""
        parser.add_argument("source", metavar="FROM", help="the algorithm that clients leave, such as RS256")
        parser.add_argument("target", metavar="TO", help="the algorithm that they get, such as ES256 or ML-DSA-65")
        parser.add_argument("--realm", default=DEFAULT_SLUG, help="the realm's slug; the default realm if left out")
        parser.add_argument("--start", action="store_true", help="make and publish the keys of TO")
        parser.add_argument("--bits", type=int, help="with --start: length of an RSA modulus")
        parser.add_argument("--client", action="append", default=[], help="move this client; repeatable")
        parser.add_argument("--percent", help="move a stable share of the clients: 0 to 100; more only adds")
        parser.add_argument("--back", action="store_true", help="move back: these clients, or those beyond the share")
        parser.add_argument(
            "--tokens",
            choices=sorted(_KINDS),
            default="access",
            help="what moves: access tokens; or, of clients that you name, what they read themselves (id), or both",
        )
        parser.add_argument("--retire", action="store_true", help="end the rings of FROM once no client uses them")
        parser.add_argument("--reason", default="", help="why, for the audit")
        parser.add_argument("--dry-run", action="store_true", help="say what would be done; change nothing")
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *_args: Any, **options: Any) -> None:
        """Do the one action.

        Raises:
            CommandError: it is refused, or wrongly asked for; one sentence says why.
        """
        realm = _realm(options["realm"])
        source, target = (_algorithm(options[name]) for name in ("source", "target"))
        _refuse_wrong(source, target, options)
        try:
            done = _act(realm, source, target, options)
        except (KeysError, MoveRefused) as error:
            raise CommandError(str(error)) from error
        found = sides(realm, source, target, now=timezone.now())
        if options["json"]:
            document = {"realm": realm.slug, "dry_run": options["dry_run"], **done.document}
            self.stdout.write(json.dumps({**document, "algorithms": [_as_json(side) for side in found]}, indent=2))
        else:
            for line in [*done.lines, *(line for side in found for line in _lines(side))]:
                self.stdout.write(line)
        if done.refused:
            raise SystemExit(1)


def _refuse_wrong(source: str, target: str, options: dict[str, Any]) -> None:
    moves = bool(options["client"]) or options["percent"] is not None
    actions = sum((options["start"], options["retire"], moves))
    if source == target:
        raise CommandError("The two algorithms are one: name another.", returncode=WRONG_USAGE)
    if actions > 1 or (options["back"] and not moves) or (options["client"] and options["percent"] is not None):
        raise CommandError(
            "One thing at a time: --start, --client or --percent (with --back), or --retire.", returncode=WRONG_USAGE
        )


def _act(realm: Realm, source: str, target: str, options: dict[str, Any]) -> Done:
    if options["start"]:
        return _start(realm, target, options)
    if options["retire"]:
        return _retire(realm, source, options)
    if options["client"] or options["percent"] is not None:
        return _move(realm, source, target, options)
    return Done()


def _realm(slug: str) -> Realm:
    realm = realm_by_slug(slug)
    if realm is None:
        raise CommandError(f"There is no realm {slug!r}.", returncode=WRONG_USAGE)
    return realm


def _algorithm(name: str) -> str:
    try:
        row = algorithm_named(name)
    except KeysError as error:
        raise CommandError(str(error), returncode=WRONG_USAGE) from error
    if Purpose.SIGN not in row.purposes:
        raise CommandError(f"No token is signed with {row.name}.", returncode=WRONG_USAGE)
    return row.name


def _start(realm: Realm, target: str, options: dict[str, Any]) -> Done:
    if options["dry_run"]:
        return Done(f"Would make and publish what the ring {target} lacks.", steps=[])
    steps = start(
        realm=realm, algorithm=target, bits=options["bits"], actor=ACTOR, reason=options["reason"], clock=timezone.now
    )
    lines = [reports.in_words(step, kid) for step, kid in steps] or [f"The ring {target} has all that it needs."]
    return Done(*lines, steps=[reports.step_as_json(step, kid) for step, kid in steps])


def _move(realm: Realm, source: str, target: str, options: dict[str, Any]) -> Done:
    try:
        percent = None if options["percent"] is None else parse_share(options["percent"])
    except ValueError as error:
        raise CommandError(f"--percent: {error}", returncode=WRONG_USAGE) from error
    move = Move(
        source=source,
        target=target,
        kinds=_KINDS[options["tokens"]],
        clients=frozenset(options["client"]),
        percent=percent,
        back=options["back"],
    )
    moved = move_clients(
        move, realm=realm, actor=ACTOR, now=timezone.now(), reason=options["reason"], dry_run=options["dry_run"]
    )
    return Done(
        *_told(moved, move, dry_run=options["dry_run"]),
        refused=bool(moved.refused),
        moved=list(moved.clients),
        refused_clients=dict(moved.refused),
        unconcerned=list(moved.unconcerned),
    )


def _told(moved: Moved, move: Move, *, dry_run: bool) -> list[str]:
    present, wanted = move.ends
    verb = "Would move" if dry_run else "Moved"
    lines = [f"{verb} {reports.counted(len(moved.clients), 'clients')} from {present} to {wanted}."]
    lines += [f"{client}: nothing of it is to move." for client in moved.unconcerned]
    return lines + [f"{client} can't move: {why}" for client, why in moved.refused.items()]


def _retire(realm: Realm, source: str, options: dict[str, Any]) -> Done:
    if options["dry_run"]:
        check_retirement(realm=realm, algorithm=source)
        return Done(f"Would retire the rings that sign with {source}.", steps=[])
    retired = retire_rings(realm=realm, algorithm=source, actor=ACTOR, reason=options["reason"])
    steps = [step for ring in retired for step in ring.steps]
    lines = [f"Retired: {one.ring}." for one in retired] or [f"What signs with {source} was retired before."]
    lines += [reports.in_words(step, kid) for step, kid in steps]
    return Done(*lines, steps=[reports.step_as_json(step, kid) for step, kid in steps])


def _lines(side: Side) -> list[str]:
    uses = ", ".join(f"{_WORDS[kind]} of {reports.counted(count, 'clients')}" for kind, count in side.clients.items())
    lines = [f"{side.algorithm}: {uses}; {reports.counted(side.signed_lately, 'tokens')} signed since a day ago."]
    if not side.rings:
        lines.append("  no ring signs with it")
    if side.movable_from is not None:
        lines.append(f"  verifiers may not know its key yet: clients can move from {reports.moment(side.movable_from)}")
    lines += [
        f"  ring {ring} is retired since {reports.moment(ring.retired_at)}" for ring in side.rings if ring.retired_at
    ]
    if side.last_expiry is not None:
        lines.append(f"  the last token that it signed expires at {reports.moment(side.last_expiry)}")
    return lines


def _as_json(side: Side) -> dict[str, Any]:
    return {
        "algorithm": side.algorithm,
        "clients": {kind.value: count for kind, count in side.clients.items()},
        "signed_lately": side.signed_lately,
        "signs": side.signs,
        "movable_from": reports.moment(side.movable_from),
        "rings": [reports.ring_as_json(ring) for ring in side.rings],
        "last_expiry": reports.moment(side.last_expiry),
    }
