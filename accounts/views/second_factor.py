"""The page that asks for a second factor, at a sign-in or of somebody who is signed in (RFC 9470 §1)."""

from collections.abc import Mapping
from datetime import datetime

from csp.decorators import csp_replace
from django.http import HttpRequest, HttpResponse
from django.utils.decorators import method_decorator
from django.utils.translation import gettext

from accounts.errors import FactorRefused
from accounts.selectors.factors import factors_of
from accounts.services.second_factors import prove_code
from accounts.views.credentials import Refused
from accounts.views.page import see_other
from accounts.views.passkey_forms import party_here, passkey_form
from accounts.views.second_proof import BY_PASSKEY, ONLY, Asked, SecondProofPage


# Browsers hold form-action against every redirect that follows a form, and this one leads to a client.
@method_decorator(csp_replace({"form-action": None}), name="dispatch")
class SecondFactorView(SecondProofPage):
    """A code of the authenticator app, or a recovery code. Each form takes either: whoever has a code is let in."""

    name = "second-factor"
    template = "accounts/second_factor.html"
    fields: tuple[str, ...] = ("code", "recovery_code")

    def elsewhere(
        self,
        request: HttpRequest,  # noqa: ARG002
        asked: Asked,
        now: datetime,  # noqa: ARG002
        *,
        following: str,
    ) -> HttpResponse | None:
        """Whoever has no second factor sets one up."""
        if factors_of(asked.person).any:
            return None
        return see_other(self.link("second-factor-set-up", following=following))

    def contents(self, asked: Asked, fields: Mapping[str, str], now: datetime) -> Mapping[str, object]:  # noqa: ARG002
        """What they have, or their passkeys alone where nothing else will do."""
        factors = factors_of(asked.person)
        by_recovery_code = bool(fields["recovery_code"]) and not fields["code"]
        passkey = passkey_form(self, "passkey-use", gettext("Use a passkey"), action="second-factor-passkey")
        shown = passkey if factors.passkeys and party_here() else None
        passkey_alone = shown is not None and asked.live is not None and self.only == BY_PASSKEY
        return {
            "factors": factors,
            "by_recovery_code": by_recovery_code or not factors.totp,
            "passkey": shown,
            "passkey_alone": passkey_alone,
            "demands": ((ONLY, BY_PASSKEY),) if passkey_alone else (),
        }

    def prove(
        self, request: HttpRequest, asked: Asked, fields: Mapping[str, str], now: datetime, *, following: str
    ) -> HttpResponse:
        """Take the code."""
        typed = fields["code"] or fields["recovery_code"]
        if not typed.strip():
            raise Refused(gettext("Enter a code."))
        peer = str(request.META.get("REMOTE_ADDR", ""))
        try:
            methods = prove_code(person=asked.person, typed=typed, realm=self.realm, address=peer, now=now)
        except FactorRefused as error:
            text = gettext("This code is wrong, or it was used already. Wait for the next one.")
            if not fields["code"]:
                text = gettext("This recovery code is wrong, or it was used already. Try another one.")
            raise Refused(text) from error
        self.finish(request, asked, methods=methods, now=now)
        return see_other(following or self.link("signed-in"))
