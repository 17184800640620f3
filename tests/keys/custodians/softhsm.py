"""Debian's SoftHSM 2, a PKCS #11 token in software, each in a folder of its own.

`python -m tests.keys.custodians.softhsm` installs Debian's package where that is allowed; `make test` calls it.
"""

import os
import secrets
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests import debian

PACKAGE = "softhsm2"
MODULE = Path("/usr/lib/softhsm/libsofthsm2.so")
LABEL = "signet-tests"


@dataclass(frozen=True, slots=True)
class SoftHsm:
    """One token.

    Attributes:
        folder: where all of it lives.
        pin: of its user.
    """

    folder: Path
    pin: str = field(default_factory=lambda: secrets.token_hex(8), repr=False)

    def initialize(self) -> None:
        """Make the token; the library finds it by the environment from now on."""
        self.tokens.mkdir(parents=True)
        configuration = self.folder / "softhsm2.conf"
        configuration.write_text(
            f"directories.tokendir = {self.tokens}\nobjectstore.backend = file\nlog.level = ERROR\n"
        )
        os.environ["SOFTHSM2_CONF"] = str(configuration)
        tool = shutil.which("softhsm2-util") or "softhsm2-util"
        asked = ["--init-token", "--free", "--label", LABEL, "--pin", self.pin, "--so-pin", secrets.token_hex(8)]
        subprocess.run([tool, *asked], check=True, capture_output=True)

    @property
    def tokens(self) -> Path:
        """Where the token's files are."""
        return self.folder / "tokens"

    def everything(self) -> bytes:
        """All that the token has on disk."""
        return b"".join(file.read_bytes() for file in sorted(self.tokens.rglob("*")) if file.is_file())

    def remove(self) -> None:
        """Pull the token out."""
        self.tokens.rename(self.folder / "pulled")

    def put_back(self) -> None:
        """The opposite."""
        (self.folder / "pulled").rename(self.tokens)


def skip_without() -> None:
    """Skip a test where there is no SoftHSM; the end of the run says so loudly."""
    if not MODULE.exists() or shutil.which("softhsm2-util") is None:
        pytest.skip(f"no {MODULE} on this machine: run apt-get install {PACKAGE} as root.")


if __name__ == "__main__":
    debian.install(PACKAGE, MODULE)
