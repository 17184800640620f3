"""Devices for tests: what they asked for, and their person's decision, at any moment."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from importlib import import_module
from threading import Barrier
from typing import Any, TypeVar

import pytest
from django.db import close_old_connections, connections

from accounts.models import User
from accounts.selectors import LiveSession
from accounts.services.sessions import begin_session
from accounts.services.sign_in import SignedIn
from realms.models import Realm
from tests.provider import a_request
from tests.tokens.clients import register
from tokens.authorization import Authorization
from tokens.errors import OAuthError
from tokens.models import Client
from tokens.services.device_authorization import begin
from tokens.services.device_codes import redeem_device_code
from tokens.services.device_decision import decide
from tokens.vocabulary import AuthMethod, GrantType

HOME = "198.51.100.7"
Found = TypeVar("Found")


def a_television(realm: Realm, client_id: str = "tv", **metadata: Any) -> Client:
    """A public client with the device grant."""
    types = (GrantType.DEVICE_CODE, GrantType.REFRESH_TOKEN)
    values = {"auth_method": AuthMethod.NONE, "grant_types": types, "scopes": ("openid", "offline_access"), **metadata}
    return register(realm, client_id, **values)[0]


def ask(realm: Realm, now: datetime, *, client_id: str = "tv", peer: str = HOME, **form: str) -> tuple[str, str]:
    """A device code and a user code."""
    request = a_request("/device_authorization", form={"client_id": client_id, **form}, peer=peer)
    members = json.loads(begin(request, realm=realm, now=now).body)
    return members["device_code"], members["user_code"]


def signed_in(person: User, realm: Realm, now: datetime) -> LiveSession:
    """A person's session, which has just begun."""
    session = begin_session(realm=realm, signed_in=SignedIn(person, (), now, ("pwd",)), now=now)
    return LiveSession(session, person, ())


def say(user_code: str, live: LiveSession, now: datetime, *, allowed: bool = True, address: str = HOME) -> None:
    """The person's decision."""
    decide(user_code, allowed=allowed, realm=live.session.realm, live=live, address=address, now=now)


def poll(device_code: str, client: Client, now: datetime) -> Authorization | OAuthError:
    """What a poll gives: the decision, or why there is none."""
    try:
        return redeem_device_code(device_code, realm=client.realm, client=client, now=now)
    except OAuthError as error:
        return error


def word(answer: object) -> str:
    """The error's word, or "granted"."""
    return answer.code if isinstance(answer, OAuthError) else "granted"


def all_have_looked(monkeypatch: pytest.MonkeyPatch, reading: str, times: int) -> None:
    """Have nobody go on from a reading before all have read: the worst moment for a race.

    Arguments:
        reading: where the function that reads is looked up.
        times: how many read.
    """
    module, _dot, name = reading.rpartition(".")
    read, barrier = getattr(import_module(module), name), Barrier(times, timeout=30)

    def waiting(*arguments: Any, **more: Any) -> Any:
        found = read(*arguments, **more)
        barrier.wait()
        return found

    monkeypatch.setattr(reading, waiting)


def at_once(times: int, act: Callable[[int], Found]) -> list[Found]:
    """What several workers get who act at the same moment, each with a connection of its own."""

    def one(number: int) -> Found:
        close_old_connections()
        try:
            return act(number)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(times) as pool:
        return list(pool.map(one, range(times)))
