"""What this app registers with those below it: chores, sealed columns, and who opens what the audit keeps sealed."""

from accounts.selectors.factors import TOTP_COLUMN
from accounts.selectors.upstreams import SECRET_COLUMN
from accounts.services.challenges import purge_dead_challenges
from accounts.services.mail_delivery import CONTENT, send_while_keeping_house
from accounts.services.mailed_links import purge_dead_links
from accounts.services.personal import PERSONAL_KEY, open_personal
from accounts.services.places import purge_full_budgets
from accounts.services.second_factors import purge_dead_enrolments
from accounts.services.sessions import purge_dead_sessions, purge_expired_cookies
from audit.hooks import register_opener
from keys.hooks import register_housekeeping, register_sealed_column

_CHORES = {
    "attempt budgets": purge_full_budgets,
    "dead sign-in challenges": purge_dead_challenges,
    "dead enrolments": purge_dead_enrolments,
    "dead sessions": purge_dead_sessions,
    "expired cookies": purge_expired_cookies,
    "dead links": purge_dead_links,
    "sent mails": send_while_keeping_house,
}


def register_all() -> None:
    """Register everything; again changes nothing."""
    for name, chore in _CHORES.items():
        register_housekeeping(name, chore)
    for column in (TOTP_COLUMN, SECRET_COLUMN, CONTENT, PERSONAL_KEY):
        register_sealed_column(column)
    register_opener(open_personal)
