"""What Talkdesk's public documentation leaves open: every plausible reading, one enum each.

A test picks a reading; the receiver has to cope with all of them. The defaults are the likeliest.
"""

from dataclasses import dataclass
from enum import Enum, StrEnum


class KeyField(StrEnum):
    """The JSON field of the signature-keys answer that holds the key."""

    KEY = "key"
    PUBLIC_KEY = "public_key"
    VALUE = "value"


class KeyEncoding(Enum):
    """What the base64 in that field is of."""

    DER = "DER SubjectPublicKeyInfo"
    PEM = "PEM text"


class SignatureForm(Enum):
    """The bytes behind the hex of the signature header."""

    DER = "DER"
    RAW = "r||s"


class EventCurve(Enum):
    """The curve of the key that signs events."""

    P256 = "P-256"
    P384 = "P-384"
    P521 = "P-521"


class TokenLink(StrEnum):
    """The name of the token endpoint's link in `app.installed`."""

    TOKEN = "token"
    TOKENS = "tokens"


class EnvelopeNames(Enum):
    """How an event names its id and its type."""

    PLAIN = "id and type"
    PREFIXED = "event_id and event_type"
    BOTH = "event_id is the event's id, id is another one; type and event_type are equal"


class CreatedAt(Enum):
    """The form of `created_at`."""

    Z = "2017-08-18T10:29:52Z"
    Z_MILLISECONDS = "2017-08-18T10:29:52.000Z"
    OFFSET = "2017-08-18T10:29:52+00:00"
    OFFSET_MILLISECONDS = "2017-08-18T10:29:52.000+00:00"
    OTHER_ZONE = "2017-08-18T05:29:52-05:00"


class UserinfoForm(Enum):
    """Where userinfo has the id that `user.logout` will name."""

    ID = "in id, and in _links.self; sub is another value"
    LINK = "in _links.self only; sub is another value"
    SUB = "in sub only"


class IdToken(Enum):
    """Whether the scope `openid` brings an ID token."""

    ALWAYS = "always"
    NEVER = "never"


class Pkce(Enum):
    """What becomes of a `code_challenge`."""

    ENFORCED = "S256 only, and the code is worth nothing without the verifier"
    IGNORED = "as if it were not there"


class UninstallAnswer(Enum):
    """What the acknowledgement of `app.uninstalled` meets."""

    ACCEPTED = "credentials live until it came; 200"
    DEAD_401 = "credentials and tokens are dead: 401 from the token endpoint and from the Apps API"
    DEAD_403 = "a token is still given, the state call answers 403"
    DEAD_404 = "a token is still given, the state call answers 404"


class KeyAlgorithm(StrEnum):
    """The algorithm of an installation's key (documented; each installation has one of them)."""

    ES256 = "ES256"
    ES384 = "ES384"
    ES512 = "ES512"
    PS256 = "PS256"
    PS384 = "PS384"
    PS512 = "PS512"


class RotatedClientId(Enum):
    """Whether rotated credentials come with a client id of their own."""

    NEW = "a new one"
    SAME = "the same; only secret and key are new"


@dataclass(frozen=True)
class Variants:
    """One reading of everything that is open."""

    key_field: KeyField = KeyField.KEY
    key_encoding: KeyEncoding = KeyEncoding.DER
    signature_form: SignatureForm = SignatureForm.DER
    event_curve: EventCurve = EventCurve.P256
    token_link: TokenLink = TokenLink.TOKEN
    envelope_names: EnvelopeNames = EnvelopeNames.PLAIN
    created_at: CreatedAt = CreatedAt.OFFSET_MILLISECONDS
    userinfo: UserinfoForm = UserinfoForm.ID
    id_token: IdToken = IdToken.ALWAYS
    pkce: Pkce = Pkce.IGNORED
    uninstall_answer: UninstallAnswer = UninstallAnswer.ACCEPTED
    key_algorithm: KeyAlgorithm = KeyAlgorithm.ES256
    rotated_client_id: RotatedClientId = RotatedClientId.NEW
