"""One provider for all clients of a run, so that one's rotation is every other's too."""

from collections.abc import Iterator

import pytest

from tests.interop.provider import Provider, running_provider


@pytest.fixture(scope="session")
def provider(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Provider]:
    """A running provider with its first keys, and the person `PERSON`."""
    with pytest.MonkeyPatch.context() as patch, running_provider(tmp_path_factory.mktemp("provider")) as found:
        for name in ("NO_PROXY", "no_proxy"):  # the clients in this process find this machine without a proxy
            patch.setenv(name, "localhost,127.0.0.1")
        yield found


@pytest.fixture
def settled(provider: Provider) -> Provider:
    """The provider, after every worker has begun to show the keys that will sign next."""
    provider.publish_standbys()
    return provider
