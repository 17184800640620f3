"""Paths of the JWK Set, below a realm's issuer."""

from django.urls import path

from keys.views import JwksView

urlpatterns = [
    path(".well-known/jwks.json", JwksView.as_view(), name="jwks"),
    path("jwks", JwksView.as_view(), name="jwks"),
]
