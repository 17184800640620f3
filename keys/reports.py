"""How commands and the admin tell of rings, keys and steps: as words and as JSON."""

import math
from datetime import datetime, timedelta
from typing import Any

from keys.drill import Reaction
from keys.evidence import Behind, Propagation
from keys.models import KeyPair, KeyRing
from keys.selectors import timetable_of
from keys.services.compromise import CompromiseReport
from keys.services.rotation import NextTakeover
from keys.steps import Condemn, Finish, Mint, RaiseLifetime, Reopen, SetEnd, SetStart, Step, Wipe, Withdraw
from keys.timetable import state_at
from realms.spans import roughly


def moment(when: datetime | None) -> str | None:
    """A moment in ISO 8601, UTC, to the second."""
    return when.isoformat(timespec="seconds").replace("+00:00", "Z") if when else None


def in_words(step: Step, kid: str) -> str:
    """One step as a clause, whether it was done or is only planned."""
    key = f"key {kid}" if kid else "a new key"
    match step:
        case Mint(times=times):
            words = f"minted, published from {moment(times.published_at)}, signs from {moment(times.activates_at)}"
        case SetStart(activates_at=start):
            words = f"takes over at {moment(start)}"
        case Finish(deactivates_at=end, unpublishes_at=gone):
            words = f"the ring's last, signs until {moment(end)}, published until {moment(gone)}"
        case Withdraw():
            words = "withdrawn, never signs"
        case SetEnd(deactivates_at=end, unpublishes_at=gone):
            words = f"signs until {moment(end)}, published until {moment(gone)}"
        case Reopen():
            words = "goes on signing, its standby is gone"
        case RaiseLifetime(max_lifetime=lifetime):
            words = f"may sign for {lifetime}"
        case Wipe():
            words = "private half wiped"
        case Condemn():
            words = "compromised, out of the JWKS"
    return f"{key}: {words}"


def step_as_json(step: Step, kid: str) -> dict[str, Any]:
    """One step as JSON can hold it: its name, the kid, and its values."""
    found: dict[str, Any] = {"step": _NAMES[type(step)], "kid": kid or None}
    match step:
        case Mint(times=times, max_lifetime=lifetime):
            found |= {
                "published_at": moment(times.published_at),
                "activates_at": moment(times.activates_at),
                "max_lifetime": seconds(lifetime),
            }
        case SetStart(activates_at=start):
            found |= {"activates_at": moment(start)}
        case SetEnd(deactivates_at=end, unpublishes_at=gone) | Finish(deactivates_at=end, unpublishes_at=gone):
            found |= {"deactivates_at": moment(end), "unpublishes_at": moment(gone)}
        case RaiseLifetime(max_lifetime=lifetime):
            found |= {"max_lifetime": seconds(lifetime)}
        case _:
            pass
    return found


_NAMES: dict[type, str] = {
    Mint: "mint",
    SetStart: "set_start",
    SetEnd: "set_end",
    Reopen: "reopen",
    RaiseLifetime: "raise_lifetime",
    Wipe: "wipe",
    Condemn: "condemn",
    Finish: "finish",
    Withdraw: "withdraw",
}


def seconds(length: timedelta) -> int:
    """A length of time in whole seconds."""
    return int(length.total_seconds())


def ring_as_json(ring: KeyRing) -> dict[str, Any]:
    """Which ring it is."""
    return {
        "realm": ring.realm.slug,
        "purpose": ring.purpose,
        "algorithm": ring.algorithm,
        "bits": ring.bits,
        "retired_at": moment(ring.retired_at),
    }


def next_as_json(coming: NextTakeover | None) -> dict[str, Any] | None:
    """What a ring waits for."""
    return {"action": "takeover", "kid": coming.kid, "at": moment(coming.at)} if coming else None


def key_as_json(key: KeyPair, now: datetime) -> dict[str, Any]:
    """A key with its state and timetable; never its private half."""
    return {
        **ring_as_json(key.ring),
        "kid": key.kid,
        "state": state_at(timetable_of(key), now).value,
        "published_at": moment(key.published_at),
        "activates_at": moment(key.activates_at),
        "deactivates_at": moment(key.deactivates_at),
        "unpublishes_at": moment(key.unpublishes_at),
        "compromised_at": moment(key.compromised_at),
        "withdrawn_at": moment(key.withdrawn_at),
        "destroyed_at": moment(key.destroyed_at),
        "max_lifetime": seconds(key.max_lifetime),
        "custodian": key.custodian,
        "private_half": custody_of(key),
        "public_jwk": key.public_jwk,
    }


def custody_of(key: KeyPair) -> str:
    """Where a private half is: "sealed", "remote", "destroyed", or "destroying" until its custodian confirms."""
    if key.destroyed_at is not None:
        return "destroying" if key.custodian_reference else "destroyed"
    return "remote" if key.custodian_reference else "sealed"


def custody_in_words(key: KeyPair) -> str:
    """Who looks after a private half, and how."""
    return f"{key.custodian}/{custody_of(key)}"


def turn_in_words(key: KeyPair) -> str:
    """When a key signs, or when it was taken out; a timetable that is void isn't told."""
    if key.compromised_at is not None:
        return f"compromised at {moment(key.compromised_at)}"
    if key.withdrawn_at is not None:
        return f"withdrawn at {moment(key.withdrawn_at)}, never signs"
    until = f" until {moment(key.deactivates_at)}" if key.deactivates_at else ""
    return f"signs from {moment(key.activates_at)}{until}"


def counted(count: int, things: str) -> str:
    """So many things, such as "1 client"; `things` ends with the plural's s."""
    return f"{count} {things.removesuffix('s') if count == 1 else things}"


def held_in_words(held: Propagation) -> str:
    """How many fetchers hold the next key, as a sentence."""
    if not held.fetchers:
        return "No fetcher of the JWKS was seen within 7 days."
    plural = "" if held.fetchers == 1 else "s"
    return f"{held.holding} of {held.fetchers} fetcher{plural} hold{'s' if held.fetchers == 1 else ''} the next key."


def behind_in_words(late: Behind) -> str:
    """Who doesn't hold the next key, in a line."""
    return (
        f"behind: {late.address or 'an unknown address'} {late.user_agent or '(no user agent)'}, last seen "
        f"{moment(late.last_seen_at)}, holds {late.holds} of {moment(late.holds_since)}"
    )


def held_as_json(held: Propagation) -> dict[str, Any]:
    """Who holds the next key of a ring; `behind` names a few of those that don't."""
    return {
        "kid": held.kid,
        "fetchers": held.fetchers,
        "holding": held.holding,
        "fetches_of_others": held.unseated,
        "behind": [
            {
                "address": late.address,
                "user_agent": late.user_agent,
                "last_seen_at": moment(late.last_seen_at),
                "etag": late.holds,
                "served_since": moment(late.holds_since),
            }
            for late in held.behind
        ],
    }


# Workers write their counts down about once a minute, and one that was killed takes its last minute with it.
_UNTIL = {"tokens": ", as counted until a minute ago"}


def consequences(report: CompromiseReport) -> list[str]:
    """What follows from a compromise, one sentence each."""
    lines = [f"Hit at most: {counted(count, name)}{_UNTIL.get(name, '')}" for name, count in report.impact.items()]
    if report.successor is None:
        lines.append(
            "The ring has no other key: nothing is signed until rotate_keys makes one, and verifiers with a cached "
            "JWKS refuse its tokens until they fetch it."
        )
    else:
        lines.append(f"Signs from now on: {report.successor}")
    if report.propagated_at is not None:
        lines.append(not_propagated(report.propagated_at))
    return lines


def not_propagated(until: datetime) -> str:
    """What a successor that verifiers can't know yet means for them."""
    return (
        f"The successor has not propagated: verifiers with a cached JWKS may refuse its tokens until {moment(until)}."
    )


def followers(report: CompromiseReport) -> list[str]:
    """How soon each kind of verifier follows, a line each; empty where nobody verifies offline."""
    if not report.verifiers:
        return []
    lines = [f"  {kind.profile.title}: {in_time(kind)}" for kind in report.verifiers]
    return ["How soon verifiers follow, at worst:", *lines]


def in_time(kind: Reaction) -> str:
    """How soon one kind of verifier follows, as a clause."""
    return f"drops the key {drops(kind)}, accepts the successor {accepts(kind)}"


def drops(kind: Reaction) -> str:
    """When a kind of verifier drops the compromised key."""
    if kind.drops is not None:
        return f"within {at_most(kind.drops)}"
    return "when it is restarted or meets an unknown kid" if kind.profile.refetches else "only when it is restarted"


def accepts(kind: Reaction) -> str:
    """When a kind of verifier accepts the successor."""
    if kind.accepts is None:
        return "only when it is restarted"
    return f"within {at_most(kind.accepts)}" if kind.accepts else "at once"


def at_most(length: timedelta) -> str:
    """A length of time in whole seconds, rounded up; a long one also in its largest unit."""
    said = f"{_rounded_up(length)} s"
    return f"{said} ({roughly(length)})" if length >= timedelta(hours=1) else said


def _rounded_up(length: timedelta) -> int:
    return math.ceil(length.total_seconds())


def reaction_as_json(kind: Reaction) -> dict[str, Any]:
    """How soon one kind of verifier follows; null where time alone doesn't help."""
    return {
        "name": kind.profile.name,
        "title": kind.profile.title,
        "drops_seconds": None if kind.drops is None else _rounded_up(kind.drops),
        "accepts_seconds": None if kind.accepts is None else _rounded_up(kind.accepts),
    }
