"""Every address: the default realm's issuer is the site itself, another realm's lies below /realms/<slug>."""

from django.contrib import admin
from django.urls import include, path

from idp_project.views import FrontView, LiveView, ReadyView

below_an_issuer = [path("", include("keys.urls")), path("", include("tokens.urls"))]

urlpatterns = [
    path("", FrontView.as_view(), name="front"),
    path("livez", LiveView.as_view(), name="livez"),
    path("readyz", ReadyView.as_view(), name="readyz"),
    path("admin/", admin.site.urls),
    path("", include(below_an_issuer)),
    path("realms/<slug:realm>/", include((below_an_issuer, "realm"))),
]
