"""The names of security events. A name, once written, is never given another meaning."""

from enum import StrEnum


class EventName(StrEnum):
    """What happened: the noun it happened to, then the past participle."""

    REALM_CREATED = "realm.created"
    RING_CREATED = "ring.created"
    RING_POLICY_CHANGED = "ring.policy_changed"
    KEY_CREATED = "key.created"
    KEY_TAKEOVER_MOVED = "key.takeover_moved"
    KEY_LIFETIME_RAISED = "key.lifetime_raised"
    KEY_PRIVATE_WIPED = "key.private_wiped"
    KEY_COMPROMISED = "key.compromised"
    KEY_REOPENED = "key.reopened"
    KEY_END_SCHEDULED = "key.end_scheduled"
    SECRETS_REWRAPPED = "secrets.rewrapped"
    CLIENT_CREATED = "client.created"
    CLIENT_CHANGED = "client.changed"
    PERSON_CREATED = "person.created"
    PERSON_CHANGED = "person.changed"
    MEMBERSHIP_CHANGED = "membership.changed"
    MEMBERSHIP_ENDED = "membership.ended"
    SIGN_IN_SUCCEEDED = "sign_in.succeeded"
    SIGN_IN_REFUSED = "sign_in.refused"
    SIGN_IN_LIMITED = "sign_in.limited"
    SESSION_BEGUN = "session.begun"
    SESSION_ENDED = "session.ended"
    CONSENT_GRANTED = "consent.granted"
    GRANT_ENDED = "grant.ended"
    GRANT_REUSE_DETECTED = "grant.reuse_detected"
    GRANT_AHEAD_OF_DATABASE = "grant.ahead_of_database"
