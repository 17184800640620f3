"""Reading people, their sessions and what they can prove."""

from accounts.selectors.people import (
    Candidate,
    address_taken,
    name_taken,
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
    "SESSION_LIFETIME", "Candidate", "LiveSession", "address_taken", "lineage_of", "live_session", "name_taken",
    "own_session", "person_facts", "person_of", "sign_in_candidate", "standing_sessions", "subject_exists",
    "user_exists",
]  # fmt: skip
