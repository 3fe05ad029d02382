"""AWS's signature of a request (SigV4), by botocore, which also finds the credentials."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from typing import Any, TypeVar

from llm_integrations.core.errors import ConfigurationError, RegistryAuthError
from llm_integrations.core.extras import require_extra

__all__ = ["Signer", "endpoint_of", "never_asking"]

T = TypeVar("T")


def endpoint_of(region: str) -> str:
    """Where Glue is in a region, unless AWS_ENDPOINT_URL(_GLUE) says otherwise."""
    require_extra("glue", "botocore")
    import botocore.session

    endpoint = os.environ.get("AWS_ENDPOINT_URL_GLUE") or os.environ.get("AWS_ENDPOINT_URL")
    if endpoint:
        return endpoint
    resolver = botocore.session.Session().get_component("endpoint_resolver")
    found = resolver.construct_endpoint("glue", region)
    if not found:
        raise ConfigurationError(f"AWS has no region {region!r}: glue://region/registry")
    return f"https://{found['hostname']}"


def never_asking(session: T) -> T:
    """A session of botocore or aiobotocore that raises RegistryAuthError where it would ask for an
    MFA code on the terminal, and wait.

    Looks into botocore, which takes no other function to ask by.
    """
    chain: Any = session
    provider = chain.get_component("credential_provider").get_provider("assume-role")
    provider._prompter = _ask_nobody
    return session


def _ask_nobody(_: str) -> str:
    raise RegistryAuthError(
        "the AWS profile wants an MFA code, and nobody is asked for it here: give temporary "
        "credentials (aws sts assume-role, or aws configure export-credentials)"
    )


class Signer:
    """Signs with the credentials that AWS's own tools would use: environment, profile, role."""

    def __init__(self, region: str) -> None:
        require_extra("glue", "botocore")
        self._region = region
        self._found: Any = None

    async def sign(
        self, method: str, url: str, body: bytes, headers: Mapping[str, str]
    ) -> dict[str, str]:
        """The headers with the signature. RegistryAuthError if there are no credentials."""
        # Credentials are read from files, and those of a role asked for over the network.
        return await asyncio.to_thread(self._signed, method, url, body, headers)

    def _signed(
        self, method: str, url: str, body: bytes, headers: Mapping[str, str]
    ) -> dict[str, str]:
        from botocore.auth import SigV4Auth
        from botocore.awsrequest import AWSRequest

        request = AWSRequest(method=method, url=url, data=body, headers=dict(headers))
        SigV4Auth(self._credentials(), "glue", self._region).add_auth(request)
        return {name: str(value) for name, value in request.headers.items()}

    def _credentials(self) -> Any:
        """As they are now: botocore renews those that expire."""
        import botocore.session
        from botocore.exceptions import BotoCoreError

        try:
            if self._found is None:
                self._found = never_asking(botocore.session.Session()).get_credentials()
            if self._found is not None:
                return self._found.get_frozen_credentials()
        except BotoCoreError as error:
            raise RegistryAuthError(
                f"AWS credentials cannot be had ({type(error).__name__})"
            ) from None
        raise RegistryAuthError("no AWS credentials: set AWS_ACCESS_KEY_ID, a profile or a role")
