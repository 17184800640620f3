"""The four commands that a newcomer pastes into a second terminal; pure text."""

import json
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_PRINT_REFRESH = 'import json, sys; print(json.load(sys.stdin)["refresh_token"], end="")'
_DIRECT = "import urllib.request as r; o = r.build_opener(r.ProxyHandler({})).open"
_GET_JWKS = "print(o({url}).read().decode())"
_BASIC = (
    "import base64, netrc; n, _, p = netrc.netrc({login}).authenticators({host}); "
    'h = {{"Authorization": "Basic " + base64.b64encode(f"{{n}}:{{p}}".encode()).decode()}}'
)
_POST_AUTH = 'a = o(r.Request({url}, b"", h)).read().decode()'
_POST_REFRESH = (
    "import json, urllib.parse as u; "
    'f = u.urlencode({{"refresh_token": json.loads(a)["refresh_token"]}}).encode(); '
    "print(o(r.Request({url}, f)).read().decode())"
)


@dataclass(frozen=True)
class Pasting:
    """What the commands need to know."""

    base: str  # such as http://localhost:8080
    host: str  # its host, as the login file names it
    login: Path  # netrc file with the demo person's name and password
    python: Path
    manage: Path
    env_file: Path
    curl: bool  # a fresh Debian has none
    proxy: bool  # this shell sends HTTP through a proxy, which would not find our localhost

    def commands(self) -> Sequence[tuple[str, str]]:
        """What each command does, and the command; each works from any folder and on its own."""
        rotate = f"IDP_ENV_FILE={_quoted(self.env_file)} {_quoted(self.python, self.manage)} rotate_keys --force"
        fetch = self._with_curl() if self.curl else self._with_python()
        return [
            *zip(("the public keys", "sign in: a token for demo", "refresh it"), fetch, strict=True),
            ("rotate: the next keys sign as soon as every service has seen them", rotate),
        ]

    def _with_curl(self) -> Sequence[str]:
        direct = " --noproxy '*'" if self.proxy else ""
        curl = f"curl -sS -w '\\n'{direct}"
        sign_in = f"{curl} --netrc-file {_quoted(self.login)} -X POST {_quoted(f'{self.base}/auth')}"
        read = _quoted(self.python, "-c", _PRINT_REFRESH)
        return [
            f"{curl} {_quoted(f'{self.base}/.well-known/jwks.json')}",
            sign_in,
            f"{sign_in} | {read} | {curl} --data-urlencode refresh_token@- {_quoted(f'{self.base}/auth/refresh')}",
        ]

    def _with_python(self) -> Sequence[str]:
        jwks = _GET_JWKS.format(url=json.dumps(f"{self.base}/.well-known/jwks.json"))
        basic = _BASIC.format(login=json.dumps(str(self.login)), host=json.dumps(self.host))
        sign_in = _POST_AUTH.format(url=json.dumps(f"{self.base}/auth"))
        refresh = _POST_REFRESH.format(url=json.dumps(f"{self.base}/auth/refresh"))
        programs = ([jwks], [basic, sign_in, "print(a)"], [basic, sign_in, refresh])
        return [_quoted(self.python, "-c", "; ".join([_DIRECT, *steps])) for steps in programs]


def _quoted(*words: str | Path) -> str:
    return shlex.join(str(word) for word in words)
