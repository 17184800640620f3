"""The page on which people set up their first second factor, because their realm or a client demands one."""

from collections.abc import Mapping
from datetime import datetime

from csp.decorators import csp_update
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.utils.decorators import method_decorator
from django.utils.translation import gettext, gettext_lazy

from accounts import totp
from accounts.acr import ONE_TIME_CODE, SECOND_FACTOR
from accounts.errors import ChallengeOver, EnrolmentOver, FactorExists, FactorMissing, FactorRefused
from accounts.qr_codes import png_data_uri
from accounts.selectors.factors import enrolling_totp, factors_of
from accounts.services.second_factors import begin_totp, confirm_totp, make_recovery_codes
from accounts.views.credentials import Refused
from accounts.views.page import see_other
from accounts.views.passkey_forms import party_here
from accounts.views.reauthentication import prove_again
from accounts.views.second_proof import Asked, SecondProofPage
from realms.identifiers import uuid_in

_METHODS = (ONE_TIME_CODE,)
_OVER = gettext_lazy("This key is out of date. Add the new one below to your app.")


# The picture stands in the page: an address of its own would have the key in it, or in what is kept of it.
@method_decorator(csp_update({"img-src": ["data:"]}), name="dispatch")
class SetUpView(SecondProofPage):
    """An authenticator app, then recovery codes, shown once. Whoever has a second factor changes nothing here."""

    name = "second-factor-set-up"
    template = "accounts/second_factor_set_up.html"
    fields: tuple[str, ...] = ("code", "enrolment")

    def elsewhere(
        self,
        request: HttpRequest,  # noqa: ARG002
        asked: Asked,
        now: datetime,
        *,
        following: str,
    ) -> HttpResponse | None:
        """Whoever has a second factor proves that; whoever signed in long ago does it again before they add one."""
        if asked.live is not None and SECOND_FACTOR in asked.live.session.methods:
            return see_other(following or self.link("signed-in"))
        if factors_of(asked.person).any:
            return see_other(self.link("second-factor", following=following))
        if asked.challenge is not None and not self.realm.require_second_factor:
            return see_other(self.link("sign-in", following=following))
        if asked.live is not None:
            here = self.link(self.name, following=following)
            return prove_again(asked.live, now, page=self, following=here)
        return None

    def answer(self, request: HttpRequest, slug: str) -> HttpResponseBase:
        """Answer; what somebody else set up or took away in this moment is asked for, or set up again."""
        try:
            return super().answer(request, slug)
        except (FactorExists, FactorMissing):
            return see_other(self.link("second-factor"))

    def contents(self, asked: Asked, fields: Mapping[str, str], now: datetime) -> Mapping[str, object]:
        """The key, as a picture and as text: the one that was shown before, else a new one."""
        known = uuid_in(fields["enrolment"])
        begun = enrolling_totp(asked.person, known, now=now) if known else None
        begun = begun or begin_totp(person=asked.person, now=now)
        address = totp.key_uri(begun.seed, issuer=self.realm.name, account=asked.person.username)
        by_passkey = self.link("second-factor-set-up-passkey", following=self.following) if party_here() else ""
        return {
            "enrolment": begun.id,
            "qr_code": png_data_uri(address),
            "key": totp.key_text(begun.seed),
            "by_passkey": by_passkey,
        }

    def prove(
        self, request: HttpRequest, asked: Asked, fields: Mapping[str, str], now: datetime, *, following: str
    ) -> HttpResponse:
        """Take the app for a second factor, go on, and show the recovery codes."""
        actor, enrolment = f"user:{asked.person.subject}", uuid_in(fields["enrolment"])
        if not fields["code"].strip():
            raise Refused(errors={"code": gettext("Enter the code that the app shows.")})
        if enrolment is None:
            raise Refused(str(_OVER))
        try:
            typed = fields["code"]
            confirm_totp(
                person=asked.person,
                enrolment=enrolment,
                typed=typed,
                actor=actor,
                now=now,
                only_first=True,
                realm=self.realm,
            )
        except FactorRefused as error:
            text = gettext("This code is wrong. Enter the one that the app shows now; its clock has to be right.")
            raise Refused(errors={"code": text}) from error
        except EnrolmentOver as error:
            raise Refused(str(_OVER)) from error
        codes = make_recovery_codes(person=asked.person, actor=actor, now=now, realm=self.realm)
        onward = following
        try:
            self.finish(request, asked, methods=_METHODS, now=now)
        except ChallengeOver:
            onward = self.link("sign-in", following=following)
        context = {"realm": self.realm, "codes": codes, "onward": onward or self.link("signed-in")}
        return render(request, "accounts/recovery_codes.html", context)
