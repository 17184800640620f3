"""Refusals as answers."""

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tokens import errors
from tokens.direct_errors import InvalidCredentials
from tokens.errors import OAuthError, PlainError, error_response


def all_errors(root: type[OAuthError] = OAuthError) -> list[type[OAuthError]]:
    return [found for child in root.__subclasses__() for found in (child, *all_errors(child))]


@pytest.mark.parametrize("kind", all_errors())
@pytest.mark.spec("RFC 6749 §5.2 error, OIDC Core §3.1.3.4 error")
def test_every_refusal_has_a_code_a_status_and_a_sentence_and_stays_out_of_caches(kind: type[OAuthError]) -> None:
    response = error_response(kind(detail="private"))
    found = json.loads(response.body)
    assert response.status >= 400
    assert response.headers["Cache-Control"] == "no-store"
    assert b"private" not in response.body
    if kind is errors.MissingToken:  # says nothing but the challenge
        assert found == {}
        return
    assert found["error"] == kind.code
    assert ("error_description" in found) != issubclass(kind, PlainError)


@pytest.mark.spec(
    "RFC 6750 §3: a challenge has parameters, and an error only where a token was shown, RFC 6750 §3 challenge",
    "RFC 6750 §3 scheme",
)
def test_every_refusal_of_an_access_token_is_a_challenge() -> None:
    challenges = {
        kind: error_response(kind()).headers["WWW-Authenticate"]
        for kind in (errors.MissingToken, errors.InvalidBearerRequest, errors.InvalidToken, errors.InsufficientScope)
    }
    assert list(challenges.values()) == [
        'Bearer realm="Signet"',
        'Bearer realm="Signet", error="invalid_request"',
        'Bearer realm="Signet", error="invalid_token"',
        'Bearer realm="Signet", error="insufficient_scope", scope="openid"',
    ]
    assert [kind.status for kind in challenges] == [401, 400, 401, 403]


@pytest.mark.spec("RFC 9110 §15.5.2")
def test_wrong_credentials_are_challenged() -> None:
    headers = error_response(InvalidCredentials()).headers
    assert headers["WWW-Authenticate"] == 'Basic realm="Signet", charset="UTF-8"'


def test_whoever_has_to_wait_is_told_for_how_long() -> None:
    assert error_response(errors.TooManyRequests(retry_after=7)).headers["Retry-After"] == "7"
    assert "Retry-After" not in error_response(errors.InvalidRequest("No.")).headers


def told(folder: Path) -> Iterator[str]:
    """Every sentence that the sources give an error of ours, without what they put into it."""
    names = {kind.__name__ for kind in all_errors()} - {"PageError"}  # a page's title, which travels nowhere
    for path in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in names:
                texts = (
                    part for argument in node.args for part in ast.walk(argument) if isinstance(part, ast.Constant)
                )
                yield from (part.value for part in texts if isinstance(part.value, str))


@pytest.mark.spec("RFC 6749 §5.2 characters")
def test_errors_are_told_in_plain_characters() -> None:
    sentences = [*told(Path(errors.__file__).parent)]
    assert len(sentences) > 40
    for text in [*sentences, *(text for kind in all_errors() for text in (kind.code, kind.description))]:
        assert re.fullmatch(r"[\x20\x21\x23-\x5b\x5d-\x7e]*", text), text
