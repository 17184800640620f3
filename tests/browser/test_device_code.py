"""A television shows a code, and a person types it elsewhere (RFC 8628 §3.3)."""

import pytest

from tests.browser.conftest import NewPerson
from tests.browser.person import Person
from tests.browser.site import Site
from tests.browser.steps import sign_in

pytestmark = pytest.mark.spec("RFC 8628 §3.3")


def test_connects_a_device(person: Person, site: Site) -> None:
    television = site.television()
    codes = television.codes()
    person.open(codes["verification_uri"])
    sign_in(person, "fay", site.password)
    person.type(user_code="WRNG-WRNG")
    person.press("device-submit", status=422)
    person.type(user_code=codes["user_code"])
    person.press("device-submit")
    person.reads(codes["user_code"])
    person.press("consent-allow")
    person.has("device-allowed")
    assert "access_token" in television.poll(codes["device_code"])


def test_denies_a_device_that_somebody_sent_a_link_to(new_person: NewPerson, site: Site) -> None:
    television, person, other = site.television(), new_person(), new_person()
    codes = television.codes()
    person.open(codes["verification_uri_complete"])
    sign_in(person, "gus", site.password)
    if person.page.locator("#device-submit").count():
        person.press("device-submit")
    person.press("consent-deny")
    person.has("device-denied")
    assert television.poll(codes["device_code"])["error"] == "access_denied"
    other.open(codes["verification_uri"])
    sign_in(other, "hana", site.password)
    other.type(user_code=codes["user_code"])
    other.press("device-submit", status=422)
