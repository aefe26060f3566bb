"""One call to Talkdesk, and its answer as JSON.

Owns: that a link is checked before each call, and what an answer other than success means.
Leaves to others: limits of size and time (`outbound`), what is asked and what the answer has to hold.
No message here says more of a call than its name and status: both directions carry credentials.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from email.utils import parsedate_to_datetime
from urllib.parse import quote

import httpx

from broker.errors import LinkRefused, NoAnswer, TalkdeskError
from broker.model.credentials import Credentials, Links
from broker.model.installation import Installation
from broker.outbound import Answer, fetch
from broker.ports import Json
from broker.talkdesk.links import Hosts

# "Again later" in the words of HTTP; every other 4xx stays what it is.
_LATER = frozenset({408, 425, 429})
OPERATION = "operation"
"""Extension of a request that says what it is for: the links are Talkdesk's, so their paths say nothing."""

_VISIBLE = re.compile("[!-~]+")
_CODE = re.compile("[a-z_]{1,40}")


@dataclass(frozen=True)
class Wire:
    """Calls to listed hosts of Talkdesk's."""

    client: httpx.AsyncClient
    hosts: Hosts

    async def call(
        self,
        what: str,
        method: str,
        url: str,
        *,
        form: Mapping[str, str] | None = None,
        content: Json | None = None,
        bearer: str | None = None,
    ) -> Answer:
        """A successful answer. Sent once: whether to send again is the caller's to know. Raises TalkdeskError; NoAnswer where none came."""
        headers = {"Accept": "application/json"}
        if bearer is not None:
            if not _VISIBLE.fullmatch(bearer):
                raise TalkdeskError(f"{what}: the access token can't be sent in a header", is_final=True)
            headers["Authorization"] = f"Bearer {bearer}"
        checked = self.check(what, url)
        try:
            request = self.client.build_request(
                method, checked, data=form, json=content, headers=headers, extensions={OPERATION: what}
            )
            answer = await fetch(self.client, request)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise NoAnswer(f"{what}: no answer ({type(error).__name__})") from None
        if not 200 <= answer.status < 300:
            raise refused(what, answer.status, code=_error_code(answer), retry_after=_retry_after(answer))
        return answer

    def check(self, what: str, url: str) -> str:
        """The link, if its host is still on the allow-list. Raises TalkdeskError."""
        try:
            return self.hosts.check(url)
        except LinkRefused as error:
            raise TalkdeskError(f"{what}: {error}", is_final=True) from None


def refused(what: str, status: int, *, code: str | None = None, retry_after: timedelta | None = None) -> TalkdeskError:
    """The error for this status."""
    is_final = 400 <= status < 500 and status not in _LATER
    detail = f"{what}: answered {status}" + (f" {code}" if code else "")
    return TalkdeskError(detail, status=status, is_final=is_final, code=code, retry_after=retry_after)


def _error_code(answer: Answer) -> str | None:
    """`error` of an OAuth error answer (RFC 6749, 5.2), if it looks like a code: nothing else of an answer gets into a message."""
    try:
        content = json.loads(answer.body)
    except (ValueError, RecursionError):
        return None
    code = content.get("error") if isinstance(content, dict) else None
    return code if isinstance(code, str) and _CODE.fullmatch(code) else None


def _retry_after(answer: Answer) -> timedelta | None:
    """`Retry-After` (RFC 9110, 10.2.3): seconds, or a time, which is compared with the server's own clock."""
    value = answer.headers.get("Retry-After", "").strip()
    try:
        if value.isascii() and value.isdecimal():
            return timedelta(seconds=int(value))
        left = parsedate_to_datetime(value) - parsedate_to_datetime(answer.headers.get("Date", ""))
    except (ValueError, OverflowError, TypeError):  # TypeError: one of the two names no zone
        return None
    return max(left, timedelta())


def json_object(what: str, answer: Answer) -> Json:
    """The answer's JSON object. Raises TalkdeskError."""
    try:
        content = json.loads(answer.body)
    except (ValueError, RecursionError):
        raise TalkdeskError(f"{what}: the answer is not JSON", status=answer.status) from None
    if not isinstance(content, dict):
        raise TalkdeskError(f"{what}: the answer is not a JSON object", status=answer.status)
    return content


def text_field(what: str, content: Json, name: str) -> str:
    """A field of the answer that has to be there. Raises TalkdeskError."""
    value = content.get(name)
    if not isinstance(value, str) or not value:
        raise TalkdeskError(f"{what}: the answer has no {name}")
    return value


def path_part(identifier: str) -> str:
    """An opaque identifier as one part of a path. Raises TalkdeskError where it would name another path."""
    if identifier in (".", ".."):
        raise TalkdeskError("an identifier that can't be part of a path", is_final=True)
    return quote(identifier, safe="")


def access_of(installation: Installation) -> tuple[Links, Credentials]:
    """What is needed to call Talkdesk for the installation. Raises TalkdeskError where it has been erased, or never came."""
    if installation.links is None or installation.credentials is None:
        raise TalkdeskError("the installation has no credentials", is_final=True)
    return installation.links, installation.credentials
