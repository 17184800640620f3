"""The devices of whoever is signed in: what they are called, how far they are trusted; rename and remove them."""

from collections.abc import Mapping
from datetime import datetime
from http import HTTPStatus

from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext

from accounts import browser, device_cookie
from accounts.errors import DeviceNameRefused
from accounts.models import MAX_DEVICE_NAME, Device
from accounts.selectors import LiveSession, devices_of, facts_of, own_device
from accounts.services.devices import remove_devices, rename_device
from accounts.trust import trust_in
from accounts.views.account import AccountPage
from accounts.views.page import malformed, notice, see_other

_HIGH, _MIDDLE = 70, 40  # from where on trust is called so


class DevicesView(AccountPage):
    """What a person is recognised by, in every realm: devices are theirs, not a realm's."""

    name = "account-devices"
    template = "accounts/devices.html"

    def contents(self, live: LiveSession, now: datetime) -> Mapping[str, object]:
        """The devices, the one that they look from first."""
        here = live.session.device_id
        found = sorted(devices_of(live.person, now=now), key=lambda device: device.pk != here)  # it keeps their order
        rows = [
            {
                "device": device,
                "here": device.pk == here,
                "trust": (trust := trust_in(facts_of(device), now)),
                "words": _in_words(trust),
            }
            for device in found
        ]
        return {"found": rows, "longest": MAX_DEVICE_NAME}

    def act(self, request: HttpRequest, live: LiveSession, now: datetime) -> HttpResponse:
        """Do what the button says; what was removed already stays so."""
        fields = {name: request.POST.getlist(name) for name in ("device", "act", "name")}
        if any(len(values) != 1 for values in fields.values()) or fields["act"] not in (["rename"], ["remove"]):
            return malformed(request)
        device = own_device(fields["device"][0], person=live.person)
        if device is None:
            text = gettext("Go back and reload the page: it shows the devices that you have now.")
            return notice(request, gettext("There is no such device"), text, status=HTTPStatus.NOT_FOUND)
        if fields["act"] == ["remove"]:
            return self._remove(request, device, live=live, now=now)
        try:
            rename_device(device, name=fields["name"][0])
        except DeviceNameRefused:
            fault = gettext("A name has 1 to %(most)s characters that can be printed.") % {"most": MAX_DEVICE_NAME}
            return self.show(request, live, now, status=HTTPStatus.UNPROCESSABLE_ENTITY, wrong=device.pk, fault=fault)
        return see_other(self.link(self.name))

    def _remove(self, request: HttpRequest, device: Device, *, live: LiveSession, now: datetime) -> HttpResponse:
        """The cookie lets go of it too, and whoever removed the device in their hands is signed out."""
        remove_devices([device.pk], actor=f"user:{live.person.subject}", now=now)
        held = device_cookie.visit_of(request).held
        if device.pk in held:
            device_cookie.have_set(request, device_cookie.cookie_without(device.pk, held))
        if device.pk != live.session.device_id:
            return see_other(self.link(self.name))
        browser.forget(request, self.realm)
        return see_other(self.link("end_session"))


def _in_words(trust: int) -> str:
    if trust >= _HIGH:
        return gettext("high")
    return gettext("middling") if trust >= _MIDDLE else gettext("low")
