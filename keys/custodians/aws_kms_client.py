"""The line to AWS KMS: one client a process, bounded in time, every failure in this provider's words."""

import logging
import os
import threading
from typing import Any, NoReturn

from django.conf import settings

from keys.errors import CustodianNotConfigured, CustodianRefused, CustodianUnreachable, SealBroken

logger = logging.getLogger("signet.keys")

_CONNECT_SECONDS, _READ_SECONDS = 2, 3
_BROKEN = frozenset({"InvalidCiphertextException", "IncorrectKeyException"})
_LATER = frozenset(
    {
        "DependencyTimeoutException",
        "KMSInternalException",
        "KeyUnavailableException",
        "RequestLimitExceeded",
        "ServiceUnavailableException",
        "Throttling",
        "ThrottlingException",
    }
)
_SERVER_ERROR = 500


class KmsClient:
    """A client that is made when it is first needed, and anew after a fork or a change of the settings."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._made_for: tuple[int, str, str] | None = None
        self._client: Any = None

    def call(self, operation: str, **parameters: Any) -> dict[str, Any]:
        """One call of KMS, once: a retry would only wait longer, and could make a key twice.

        Arguments:
            operation: its name in boto3.
            parameters: of the operation.

        Raises:
            CustodianNotConfigured: no region, no credentials, or no boto3.
            CustodianUnreachable: no answer in time, throttled, or a failure of the service's own.
            CustodianRefused: any other error; its cause holds the code.
            SealBroken: a ciphertext is not what this key and context made.
        """
        try:
            from botocore import exceptions  # noqa: PLC0415  (an optional extra)
        except ImportError as error:
            _without_library(error)
        try:
            answer: dict[str, Any] = getattr(self._ready(), operation)(**parameters)
        except exceptions.ClientError as error:
            _refused(error)
        except (
            exceptions.NoCredentialsError,
            exceptions.PartialCredentialsError,
            exceptions.CredentialRetrievalError,
            exceptions.ProfileNotFound,
        ) as error:
            raise CustodianNotConfigured(
                f"The custodian 'aws_kms' finds no credentials ({type(error).__name__}): give them to the process "
                f"as boto3 wants them, beside IDP_AWS_KMS_REGION."
            ) from error
        except exceptions.ParamValidationError as error:
            raise CustodianRefused("AWS KMS takes no such parameters.") from error
        except (exceptions.BotoCoreError, OSError) as error:
            raise CustodianUnreachable(f"AWS KMS doesn't answer ({type(error).__name__}).") from error
        except ValueError as error:
            raise CustodianRefused("IDP_AWS_KMS_REGION or IDP_AWS_KMS_ENDPOINT is malformed.") from error
        return answer

    def orphaned(self, reference: str) -> None:
        """Tell of a key that was made and could not be destroyed."""
        logger.error("custodian.orphan custodian=aws_kms reference=%s", reference)

    def _ready(self) -> Any:
        try:
            import boto3  # noqa: PLC0415
            from botocore.config import Config  # noqa: PLC0415
        except ImportError as error:
            _without_library(error)
        region, endpoint = settings.IDP_AWS_KMS_REGION, settings.IDP_AWS_KMS_ENDPOINT
        if not region:
            raise CustodianNotConfigured("The custodian 'aws_kms' needs a region: set IDP_AWS_KMS_REGION.")
        wanted = (os.getpid(), region, endpoint)
        with self._lock:
            if self._made_for != wanted:
                bounds = Config(
                    connect_timeout=_CONNECT_SECONDS, read_timeout=_READ_SECONDS, retries={"total_max_attempts": 1}
                )
                session = boto3.session.Session()
                self._client = session.client("kms", region_name=region, endpoint_url=endpoint or None, config=bounds)
                self._made_for = wanted
            return self._client


def _without_library(error: ImportError) -> NoReturn:
    raise CustodianNotConfigured(
        "The custodian 'aws_kms' needs boto3: pip install -r requirements-aws-kms.txt."
    ) from error


def _refused(error: Any) -> NoReturn:
    code = str(error.response.get("Error", {}).get("Code", ""))[:64]
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if code in _BROKEN:
        raise SealBroken(
            f"A sealed value doesn't open with AWS KMS ({code}): it was altered, moved, or wrapped by another key."
        ) from error
    if code in _LATER or status >= _SERVER_ERROR:
        raise CustodianUnreachable(f"AWS KMS can't answer now ({code}).") from error
    raise CustodianRefused(f"AWS KMS refuses ({code}).") from error


CLIENT = KmsClient()
