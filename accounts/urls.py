"""Paths of this app, below a realm's issuer."""

from django.urls import path

from accounts.views.account import AccountView, SessionsView
from accounts.views.account_factors import AddAppView, AddPasskeyOptionsView, AddPasskeyView
from accounts.views.addresses import AddressConfirmedView, ConfirmAddressView, EmailView, LookAtYourMailView
from accounts.views.devices import DevicesView
from accounts.views.invitations import InvitationView, JoinView
from accounts.views.linked import LinkedView
from accounts.views.passkeys import SignInPasskeyOptionsView, SignInPasskeyView
from accounts.views.passwords import (
    NewPasswordView,
    PasswordChangedView,
    PasswordView,
    ResetPasswordView,
    ResetSentView,
)
from accounts.views.registration import RegistrationView
from accounts.views.second_factor import SecondFactorView
from accounts.views.second_factor_passkeys import (
    SecondFactorPasskeyOptionsView,
    SecondFactorPasskeyView,
    SetUpPasskeyOptionsView,
    SetUpPasskeyView,
)
from accounts.views.second_factor_set_up import SetUpView
from accounts.views.security import SecurityView
from accounts.views.sign_in import SignedInView, SignInView
from accounts.views.stored import StoredView
from accounts.views.upstream import CallbackView, StartView
from accounts.views.upstream_link import LinkView

urlpatterns = [
    path("sign-in", SignInView.as_view(), name="sign-in"),
    path("sign-in/second-factor", SecondFactorView.as_view(), name="second-factor"),
    path("sign-in/second-factor/passkey", SecondFactorPasskeyView.as_view(), name="second-factor-passkey"),
    path(
        "sign-in/second-factor/passkey/options",
        SecondFactorPasskeyOptionsView.as_view(),
        name="second-factor-passkey-options",
    ),
    path("sign-in/set-up-second-factor/passkey", SetUpPasskeyView.as_view(), name="second-factor-set-up-passkey"),
    path(
        "sign-in/set-up-second-factor/passkey/options",
        SetUpPasskeyOptionsView.as_view(),
        name="second-factor-set-up-passkey-options",
    ),
    path("sign-in/set-up-second-factor", SetUpView.as_view(), name="second-factor-set-up"),
    path("sign-in/passkey", SignInPasskeyView.as_view(), name="sign-in-passkey"),
    path("sign-in/passkey/options", SignInPasskeyOptionsView.as_view(), name="sign-in-passkey-options"),
    path("signed-in", SignedInView.as_view(), name="signed-in"),
    path("account", AccountView.as_view(), name="account"),
    path("account/sessions", SessionsView.as_view(), name="account-sessions"),
    path("account/security", SecurityView.as_view(), name="account-security"),
    path("account/security/app", AddAppView.as_view(), name="account-app"),
    path("account/security/passkey", AddPasskeyView.as_view(), name="account-passkey"),
    path("account/security/passkey/options", AddPasskeyOptionsView.as_view(), name="account-passkey-options"),
    path("account/linked", LinkedView.as_view(), name="account-linked"),
    path("account/link", LinkView.as_view(), name="account-link"),
    path("upstream/<slug:provider>/start", StartView.as_view(), name="upstream-start"),
    path("upstream/<slug:provider>/callback", CallbackView.as_view(), name="upstream-callback"),
    path("account/devices", DevicesView.as_view(), name="account-devices"),
    path("account/data", StoredView.as_view(), name="account-data"),
    path("account/email", EmailView.as_view(), name="account-email"),
    path("account/password", PasswordView.as_view(), name="account-password"),
    path("confirm-address", ConfirmAddressView.as_view(), name="confirm-address"),
    path("address-confirmed", AddressConfirmedView.as_view(), name="address-confirmed"),
    path("look-at-your-mail", LookAtYourMailView.as_view(), name="look-at-your-mail"),
    path("reset-password", ResetPasswordView.as_view(), name="reset-password"),
    path("reset-password/sent", ResetSentView.as_view(), name="reset-password-sent"),
    path("new-password", NewPasswordView.as_view(), name="new-password"),
    path("password-changed", PasswordChangedView.as_view(), name="password-changed"),
    path("invitation", InvitationView.as_view(), name="invitation"),
    path("invitation/join", JoinView.as_view(), name="invitation-join"),
    path("register", RegistrationView.as_view(), name="register"),
]
