"""Refusals as answers."""

import json

import pytest

from tokens import errors
from tokens.errors import OAuthError, PlainError, error_response


def all_errors(root: type[OAuthError] = OAuthError) -> list[type[OAuthError]]:
    return [found for child in root.__subclasses__() for found in (child, *all_errors(child))]


@pytest.mark.parametrize("kind", all_errors())
@pytest.mark.spec("RFC 6749 §5.2")
def test_every_refusal_has_a_code_a_status_and_a_sentence_and_stays_out_of_caches(kind: type[OAuthError]) -> None:
    response = error_response(kind(detail="private"))
    found = json.loads(response.body)
    assert response.status >= 400
    assert response.headers["Cache-Control"] == "no-store"
    assert found["error"] == kind.code
    assert ("error_description" in found) != issubclass(kind, PlainError)
    assert b"private" not in response.body


@pytest.mark.spec("RFC 9110 §15.5.2")
def test_wrong_credentials_are_challenged() -> None:
    headers = error_response(errors.InvalidCredentials()).headers
    assert headers["WWW-Authenticate"] == 'Basic realm="Signet", charset="UTF-8"'


def test_whoever_has_to_wait_is_told_for_how_long() -> None:
    assert error_response(errors.TooManyRequests(retry_after=7)).headers["Retry-After"] == "7"
    assert "Retry-After" not in error_response(errors.InvalidRequest("No.")).headers
