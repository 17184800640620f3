"""Paths of this app, below a realm's issuer."""

from django.urls import path

from accounts.views.registration import RegistrationView
from accounts.views.sign_in import SignedInView, SignInView

urlpatterns = [
    path("sign-in", SignInView.as_view(), name="sign-in"),
    path("signed-in", SignedInView.as_view(), name="signed-in"),
    path("register", RegistrationView.as_view(), name="register"),
]
