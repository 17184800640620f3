"""How the command and the admin tell of a forecast: as words and as JSON."""

from collections.abc import Sequence
from itertools import groupby
from typing import Any

from keys import reports
from keys.forecast import Forecast
from keys.verifier_trials import Failure, helpless
from realms.spans import in_words


def as_json(found: Forecast) -> dict[str, Any]:
    """A forecast in full."""
    return {
        **reports.ring_as_json(found.ring),
        "refused": found.refused or None,
        "timeline": [
            {"at": reports.moment(event.at), "kid": event.kid, "event": event.turn.value}
            for event in found.course.events
        ],
        "failures": [_failure_as_json(failure, forced=False) for failure in found.scheduled]
        + [_failure_as_json(failure, forced=True) for failure in found.forced],
        "propagation": reports.seconds(found.course.ring.policy.propagation),
        "smallest_propagation": None if found.smallest is None else reports.seconds(found.smallest),
        "helpless": [profile.name for profile in found.profiles if helpless(profile)] if found.has_verifiers else [],
    }


def lines(found: Forecast) -> list[str]:
    """A forecast in lines, the first of which names the ring."""
    ring, course = found.ring, found.course
    title = f"{ring.realm.slug} {ring}, {reports.moment(course.since)} to {reports.moment(course.until)}:"
    refused = [f"REFUSED by rotate_keys: {found.refused}"] if found.refused else []
    timeline = [f"{reports.moment(event.at)}  {event.turn.value:<11}  {event.kid}" for event in course.events]
    return [title, *refused, *(timeline or ["nothing happens"]), *verdict(found)]


def verdict(found: Forecast) -> list[str]:
    """What the verifiers make of a forecast, one sentence each; failures of one kind share one."""
    if not found.has_verifiers:
        return ["no verifier takes this ring's keys from the JWKS"]
    told = _told(found.scheduled, "") + _told(found.forced, " if takeovers are forced or cron is late")
    hopeless = [profile.name for profile in found.profiles if helpless(profile)]
    told += [f"{', '.join(hopeless)}: no propagation helps; start again between publication and takeover"] * bool(
        hopeless
    )
    return [*(told or ["no verifier fails"]), _smallest(found)]


def _told(some: Sequence[Failure], where: str) -> list[str]:
    told = []
    for (name, why), group in groupby(some, key=lambda failure: (failure.verifier, failure.why)):
        first, *others = group
        until = reports.moment(first.until) if first.until else "it starts again"
        more = f", and those of {len(others)} more key{'s' * (len(others) > 1)}" if others else ""
        signed = "" if first.signed_at == first.since else f" that it signed at {reports.moment(first.signed_at)}"
        told.append(
            f"FAILS{where}: {name} may refuse tokens of {first.kid}{signed} from {reports.moment(first.since)} "
            f"until {until} ({why.value}){more}"
        )
    return told


def _smallest(found: Forecast) -> str:
    others = ", ".join(profile.name for profile in found.profiles if not helpless(profile))
    if not others:
        return "smallest safe propagation: none, see above"
    now = in_words(found.course.ring.policy.propagation)
    if found.smallest is None:
        return f"smallest safe propagation: none that fits into the rotation period, for {others}; it is {now} now"
    return f"smallest safe propagation: {in_words(found.smallest)}, for {others}; it is {now} now"


def _failure_as_json(failure: Failure, *, forced: bool) -> dict[str, Any]:
    return {
        "verifier": failure.verifier,
        "kid": failure.kid,
        "why": failure.why.value,
        "signed_at": reports.moment(failure.signed_at),
        "since": reports.moment(failure.since),
        "until": reports.moment(failure.until),
        "only_if_forced": forced,
    }
