"""Paths of the JWK Set and of the keys' history, below a realm's issuer."""

from django.urls import path

from keys.views import HistoryView, JwksView

urlpatterns = [
    path(".well-known/jwks.json", JwksView.as_view(), name="jwks"),
    path(".well-known/jwks-history.json", HistoryView.as_view(), name="jwks-history"),
    path("jwks", JwksView.as_view(), name="jwks"),
]
