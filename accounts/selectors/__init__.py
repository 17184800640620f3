"""Reading people, their sessions and what they can prove."""

from accounts.selectors.devices import devices_of, facts_of, own_device
from accounts.selectors.operators import may_touch, with_rights
from accounts.selectors.people import (
    Candidate,
    address_taken,
    may_be_member,
    name_taken,
    named,
    owner_of_address,
    person_facts,
    person_of,
    reset_candidate,
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
    "live_session", "may_be_member", "may_touch", "name_taken", "named", "own_device", "own_session",
    "owner_of_address", "person_facts", "person_of", "reset_candidate", "sign_in_candidate", "standing_sessions",
    "subject_exists", "user_exists", "with_rights",
]  # fmt: skip
