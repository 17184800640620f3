from django.contrib.admin.apps import AdminConfig


class OperatorsConfig(AdminConfig):
    """Django's admin with the site of this project, wherever `admin.site` is named."""

    default_site = "idp_project.operators.site.OperatorSite"
