"""What the settings say of keys, as validated values."""

from django.conf import settings

from keys.algorithms import Purpose
from keys.master_secrets import MasterSecrets, parse_master_secrets
from keys.policy import LONGEST_HANDLE, KeyPolicy, Periods


def periods() -> Periods:
    """The periods from the settings."""
    return Periods(settings.IDP_SIGNER_TTL, settings.IDP_JWKS_MAX_AGE, settings.IDP_JWKS_OUTAGE)


def default_policy(purpose: Purpose = Purpose.SIGN) -> KeyPolicy:
    """The policy that new rings get, from the settings.

    Arguments:
        purpose: what the ring is for; handles live as long as their grants, longer than any token.
    """
    longest = settings.IDP_KEY_MAX_TOKEN_LIFETIME
    return KeyPolicy(
        rotation_period=settings.IDP_KEY_ROTATION_PERIOD,
        propagation=settings.IDP_KEY_PROPAGATION,
        max_token_lifetime=max(longest, LONGEST_HANDLE) if purpose is Purpose.MAC else longest,
        clock_skew=settings.IDP_KEY_CLOCK_SKEW,
        verifier_leeway=settings.IDP_KEY_VERIFIER_LEEWAY,
        patience=settings.IDP_KEY_PATIENCE,
    )


def master_secrets() -> MasterSecrets:
    """The master secrets from the settings.

    Raises:
        MalformedSecrets: see `parse_master_secrets`.
    """
    return parse_master_secrets(settings.IDP_MASTER_SECRETS)
