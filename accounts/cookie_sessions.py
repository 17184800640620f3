"""Django's sessions in the database, of which people's sign-ins outlive what happens to the admin's.

Django flushes everything when an operator signs out, when another one signs in, and when an operator's
password has changed. The people who are signed in with the same browser have no part in that.
"""

from django.contrib.sessions.backends import db

SIDS = "signet.sids"


class SessionStore(db.SessionStore):
    """Django's store, with a flush that carries people's sessions over to the new key."""

    def flush(self) -> None:
        """Drop all else, and the key."""
        kept = self.get(SIDS)
        super().flush()
        if kept:
            self[SIDS] = kept
