"""What becomes of an authorization request (OpenID Connect Core §3.1.2): an answer, or what comes first."""

from collections.abc import Mapping
from dataclasses import dataclass

from accounts.models import User
from tokens.demands import Way
from tokens.models import Client
from tokens.vocabulary import ResponseMode


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes back to the client, through the browser."""

    redirect_uri: str
    mode: ResponseMode
    parameters: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class SignInNeeded:
    """The person has to prove who they are; then the request goes on with this query.

    Attributes:
        new_account: they are to make an account first.
        prompt, max_age: what an upstream provider has to be asked for too, or its own session would do; "" for
            nothing. Whoever signs in here has just done so.
    """

    query: str
    login_hint: str
    new_account: bool = False
    prompt: str = ""
    max_age: str = ""


@dataclass(frozen=True, slots=True)
class StepUpNeeded:
    """The person has to prove more than they did; then the request goes on with this query (RFC 9470 §5).

    Attributes:
        way: prove a factor, or one of a passkey alone, or set one up first.
    """

    query: str
    way: Way


@dataclass(frozen=True, slots=True)
class ConsentNeeded:
    """The person has to allow it."""

    client: Client
    person: User
    scopes: tuple[str, ...]
    redirect_uri: str
    query: str


Outcome = Answer | SignInNeeded | StepUpNeeded | ConsentNeeded
