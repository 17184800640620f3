from django.apps import AppConfig, apps
from django.db.models.signals import post_migrate


class ProjectConfig(AppConfig):
    name = "idp_project"
    verbose_name = "Signet"

    def ready(self) -> None:
        """Register the checks that span apps, and have the roles follow the permissions that there are."""
        from idp_project import checks  # noqa: F401, PLC0415  (checks register themselves once apps are loaded)
        from idp_project.audit_seals import seal_audit  # noqa: PLC0415  (models, once they are loaded)
        from idp_project.operators.proof import watch_sign_ins  # noqa: PLC0415
        from idp_project.roles import make_roles  # noqa: PLC0415
        from keys.hooks import register_housekeeping  # noqa: PLC0415

        watch_sign_ins()
        register_housekeeping("events sealed", seal_audit)
        # Django makes the permissions of one app after the other: with the last one all of them are there.
        last = [app for app in apps.get_app_configs() if app.models_module is not None][-1]
        post_migrate.connect(make_roles, sender=last, dispatch_uid="signet.roles")
