"""Reading people, their sessions and what they can prove."""

from accounts.selectors.devices import devices_of, facts_of, own_device
from accounts.selectors.operators import may_touch, with_rights
from accounts.selectors.people import (
    Candidate,
    address_taken,
    name_taken,
    named,
    person_facts,
    person_of,
    sign_in_candidate,
    subject_exists,
    user_exists,
)
from accounts.selectors.sessions import (
    SESSION_LIFETIME,
    LiveSession,
    lineage_of,
    live_session,
    own_session,
    standing_sessions,
)

__all__ = [
    "SESSION_LIFETIME", "Candidate", "LiveSession", "address_taken", "devices_of", "facts_of", "lineage_of",
    "live_session", "may_touch", "name_taken", "named", "own_device", "own_session", "person_facts", "person_of",
    "sign_in_candidate", "standing_sessions", "subject_exists", "user_exists", "with_rights",
]  # fmt: skip
