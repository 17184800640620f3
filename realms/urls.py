"""Paths of this app, below a realm's issuer."""

from django.urls import path

from realms.views import LogoView, ThemeView

urlpatterns = [
    path("theme.css", ThemeView.as_view(), name="theme"),
    path("logo", LogoView.as_view(), name="logo"),
]
