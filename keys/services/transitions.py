"""Writing down what the clock alone did to keys: each transition once, by the run that first sees it."""

from datetime import datetime

from audit.services import Details, record_each
from audit.vocabulary import EventName
from keys.models import KeyPair, KeyRing
from keys.selectors import timetable_of
from keys.services.thumbprints import thumbprint_of
from keys.timetable import KeyState, transitions

# Nobody did it: the timetable said so, and whoever wrote the timetable stands in the events before.
ACTOR = "timetable"
_EVENT_NAMES = {
    KeyState.ACTIVE: EventName.KEY_ACTIVATED,
    KeyState.DEACTIVATED: EventName.KEY_DEACTIVATED,
    KeyState.ARCHIVED: EventName.KEY_ARCHIVED,
}


def note_transitions(ring: KeyRing, *, now: datetime) -> None:
    """Append an event for each state that a key of a ring came into by the clock, once each.

    The event's time is that of this run, so that the audit's order is that of writing; the moment of the timetable
    stands in its details.

    Arguments:
        ring: the locked ring: of two runs the second finds nothing left to note.
        now: the database's time.
    """
    unnoted = KeyPair.objects.filter(ring=ring).exclude(noted_state=KeyState.ARCHIVED).defer("sealed_private")
    found: dict[KeyState, list[tuple[str, str, Details]]] = {state: [] for state in _EVENT_NAMES}
    latest: dict[str, KeyState] = {}
    for key in unnoted.order_by("activates_at"):
        about = {"ring": str(ring), **thumbprint_of(key.public_jwk)}
        for state, moment in transitions(timetable_of(key), since=KeyState(key.noted_state), now=now):
            found[state].append((ring.realm.slug, key.kid, {**about, "at": moment.isoformat()}))
            latest[key.kid] = state
    for state, targets in found.items():
        if targets:
            record_each(_EVENT_NAMES[state], targets=targets, actor=ACTOR, now=now)
        if kids := [kid for kid, last in latest.items() if last is state]:
            KeyPair.objects.filter(ring=ring, kid__in=kids).update(noted_state=state)
