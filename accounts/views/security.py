"""How somebody signs in: their passkeys, authenticator app and recovery codes, and every change of them."""

from collections.abc import Mapping
from datetime import datetime
from http import HTTPStatus

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext

from accounts.errors import FactorDemanded, FactorMissing, NameRefused
from accounts.models import Passkey
from accounts.passkeys import MAX_NAME
from accounts.selectors import LiveSession
from accounts.selectors.factors import confirmed_totp, factors_of
from accounts.selectors.passkeys import own_passkey, passkeys_of
from accounts.services.own_factors import remove_own_passkey, remove_own_totp
from accounts.services.passkeys import rename_passkey
from accounts.services.second_factors import make_recovery_codes
from accounts.views.account import AccountPage
from accounts.views.credentials import once_each
from accounts.views.page import Page, malformed, notice, see_other
from accounts.views.passkey_forms import party_here
from accounts.views.passkey_making import name_refused
from accounts.views.reauthentication import prove_again

_APP, _CODES = "remove-app", "recovery-codes"


def show_new_codes(request: HttpRequest, live: LiveSession, now: datetime, *, page: Page) -> HttpResponse:
    """Make recovery codes in the place of all that there were, and show them this once.

    Raises:
        FactorMissing: there is no second factor that they could stand in for.
    """
    codes = make_recovery_codes(person=live.person, actor=f"user:{live.person.subject}", now=now, realm=page.realm)
    context = {"realm": page.realm, "codes": codes, "onward": page.link("account-security")}
    return render(request, "accounts/recovery_codes.html", context)


class SecurityView(AccountPage):
    """The list, and what changes in place. To look at it takes no fresh proof, to change anything does."""

    name = "account-security"
    template = "accounts/security.html"

    def contents(self, live: LiveSession, now: datetime) -> Mapping[str, object]:  # noqa: ARG002
        """What they have, when it was added and when it was used last."""
        return {
            "factors": factors_of(live.person),
            "totp": confirmed_totp(live.person),
            "passkeys": passkeys_of(live.person),
            "longest": MAX_NAME,
            "add_passkey": self.link("account-passkey") if party_here() else "",
            "add_totp": self.link("account-app"),
            "remove_totp": _APP,
            "new_codes": _CODES,
        }

    def act(self, request: HttpRequest, live: LiveSession, now: datetime) -> HttpResponse:
        """Do what the button says, after a fresh proof."""
        fields = once_each(request.POST, ("do", "rename", "remove", "name"))
        chosen = [name for name in ("do", "rename", "remove") if fields and fields[name]]
        if fields is None or len(chosen) != 1:
            return malformed(request)
        first = prove_again(live, now, page=self, following=self.address(self.name))
        if first is not None:
            return first
        try:
            return self._change(request, live, now, fields)
        except FactorDemanded:
            text = gettext("This is your last second factor, and you need one here. Add another first.")
            return self.show(request, live, now, status=HTTPStatus.UNPROCESSABLE_ENTITY, alert=text)
        except FactorMissing:
            return see_other(self.link(self.name))

    def _change(
        self, request: HttpRequest, live: LiveSession, now: datetime, fields: Mapping[str, str]
    ) -> HttpResponse:
        if fields["do"] == _CODES:
            return show_new_codes(request, live, now, page=self)
        if fields["do"] == _APP:
            remove_own_totp(live.person, realm=self.realm, now=now)
            return see_other(self.link(self.name))
        if fields["do"]:
            return malformed(request)
        passkey = own_passkey(fields["rename"] or fields["remove"], person=live.person)
        if passkey is None:
            text = gettext("Go back and reload the page: it shows the passkeys that you have now.")
            return notice(request, gettext("There is no such passkey"), text, status=HTTPStatus.NOT_FOUND)
        if fields["remove"]:
            remove_own_passkey(passkey, realm=self.realm, now=now)
            return see_other(self.link(self.name))
        return self._rename(request, live, now, passkey, fields["name"])

    def _rename(
        self, request: HttpRequest, live: LiveSession, now: datetime, passkey: Passkey, name: str
    ) -> HttpResponse:
        try:
            rename_passkey(passkey, name=name)
        except NameRefused:
            return self.show(
                request, live, now, status=HTTPStatus.UNPROCESSABLE_ENTITY, wrong=passkey.pk, name_error=name_refused()
            )
        return see_other(self.link(self.name))
