"""What several workers do together: requests by HTTP that race, and a worker that is killed."""

import os
import re
import signal
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
import requests

from tests.flows.code_flow import CHALLENGE, VERIFIER
from tests.interop.browser import Browser
from tests.interop.processes import wait_until
from tests.interop.provider import WORKERS, Provider
from tests.relying_party import relying_party

CALLBACK = "http://127.0.0.1:9/workers/callback"  # nobody listens there
RACERS = 50
OPTIONS = (
    *("--grant-type", "authorization_code", "--grant-type", "refresh_token", "--redirect-uri", CALLBACK),
    *("--scope", "openid", "--scope", "offline_access"),
)
SECONDS = 20


class Client:
    """A public client of the provider, with a person in front of it."""

    def __init__(self, provider: Provider, client_id: str, *options: str) -> None:
        self.provider, self.client_id = provider, client_id
        self.browser = Browser(stops_at=[CALLBACK])
        provider.add_client(client_id, "--auth-method", "none", *OPTIONS, *options)

    def code(self, scope: str) -> str:
        """A code, after the person signed in and allowed it."""
        asked = {"response_type": "code", "client_id": self.client_id, "redirect_uri": CALLBACK, "scope": scope}
        asked |= {"code_challenge": CHALLENGE, "code_challenge_method": "S256", "state": "s"}
        page = self.browser.open(f"{self.provider.issuer}/authorize?{urlencode(asked)}")
        if page.has_form("login-form"):
            page = self.browser.sign_in(self.provider, page)
        return parse_qs(urlsplit(page.url).query)["code"][0]

    def exchange(self, code: str) -> requests.Response:
        """Redeem a code."""
        return self._token(grant_type="authorization_code", code=code, redirect_uri=CALLBACK, code_verifier=VERIFIER)

    def refresh(self, refresh_token: str) -> requests.Response:
        """The next tokens."""
        return self._token(grant_type="refresh_token", refresh_token=refresh_token)

    def _token(self, **form: str) -> requests.Response:
        form["client_id"] = self.client_id
        return requests.post(f"{self.provider.issuer}/token", data=form, timeout=SECONDS)


def at_once(ask: Callable[[], requests.Response]) -> list[requests.Response]:
    """The answers of as many who ask in the same moment, each with a connection of its own."""
    together = threading.Barrier(RACERS, timeout=SECONDS)

    def race(_number: int) -> requests.Response:
        together.wait()
        return ask()

    with ThreadPoolExecutor(RACERS) as pool:
        return list(pool.map(race, range(RACERS)))


@pytest.mark.spec("issue: of 50 parallel redemptions exactly one gets 200", "RFC 6749 §4.1.2 code-once")
def test_of_fifty_redemptions_by_http_one_wins_and_the_replays_end_its_grant(provider: Provider) -> None:
    """Exactly one gets tokens; to the replay rule the others are a stolen code, and so these tokens end too."""
    client = Client(provider, "redeemers")
    code = client.code("openid offline_access")
    answers = at_once(lambda: client.exchange(code))
    assert sorted(answer.status_code for answer in answers) == [200] + [400] * (RACERS - 1)
    [tokens] = [answer.json() for answer in answers if answer.ok]
    assert {answer.json()["error"] for answer in answers if not answer.ok} == {"invalid_grant"}
    assert client.refresh(tokens["refresh_token"]).json()["error"] == "invalid_grant"


@pytest.mark.spec("issue: 50 parallel refreshes give one successor", "design: tokens.md, the family stays a chain")
def test_fifty_refreshes_by_http_have_one_successor(provider: Provider) -> None:
    client = Client(provider, "refreshers")
    first = client.exchange(client.code("openid offline_access")).json()["refresh_token"]
    answers: list[dict[str, Any]] = [answer.json() for answer in at_once(lambda: client.refresh(first))]
    [second] = {answer["refresh_token"] for answer in answers}
    assert len({answer["access_token"] for answer in answers}) == RACERS
    assert client.refresh(second).status_code == 200


@pytest.mark.prove
@pytest.mark.spec("issue: a worker that is killed in the middle loses nothing")
def test_a_worker_that_is_killed_while_it_tells_a_client_is_followed_by_another(provider: Provider) -> None:
    """All of them are, so that nobody is left who knows; the lease runs out, and a worker that starts looks."""
    asked, hang_up = threading.Event(), threading.Event()

    def hang(_handler: BaseHTTPRequestHandler) -> None:
        asked.set()
        hang_up.wait(SECONDS)

    with relying_party() as party:
        party.answer = hang
        client = Client(provider, "told", "--backchannel-logout-uri", party.uri)
        client.exchange(client.code("openid"))
        page = client.browser.open(f"{provider.issuer}/logout")
        assert client.browser.submit(page, "logout-form").status == 200
        assert asked.wait(SECONDS)
        for worker in workers_of(provider):
            os.kill(worker, signal.SIGKILL)
        party.answer = None
        hang_up.set()
        wait_until(lambda: len(party.taken) > 1, seconds=90, what="another worker tells the client")
        wait_until(lambda: "logout.delivered" in provider.log.read_text(), seconds=SECONDS, what="it was written down")
        assert len(party.taken) == 2


def workers_of(provider: Provider) -> list[int]:
    """The process ids of the workers that were started last."""
    found = re.findall(r"Spawning worker-\d+ with PID: (\d+)", provider.log.read_text(errors="replace"))
    return [int(pid) for pid in found[-WORKERS:]]
