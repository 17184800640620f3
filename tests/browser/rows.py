"""The rows that people at a browser meet: `python -m tests.browser.rows` makes them beside the server.

Standard input says what is secret or known only at run time; standard output is what clients were given.
"""

import json
import os
import sys
from dataclasses import replace
from typing import Any

import django

PEOPLE = ("ana", "ben", "cleo", "dora", "emil", "fay", "gus", "hana", "ivo", "jun", "kim", "lea")
OPERATOR = "operator"
APPLICATION, TELEVISION = "notes", "television"
ACTOR = "test:browser"


def make_rows(*, password: str, callback: str) -> dict[str, Any]:
    """Make people, an operator and clients, and open the default realm.

    Arguments:
        password: of everybody.
        callback: the application's address.

    Returns:
        client_id → secret, None for a public client.
    """
    from django.utils import timezone  # noqa: PLC0415 - after django.setup()

    from accounts.services.people import create_member  # noqa: PLC0415
    from realms.selectors import default_realm, terms_of  # noqa: PLC0415
    from realms.services import change_realm  # noqa: PLC0415
    from realms.vocabulary import Registration  # noqa: PLC0415
    from tokens.client_metadata import ClientMetadata  # noqa: PLC0415
    from tokens.services.clients import create_client  # noqa: PLC0415
    from tokens.vocabulary import AuthMethod, GrantType  # noqa: PLC0415

    now, realm = timezone.now(), default_realm()
    assert realm is not None
    change_realm(realm, terms=replace(terms_of(realm), registration=Registration.OPEN))
    for name in (*PEOPLE, OPERATOR):
        create_member(
            username=name,
            password=password,
            email=f"{name}@example.org",
            operator=name == OPERATOR,
            realm=realm,
            actor=ACTOR,
            now=now,
        )
    clients = {
        APPLICATION: ClientMetadata(
            grant_types=(GrantType.AUTHORIZATION_CODE, GrantType.REFRESH_TOKEN),
            redirect_uris=(f"{callback}/callback",),
            post_logout_redirect_uris=(f"{callback}/signed-out",),
            scopes=("openid", "profile", "email", "offline_access"),
            client_uri="https://notes.example.org/",
            policy_uri="https://notes.example.org/privacy",
        ),
        TELEVISION: ClientMetadata(
            auth_method=AuthMethod.NONE, grant_types=(GrantType.DEVICE_CODE,), scopes=("openid", "profile")
        ),
    }
    made = {}
    for client_id, metadata in clients.items():
        _client, made[client_id] = create_client(
            realm=realm, client_id=client_id, name=client_id.capitalize(), metadata=metadata, actor=ACTOR, now=now
        )
    return made


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "idp_project.settings")
    django.setup()
    json.dump(make_rows(**json.load(sys.stdin)), sys.stdout)
