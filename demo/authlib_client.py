"""What the app takes from authlib, without its notice that a later version will want httpx2 instead of httpx.

An app of your own imports the same names from `authlib.integrations` itself.
"""

import warnings

from authlib.deprecate import AuthlibDeprecationWarning

warnings.filterwarnings("ignore", category=AuthlibDeprecationWarning)  # before the imports that cause it

from authlib.integrations.base_client.errors import MismatchingStateError  # noqa: E402
from authlib.integrations.starlette_client import OAuth, OAuthError  # noqa: E402

__all__ = ["MismatchingStateError", "OAuth", "OAuthError"]
