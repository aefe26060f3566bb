"""The discovery document of an issuer (OpenID Connect Discovery 1.0, 3): what it says is what the code does."""

from broker.issuer.identifier import Issuers
from broker.issuer.keys import ALGORITHM
from broker.model.names import Slug
from broker.ports import Json
from broker.provider.client_auth import ASSERTION_ALGORITHM

CLAIMS = (
    "iss",
    "sub",
    "aud",
    "exp",
    "iat",
    "nonce",
    "sid",
    "preferred_username",
    "given_name",
    "family_name",
    "talkdesk_account_id",
    "talkdesk_account_name",
    "talkdesk_user_id",
    "talkdesk_installation_id",
    "talkdesk_apps",
    "talkdesk_sign_on",
    "talkdesk_email",
    "talkdesk_email_verified",
)


def discovery_document(issuers: Issuers, slug: Slug) -> Json:
    """Metadata of the installation's issuer."""
    return {
        "issuer": issuers.identifier(slug),
        "authorization_endpoint": issuers.authorization_endpoint(slug),
        "token_endpoint": issuers.token_endpoint(slug),
        "jwks_uri": issuers.jwks_uri,
        "scopes_supported": ["openid"],
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": ["authorization_code"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": [ALGORITHM],
        "token_endpoint_auth_methods_supported": ["private_key_jwt"],
        "token_endpoint_auth_signing_alg_values_supported": [ASSERTION_ALGORITHM],
        "code_challenge_methods_supported": ["S256"],
        "claims_supported": list(CLAIMS),
        "claims_parameter_supported": False,
        "request_parameter_supported": False,
        "request_uri_parameter_supported": False,
        "authorization_response_iss_parameter_supported": True,
        "backchannel_logout_supported": True,
        "backchannel_logout_session_supported": True,
    }
