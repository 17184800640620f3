"""Posting a logout token to a client (OpenID Connect Back-Channel Logout §2.5).

One request, bounded by `accounts.outbound_http`; of the answer only the status line and the headers are read.
"""

from urllib.parse import urlencode

from accounts.outbound_http import PATIENCE, Patience, Unanswered, exchange
from tokens.vocabulary import LogoutFailure


def post_logout_token(uri: str, token: str, *, patience: Patience = PATIENCE) -> str:
    """Send a logout token, and say what came of it.

    Arguments:
        uri: the client's `backchannel_logout_uri`.
        token: the compact token; it goes nowhere but into the body.
        patience: how long to wait.

    Returns:
        The HTTP status as a text, or a `LogoutFailure`; nothing is raised for what a client may do.
    """
    try:
        received = exchange(
            "POST",
            uri,
            headers={"Content-Type": "application/x-www-form-urlencoded"},
            body=urlencode({"logout_token": token}).encode("ascii"),
            patience=patience,
        )
    except Unanswered as error:
        return LogoutFailure(error.failure.value)
    return str(received.status)
