"""Apache with mod_auth_openidc on this machine's loopback, with a configuration of its own.

`python -m tests.interop.apache` installs Debian's packages where that is allowed; `make interop` calls it.
"""

import os
import secrets
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from idp_project.quickstart.data_folder import write_secret
from idp_project.setup_environment import apt_get, say, succeeds
from tests.interop.node_programs import MissingRuntime
from tests.interop.processes import running
from tests.interop.provider import Provider

PACKAGE = "libapache2-mod-auth-openidc"
MODULES = Path("/usr/lib/apache2/modules")
PROGRAM_PATH = "/usr/sbin:/usr/bin"
_WORKERS_ACCOUNT = "www-data"  # Debian's; Apache's workers never run as root
_LOADED = ("mpm_event", "authn_core", "authz_core", "authz_user", "auth_openidc", "dir", "headers")
_CONFIGURATION = """
ServerRoot {folder}
DefaultRuntimeDir {folder}
PidFile {folder}/pid
ErrorLog {folder}/error.log
ServerName 127.0.0.1
Listen 127.0.0.1:{port}
{modules}
{account}
DocumentRoot {folder}/pages
DirectoryIndex page.html

OIDCProviderMetadataURL {discovery}
OIDCClientID {client_id}
OIDCClientSecret {client_secret}
OIDCRedirectURI {address}/callback
OIDCCryptoPassphrase {passphrase}
OIDCScope "openid email offline_access"
OIDCPKCEMethod S256
OIDCUserInfoRefreshInterval 1
OIDCPassIDTokenAs claims serialized
OIDCInfoHook access_token refresh_token userinfo

<Location />
  AuthType openid-connect
  Require valid-user
  Header set X-Subject "%{{OIDC_CLAIM_sub}}e"
  Header set X-Email "%{{OIDC_CLAIM_email}}e"
  Header set X-ID-Token "%{{OIDC_id_token}}e"
</Location>
<Location /signed-out>
  AuthType None
  Require all granted
</Location>
"""


def install() -> None:
    """Install Debian's packages, unless they are there or we may not."""
    command = apt_get()
    for arguments in (["install", "--yes", "--no-install-recommends", PACKAGE], ["update"]) * 2:
        if _is_there() or not command:
            return
        say(" ".join([*command, *arguments]))
        succeeds(*command, *arguments)


def refuse_missing_module() -> None:
    """Find Apache and the module.

    Raises:
        MissingRuntime: one of them is not there.
    """
    if not _is_there():
        raise MissingRuntime(f"no Apache with mod_auth_openidc on this machine: run apt-get install {PACKAGE} as root.")


def _is_there() -> bool:
    return (MODULES / "mod_auth_openidc.so").is_file() and shutil.which("apache2", path=PROGRAM_PATH) is not None


@contextmanager
def running_apache(provider: Provider, address: str, client: Mapping[str, Any]) -> Iterator[None]:
    """Apache, whose pages are for those who signed in; only /signed-out is for everybody.

    Arguments:
        provider: where people sign in.
        address: such as http://127.0.0.1:4711.
        client: what `create_client` printed.
    """
    with TemporaryDirectory(prefix="signet-apache-") as name:
        folder, port = Path(name), int(address.rpartition(":")[2])
        folder.chmod(0o755)  # the workers' account reads the pages
        for page in ("pages", "pages/signed-out"):
            (folder / page).mkdir()
            (folder / page).chmod(0o755)  # whatever the umask
            (folder / page / "page.html").write_text(page, encoding="ascii")
            (folder / page / "page.html").chmod(0o644)
        write_secret(folder / "apache.conf", _configuration(folder, port, provider, address, client))
        command = [str(shutil.which("apache2", path=PROGRAM_PATH)), "-DFOREGROUND", "-f", str(folder / "apache.conf")]
        with running(command, {"PATH": PROGRAM_PATH}, log=folder / "output", port=port):
            yield


def _configuration(folder: Path, port: int, provider: Provider, address: str, client: Mapping[str, Any]) -> str:
    account = f"User {_WORKERS_ACCOUNT}\nGroup {_WORKERS_ACCOUNT}" if os.geteuid() == 0 else ""
    return _CONFIGURATION.format(
        folder=folder,
        port=port,
        address=address,
        account=account,
        modules="\n".join(f"LoadModule {module}_module {MODULES}/mod_{module}.so" for module in _LOADED),
        discovery=provider.discovery,
        client_id=client["client_id"],
        client_secret=client["client_secret"],
        passphrase=secrets.token_urlsafe(32),
    )


if __name__ == "__main__":
    install()
