"""Client secrets at upstream providers, which come beside a configuration and never in it.

A document that named files or variables to take secrets from could send any of them to a provider of its choice.
So it says only that there is a secret, and whoever imports it says on the command line where the secrets are.
"""

from collections.abc import Mapping
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

from accounts.models import UpstreamProvider
from accounts.services.upstreams import client_secret_of
from accounts.upstream.terms import secret_fault
from idp_project.configuration.document import Kind, Place, Things
from idp_project.configuration.schema import GIVEN, ClientSecret
from idp_project.environment import refuse_if_readable_by_others
from idp_project.errors import ConfigurationRefused
from keys.compact import plain_object
from keys.errors import TokenRefused

_MOST = 1_048_576  # bytes


def read_secrets(file: Path) -> dict[Place, str]:
    """The secrets in a file, `{"realm": {"slug": "secret"}}`, by place.

    Arguments:
        file: of whoever imports, and of nobody else to read.

    Raises:
        ConfigurationRefused: it can't be read, is open to others or says something else; no sentence repeats it.
    """
    try:
        refuse_if_readable_by_others(file)
        with file.open("rb") as opened:
            text = opened.read(_MOST + 1)
        if len(text) > _MOST:
            raise ConfigurationRefused([f"The file of secrets has more than {_MOST} bytes."])
        realms = plain_object(text.decode("utf-8"), "The file of secrets")
    except (ImproperlyConfigured, TokenRefused) as error:
        raise ConfigurationRefused([str(error)]) from None
    except (OSError, ValueError):
        raise ConfigurationRefused(["The file of secrets can't be read."]) from None
    found: dict[Place, str] = {}
    for realm, upstreams in realms.items():
        if not isinstance(upstreams, dict) or not all(isinstance(secret, str) for secret in upstreams.values()):
            raise ConfigurationRefused(["The file of secrets has an object for each realm, with a text for each slug."])
        found |= {Place(realm, Kind.UPSTREAM, slug): secret for slug, secret in upstreams.items()}
    return found


def told_of_secrets(wanted: Things, present: Things, given: Mapping[Place, str]) -> Things:
    """What is wanted, with the given secrets that are other than the stored ones.

    Arguments:
        wanted: what the document says.
        present: what there is in the realms that are named.
        given: secrets by place.

    Raises:
        ConfigurationRefused: a secret is none, or for no provider; one sentence a fault.
        KeysError: a stored secret can't be unsealed.
    """
    faults = [f"{place}/client_secret: {why}" for place, secret in given.items() if (why := secret_fault(secret))]
    unknown = [place for place in given if place not in wanted and place not in present]
    faults += [f"{place}: a secret is given for it, but it is neither here nor in the document." for place in unknown]
    denied = [place for place in given if wanted.get(place, {}).get("client_secret") is ClientSecret.NONE]
    faults += [f"{place}/client_secret: the document says none, and one is given." for place in denied]
    if faults:
        raise ConfigurationRefused(faults)
    rows = UpstreamProvider.objects.filter(realm__slug__in={place.realm for place in given}).select_related("realm")
    named = {Place(row.realm.slug, Kind.UPSTREAM, row.slug): row for row in rows}
    stored = {place: client_secret_of(row) for place, row in named.items() if place in given}
    told = {
        place: {
            **wanted.get(place, {}),
            "client_secret": ClientSecret.STORED if stored.get(place) == secret else GIVEN,
        }
        for place, secret in given.items()
    }
    return {**wanted, **told}
