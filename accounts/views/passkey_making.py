"""What the pages share on which a passkey is made: what the browser is asked for, and what comes of its answer."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.http import HttpRequest
from django.utils.translation import gettext

from accounts.ceremonies import Purpose, begin_ceremony, held_challenge
from accounts.errors import NameRefused, PasskeyRefused, TooManyPasskeys
from accounts.models import User
from accounts.passkeys import MAX_NAME, RelyingParty, creation_options
from accounts.selectors.passkeys import passkeys_of
from accounts.services.passkeys import Answer, add_passkey
from accounts.views.credentials import Refused
from accounts.views.page import Page, whereabouts_of
from accounts.views.passkey_forms import PasskeyForm, known_passkeys, not_accepted, party_here
from realms.models import Realm

FIELDS = ("credential", "name")


def making_form(page: Page, name: str) -> Mapping[str, object]:
    """What the template `accounts/add_passkey.html` is told of its form.

    Arguments:
        page: whose realm and language go on.
        name: of the view that takes the answer; its options' is `name` with `-options`.
    """
    form = PasskeyForm("passkey-add", "create", page.link(name), page.link(f"{name}-options"), gettext("Add a passkey"))
    return {"passkey": form, "longest": MAX_NAME}


def options_to_make(
    request: HttpRequest, party: RelyingParty, *, person: User, realm: Realm, now: datetime
) -> Mapping[str, Any]:
    """What a browser is asked for that makes a passkey of a person.

    Arguments:
        party: whom it is made for.
        person: whose it will be.
        realm: whose page it is.
        now: aware time.
    """
    challenge = begin_ceremony(request, Purpose.ADD, realm=realm, subject=person.subject, now=now)
    return creation_options(
        party,
        realm_name=realm.name,
        subject=person.subject,
        username=person.username,
        shown_name=person.name,
        known=known_passkeys(passkeys_of(person)),
        challenge=challenge,
    )


def take_new_passkey(
    request: HttpRequest,
    fields: Mapping[str, str],
    *,
    person: User,
    realm: Realm,
    now: datetime,
    only_first: bool = False,
) -> None:
    """Register the passkey that a browser made.

    Arguments:
        fields: those of `FIELDS`.
        person: whose it will be.
        realm: whose page it is.
        now: aware time.
        only_first: as in `add_passkey`.

    Raises:
        Refused: with a sentence.
        FactorExists: it is registered already; or `only_first`, and there is a second factor.
    """
    challenge = held_challenge(request, Purpose.ADD, realm=realm, subject=person.subject, now=now)
    party = party_here()
    if party is None:
        raise Refused(not_accepted())
    answer = Answer(fields["credential"], challenge, party, whereabouts_of(request))
    actor = f"user:{person.subject}"
    try:
        add_passkey(
            answer, person=person, name=fields["name"], actor=actor, now=now, only_first=only_first, realm=realm
        )
    except NameRefused as error:
        raise Refused(errors={"name": name_refused()}) from error
    except PasskeyRefused as error:
        raise Refused(not_accepted()) from error
    except TooManyPasskeys as error:
        raise Refused(gettext("You have as many passkeys as one may have. Remove one first.")) from error


def name_refused() -> str:
    """What to say of a name that no passkey may have."""
    text = gettext("Give the passkey a name of at most %(longest)d characters, on one line.")
    return text % {"longest": MAX_NAME}
