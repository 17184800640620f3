from django.apps import AppConfig


class AccountsConfig(AppConfig):
    name = "accounts"
    verbose_name = "People"

    def ready(self) -> None:
        """Have what is dead removed with each rotation, and what is sealed reached by a rewrap."""
        from accounts.selectors.factors import TOTP_COLUMN  # noqa: PLC0415  (models, once they are loaded)
        from accounts.services.attempts import purge_full_budgets  # noqa: PLC0415
        from accounts.services.challenges import purge_dead_challenges  # noqa: PLC0415
        from accounts.services.mail_delivery import CONTENT, send_while_keeping_house  # noqa: PLC0415
        from accounts.services.mailed_links import purge_dead_links  # noqa: PLC0415
        from accounts.services.second_factors import purge_dead_enrolments  # noqa: PLC0415
        from accounts.services.sessions import purge_dead_sessions, purge_expired_cookies  # noqa: PLC0415

        """Register chores, what is sealed, and who opens what the audit keeps sealed."""
        from accounts.services.personal import PERSONAL_KEY, open_personal  # noqa: PLC0415
        from audit.hooks import register_opener  # noqa: PLC0415
        from keys.hooks import register_housekeeping, register_sealed_column  # noqa: PLC0415

        register_sealed_column(PERSONAL_KEY)
        register_opener(open_personal)
        register_housekeeping("attempt budgets", purge_full_budgets)
        register_housekeeping("dead sign-in challenges", purge_dead_challenges)
        register_housekeeping("dead enrolments", purge_dead_enrolments)
        register_housekeeping("dead sessions", purge_dead_sessions)
        register_housekeeping("expired cookies", purge_expired_cookies)
        register_sealed_column(TOTP_COLUMN)
        register_housekeeping("sent mails", send_while_keeping_house)
        register_housekeeping("dead links", purge_dead_links)
        register_sealed_column(CONTENT)
