"""What `rotate_keys --simulate` reads and prints."""

import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django.core.management.base import CommandError, CommandParser

from keys.forecast import Forecast, forecast
from keys.management.commands._arguments import WRONG_USAGE
from keys.models import KeyRing
from keys.policy import LONGEST_PERIOD
from keys.selectors import keys_by_ring
from keys.simulation import CRON_INTERVAL
from keys.verifier_profiles import VerifierProfile, verifier_profiles
from realms.spans import from_iso, from_words, in_words

_DAYS = re.compile(r"(\d{1,5})d?", re.ASCII)
_SHORTEST_INTERVAL = timedelta(minutes=1)
_ALONE = ("force", "dry_run")
_ONLY_HERE = ("verifiers", "every")


def add_simulation(parser: CommandParser) -> None:
    """The arguments of a simulation."""
    parser.add_argument(
        "--simulate",
        metavar="SPAN",
        help='play the rings forward and try verifiers on them; change nothing ("365d", "P365D" or days)',
    )
    parser.add_argument(
        "--verifiers", metavar="NAMES", help="with --simulate: only these profiles, such as jose,envoy; else all"
    )
    parser.add_argument(
        "--every", metavar="SPAN", help='with --simulate: how often cron runs, such as "PT15M"; else hourly'
    )


def refuse_mixtures(options: dict[str, Any]) -> None:
    """Refuse arguments that say nothing together.

    Raises:
        CommandError: wrong usage.
    """
    simulates = options["simulate"] is not None
    for name in _ALONE if simulates else _ONLY_HERE:
        if options[name]:
            flag = "--" + name.replace("_", "-")
            sentence = f"{flag} does not go with --simulate." if simulates else f"{flag} goes with --simulate alone."
            raise CommandError(sentence, returncode=WRONG_USAGE)


def simulate(rings: Sequence[KeyRing], options: dict[str, Any], now: datetime) -> list[Forecast]:
    """Play each ring forward.

    Raises:
        CommandError: a length of time or a profile's name can't be read; wrong usage.
    """
    span = _span(options["simulate"], "--simulate", least=timedelta(seconds=1))
    every = CRON_INTERVAL if options["every"] is None else _span(options["every"], "--every", least=_SHORTEST_INTERVAL)
    profiles = _profiles(options["verifiers"])
    keys = keys_by_ring(rings)
    return [forecast(ring, keys[ring.pk], now=now, span=span, profiles=profiles, every=every) for ring in rings]


def fails(forecasts: Sequence[Forecast], options: dict[str, Any]) -> bool:
    """Whether the exit code has to say so; a verifier that nothing helps counts where it was asked for by name."""
    named = (options["verifiers"] or "").split(",")
    return any(found.fails(counted=named) for found in forecasts)


def _profiles(names: str | None) -> Sequence[VerifierProfile]:
    known = {profile.name: profile for profile in verifier_profiles()}
    if names is None:
        return tuple(known.values())
    chosen = list(dict.fromkeys(name.strip() for name in names.split(",")))
    for name in chosen:
        if name not in known:
            raise CommandError(
                f"There is no verifier profile {name!r}; there are {', '.join(known)}.", returncode=WRONG_USAGE
            )
    return tuple(known[name] for name in chosen)


def _span(text: str, flag: str, *, least: timedelta) -> timedelta:
    days = _DAYS.fullmatch(text.strip())
    try:
        found = timedelta(days=int(days[1])) if days else from_iso(text.strip()) or from_words(text)
    except OverflowError:
        found = None
    if found is None or not least <= found <= LONGEST_PERIOD:
        raise CommandError(
            f'{flag} takes a length of time from {in_words(least)} to {LONGEST_PERIOD.days} days, such as "365d", '
            f'"P365D" or "90 minutes", not {text[:40]!r}.',
            returncode=WRONG_USAGE,
        )
    return found
