from django.apps import AppConfig


class TokensConfig(AppConfig):
    name = "tokens"
    verbose_name = "Tokens"

    def ready(self) -> None:
        """Register chores, what a compromise hits, whose scripts may read, and who hears of sign-outs."""
        from corsheaders.signals import check_request_enabled  # noqa: PLC0415

        from accounts.hooks import (  # noqa: PLC0415
            register_devices_removed,
            register_sessions_ended,
            register_stored_about,
        )
        from keys.hooks import register_algorithm_use, register_housekeeping, register_impact  # noqa: PLC0415
        from tokens.algorithms_in_use import algorithm_uses  # noqa: PLC0415  (models, once they are loaded)
        from tokens.cors import may_be_read  # noqa: PLC0415  (models, once they are loaded)
        from tokens.selectors import impact  # noqa: PLC0415  (models, once they are loaded)
        from tokens.services.device_authorization import purge_dead_device_authorizations  # noqa: PLC0415
        from tokens.services.devices import end_grants_on, purge_forgotten_devices  # noqa: PLC0415
        from tokens.services.logout_delivery import deliver_while_keeping_house  # noqa: PLC0415
        from tokens.services.logouts import purge_old_logouts, queue_logouts  # noqa: PLC0415
        from tokens.services.revocation import purge_dead_grants  # noqa: PLC0415
        from tokens.services.spent_tokens import purge_spent_tokens  # noqa: PLC0415
        from tokens.stored import stored_about  # noqa: PLC0415

        register_housekeeping("dead device authorizations", purge_dead_device_authorizations)
        register_housekeeping("dead grants", purge_dead_grants)
        register_housekeeping("forgotten devices", purge_forgotten_devices)
        register_housekeeping("spent tokens", purge_spent_tokens)
        register_housekeeping("delivered logouts", deliver_while_keeping_house)
        register_housekeeping("old logouts", purge_old_logouts)
        register_impact(impact)
        register_algorithm_use(algorithm_uses)
        check_request_enabled.connect(may_be_read)
        register_sessions_ended(queue_logouts)
        register_devices_removed(end_grants_on)
        register_stored_about(stored_about)
