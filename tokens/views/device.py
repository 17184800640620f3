"""`/device_authorization` for devices, and `/device`, the page for their people (RFC 8628 §3.1, §3.3)."""

from datetime import datetime, timedelta
from http import HTTPStatus
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext

from accounts import browser
from accounts.addresses import UNKNOWN, address_block
from accounts.selectors import LiveSession
from realms.models import Realm
from tokens import user_codes
from tokens.errors import InvalidRequest, ProofDemanded, TooManyRequests, UserCodeRefused
from tokens.protocol import ProtocolRequest, ProtocolResponse
from tokens.services import device_authorization
from tokens.services.device_decision import asked_under, decide
from tokens.views.base import ProtocolView
from tokens.views.pages import ProtocolPage, see_other, step_up_page


class DeviceAuthorizationView(ProtocolView):
    """A device asks."""

    def respond(self, request: ProtocolRequest, realm: Realm) -> ProtocolResponse:
        """See `device_authorization.begin`."""
        return device_authorization.begin(request, realm=realm, now=timezone.now())


class DeviceView(ProtocolPage):
    """Type the user code; read who asks for what; allow or deny. Always in this order, whoever the client is (§5.4)."""

    def get(self, request: HttpRequest) -> HttpResponse:
        """The form, with the code of a complete address in it; nothing is looked up before the person sends it."""
        code = user_codes.read(_once(request.GET.getlist("user_code")))
        typed = user_codes.shown(code) if code else ""
        if browser.current(request, realm=self.realm, now=timezone.now()) is None:
            return self._sign_in(typed)
        return self._form(request, typed)

    def post(self, request: HttpRequest) -> HttpResponse:
        """The code, and from the second page the decision; CSRF-checked. A refusal is 422, as at the sign-in."""
        typed, decision = (_once(request.POST.getlist(name)) for name in ("user_code", "decision"))
        now = timezone.now()
        live = browser.current(request, realm=self.realm, now=now)
        code = user_codes.read(typed)
        shown = user_codes.shown(code) if code else ""
        if live is None:
            return self._sign_in(shown)
        try:
            return self._answer(request, typed, decision, live=live, now=now)
        except UserCodeRefused:
            alert = gettext("This code is wrong, or it has expired or was used already.")
            return self._form(request, shown, alert=alert, status=HTTPStatus.UNPROCESSABLE_ENTITY)
        except ProofDemanded as error:
            browser.forget_challenge(request, self.realm)  # whoever left it behind, the session is to be surer
            return see_other(self._back_from(step_up_page(set_up=error.set_up), shown))
        except TooManyRequests as error:
            alert = gettext("There were too many attempts. Try again in %(count)s seconds.")
            response = self._form(
                request, shown, alert=alert % {"count": error.retry_after}, status=HTTPStatus.TOO_MANY_REQUESTS
            )
            response["Retry-After"] = str(error.retry_after)
            return response

    def _answer(
        self, request: HttpRequest, typed: str, decision: str, *, live: LiveSession, now: datetime
    ) -> HttpResponse:
        peer = str(request.META.get("REMOTE_ADDR", ""))
        if decision:
            allowed = decision == "allow"
            decide(typed, allowed=allowed, realm=self.realm, live=live, address=peer, now=now)
            return render(request, "tokens/device_done.html", {"realm": self.realm, "allowed": allowed})
        asked, shown = asked_under(typed, realm=self.realm, live=live, address=peer, now=now)
        context = {
            "realm": self.realm,
            "person": live.person,
            "client": asked.client,
            "scopes": asked.scopes,
            "user_code": shown,
            "asked_at": asked.created_at,
            "asked_from": asked.asked_from,
            "from_here": asked.asked_from == address_block(peer) != UNKNOWN,
            "just_now": now - asked.created_at < timedelta(minutes=1),
            "now": now,
            "action": self.address("device"),
            "sign_in": self._sign_in_address(shown),
        }
        return render(request, "tokens/device_consent.html", context)

    def _form(
        self, request: HttpRequest, typed: str, *, alert: str = "", status: HTTPStatus = HTTPStatus.OK
    ) -> HttpResponse:
        context = {"realm": self.realm, "action": self.address("device"), "user_code": typed, "alert": alert}
        return render(request, "tokens/device.html", context, status=status)

    def _sign_in(self, typed: str) -> HttpResponse:
        return see_other(self._sign_in_address(typed))

    def _sign_in_address(self, typed: str) -> str:
        """The sign-in page, which leads back to here."""
        return self._back_from("sign-in", typed)

    def _back_from(self, name: str, typed: str) -> str:
        """The address of a page that leads back to here, with the code in the form."""
        page = self.address("device")
        following = f"{page}?{urlencode({'user_code': typed})}" if typed else page
        return f"{self.address(name)}?{urlencode({'next': following})}"


def _once(values: list[str]) -> str:
    """The value of a field that may be there once; "" where it is not.

    Raises:
        InvalidRequest: it is there more than once.
    """
    if len(values) > 1:
        raise InvalidRequest("A parameter is there more than once.")
    return values[0] if values else ""
