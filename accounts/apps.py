from django.apps import AppConfig


class AccountsConfig(AppConfig):
    name = "accounts"
    verbose_name = "People"

    def ready(self) -> None:
        """Have the attempts that no longer count removed with each rotation."""
        from accounts.services.attempts import purge_full_budgets  # noqa: PLC0415  (models, once they are loaded)
        from accounts.services.challenges import purge_dead_challenges  # noqa: PLC0415
        from accounts.services.sessions import purge_dead_sessions, purge_expired_cookies  # noqa: PLC0415
        from keys.hooks import register_housekeeping  # noqa: PLC0415

        register_housekeeping("attempt budgets", purge_full_budgets)
        register_housekeeping("dead sign-in challenges", purge_dead_challenges)
        register_housekeeping("dead sessions", purge_dead_sessions)
        register_housekeeping("expired cookies", purge_expired_cookies)
