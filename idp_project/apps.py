from django.apps import AppConfig


class ProjectConfig(AppConfig):
    name = "idp_project"
    verbose_name = "Signet"

    def ready(self) -> None:
        """Register the checks that span apps."""
        from idp_project import checks  # noqa: F401, PLC0415  (checks register themselves once apps are loaded)
