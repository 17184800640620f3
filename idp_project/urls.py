"""Every address: the default realm's issuer is the site itself, another realm's lies below /realms/<slug>."""

from django.contrib import admin
from django.urls import include, path

from idp_project.views import FrontView, LiveView, MetricsView, ReadyView
from tokens.endpoints import DISCOVERY, METADATA
from tokens.views.service import DiscoveryView

handler404 = "idp_project.views.not_found"
handler500 = "idp_project.views.broken"

below_an_issuer = [path("", include(app)) for app in ("keys.urls", "tokens.urls", "accounts.urls", "realms.urls")]

# RFC 8414 §3.1 puts the well-known part between the host and the issuer's path.
inserted = [
    path(
        f"{document.path}/realms/<slug:realm>",
        DiscoveryView.as_view(http_method_names=document.http_method_names()),
        name=document.name,
    )
    for document in (DISCOVERY, METADATA)
]

urlpatterns = [
    *inserted,
    path("", FrontView.as_view(), name="front"),
    path("livez", LiveView.as_view(), name="livez"),
    path("readyz", ReadyView.as_view(), name="readyz"),
    path("metrics", MetricsView.as_view(), name="metrics"),
    path("admin/", admin.site.urls),
    path("", include(below_an_issuer)),
    path("realms/<slug:realm>/", include((below_an_issuer, "realm"))),
]
