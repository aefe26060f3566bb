"""Events are signed over the raw body, delivered at least once, and in every form that the documentation leaves open."""

import base64
from datetime import datetime

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA512
from cryptography.hazmat.primitives.serialization import load_der_public_key, load_pem_public_key

from demo.talkdesk import ACME, ANA, BRUNO, Installation, StandIn, Variants
from demo.talkdesk.variants import (
    CreatedAt,
    EnvelopeNames,
    EventCurve,
    KeyAlgorithm,
    KeyEncoding,
    KeyField,
    RotatedClientId,
    SignatureForm,
    TokenLink,
)
from tests.demo.conftest import Started
from tests.demo.partner import Partner, Received, signing_key

CREDENTIALS = {"client_id", "client_secret", "private_key", "public_key", "key_id", "key_algorithm"}
INSTALLATION = {"installation_id", "account_id", "account_name"}


@pytest.fixture
async def installation(talkdesk: StandIn) -> Installation:
    return await talkdesk.install(ACME, talkdesk.app("Wallboard"))


async def verify(partner: Partner, received: Received, variants: Variants) -> None:
    """As a receiver does, for one known variant: no guessing, so a stand-in that does something else fails here."""
    key_id = received.headers["x-hub-ecdsa-signature-id"]
    answer = await partner.client.get(received.link("root") + f"/events/signature-keys/{key_id}")
    text = base64.b64decode(answer.json()[variants.key_field])
    is_pem = variants.key_encoding is KeyEncoding.PEM
    key = load_pem_public_key(text) if is_pem else load_der_public_key(text)
    assert isinstance(key, ec.EllipticCurvePublicKey)
    assert (
        key.curve.key_size == {EventCurve.P256: 256, EventCurve.P384: 384, EventCurve.P521: 521}[variants.event_curve]
    )
    signature = bytes.fromhex(received.headers["x-hub-ecdsa-signature"])
    if variants.signature_form is SignatureForm.RAW:
        width = (key.curve.key_size + 7) // 8
        assert len(signature) == 2 * width
        signature = encode_dss_signature(int.from_bytes(signature[:width]), int.from_bytes(signature[width:]))
    key.verify(signature, received.body, ec.ECDSA(SHA512()))


@pytest.mark.parametrize("curve", list(EventCurve))
@pytest.mark.parametrize("form", list(SignatureForm))
@pytest.mark.parametrize("encoding", list(KeyEncoding))
async def test_signature(
    start: Started, partner: Partner, curve: EventCurve, form: SignatureForm, encoding: KeyEncoding
) -> None:
    """Each combination verifies as what it says it is."""
    variants = Variants(event_curve=curve, signature_form=form, key_encoding=encoding, key_field=KeyField.PUBLIC_KEY)
    talkdesk = await start(variants)
    await talkdesk.install(ACME, talkdesk.app("Wallboard"))
    await verify(partner, partner.received[0], variants)


async def test_signature_covers_every_byte(partner: Partner, installation: Installation) -> None:
    """A body that was changed does not verify."""
    received = partner.received[0]
    changed = Received(received.body.replace(b"Acme", b"Akme"), received.headers)
    with pytest.raises(InvalidSignature):
        await verify(partner, changed, Variants())


@pytest.mark.parametrize("field", list(KeyField))
async def test_key_field(start: Started, partner: Partner, field: KeyField) -> None:
    """The key is in the field of the variant, beside its id, and nowhere else."""
    talkdesk = await start(Variants(key_field=field))
    await talkdesk.install(ACME, talkdesk.app("Wallboard"))
    key_id = partner.received[0].headers["x-hub-ecdsa-signature-id"]
    answer = await partner.client.get(f"{talkdesk.url}/events/signature-keys/{key_id}")
    assert set(answer.json()) == {"id", field}


async def test_unknown_key_and_new_key(talkdesk: StandIn, partner: Partner, installation: Installation) -> None:
    """Unknown ids are 404; after a change of keys the former one stays published."""
    assert (await partner.client.get(f"{talkdesk.url}/events/signature-keys/0")).status_code == 404
    new = talkdesk.new_event_key()
    await talkdesk.deliver(installation.deliveries[0].event)
    assert partner.received[1].headers["x-hub-ecdsa-signature-id"] == new
    for received in partner.received:
        await verify(partner, received, Variants())


async def test_installed(talkdesk: StandIn, partner: Partner, installation: Installation) -> None:
    """The envelope, the data and the links of the documentation, and no more."""
    event = partner.received[0].event
    envelope = {"id", "type", "created_at", "api_version", "app_id", "app_version_id", "app_version_name"}
    assert set(event) == envelope | {"data", "_links"}
    assert (event["type"], event["api_version"]) == ("app.installed", "1")
    assert set(event["data"]) == INSTALLATION | CREDENTIALS
    assert set(event["_links"]) == {"root", "self", "userinfo", "authorization", "token", "installation"}
    assert event["data"]["installation_id"] == installation.id


async def test_user_logout(talkdesk: StandIn, partner: Partner, installation: Installation) -> None:
    """To each installation of the account; no account name, no app version."""
    await talkdesk.install(ACME, talkdesk.app("Notes"))
    await talkdesk.user_logout(ANA)
    events = [each.event for each in partner.received[2:]]
    assert {each["app_id"] for each in events} == {app.id for app in talkdesk.state.apps.values()}
    for event in events:
        assert set(event) == {"id", "type", "created_at", "api_version", "app_id", "data", "_links"}
        assert set(event["data"]) == {"account_id", "user_id", "user_email", "installation_id"}
        assert (event["data"]["user_id"], event["data"]["user_email"]) == (ANA.id, ANA.email)
        assert set(event["_links"]) == {"root", "self", "user", "installation"}


async def test_other_events(talkdesk: StandIn, partner: Partner, installation: Installation) -> None:
    """Each event has the data that the documentation lists for it."""
    await talkdesk.update(installation, removing=[BRUNO])
    await talkdesk.update(installation, subscription="Premium")
    await talkdesk.start_trial(installation)
    await talkdesk.extend_trial(installation)
    await talkdesk.end_trial(installation)
    await talkdesk.rotate(installation)
    await talkdesk.uninstall(installation)
    ended = {"expires_at", "ended_at", "ended_reason", "ended_by"}
    expected: list[tuple[str, set[str]]] = [
        ("app.installed", CREDENTIALS),
        ("app.updated", {"users"}),
        ("app.updated", {"subscription"}),
        ("app.trial_started", {"expires_at"}),
        ("app.trial_extended", {"expires_at"}),
        ("app.trial_ended", ended),
        ("app.credentials_rotated", CREDENTIALS),
        ("app.uninstalled", {"reason"}),
    ]
    assert [(each.event["type"], set(each.data) - INSTALLATION) for each in partner.received] == expected
    assert partner.received[1].data["users"] == {"adding": [], "removing": [BRUNO.id]}


@pytest.mark.parametrize(
    ("names", "fields"),
    [
        (EnvelopeNames.PLAIN, {"id", "type"}),
        (EnvelopeNames.PREFIXED, {"event_id", "event_type"}),
        (EnvelopeNames.BOTH, {"id", "type", "event_id", "event_type"}),
    ],
)
async def test_envelope_names(start: Started, partner: Partner, names: EnvelopeNames, fields: set[str]) -> None:
    """Where both names are there, `event_id` is the one that stays the same; `id` is another."""
    talkdesk = await start(Variants(envelope_names=names))
    installation = await talkdesk.install(ACME, talkdesk.app("Wallboard"))
    event = partner.received[0].event
    assert set(event) & {"id", "type", "event_id", "event_type"} == fields
    assert event.get("event_id", event.get("id")) == installation.deliveries[0].event.id
    assert len({event.get("id"), event.get("event_id")}) == 2


@pytest.mark.parametrize("link", list(TokenLink))
async def test_token_link(start: Started, partner: Partner, link: TokenLink) -> None:
    """The token endpoint's link has one name, not two."""
    talkdesk = await start(Variants(token_link=link))
    await talkdesk.install(ACME, talkdesk.app("Wallboard"))
    assert {"token", "tokens"} & set(partner.received[0].event["_links"]) == {link}


@pytest.mark.parametrize("form", list(CreatedAt))
async def test_created_at(start: Started, partner: Partner, form: CreatedAt) -> None:
    """Looks like the variant's example, and means now."""
    talkdesk = await start(Variants(created_at=form))
    before = talkdesk.state.clock().replace(microsecond=0)
    await talkdesk.install(ACME, talkdesk.app("Wallboard"))
    text = partner.received[0].event["created_at"]
    assert before <= datetime.fromisoformat(text) <= talkdesk.state.clock()
    assert (len(text), text[19:20], text[-6:] if "Z" not in text else "Z") == (
        len(form.value),
        form.value[19:20],
        form.value[-6:] if "Z" not in form.value else "Z",
    )


@pytest.mark.parametrize("algorithm", list(KeyAlgorithm))
async def test_key_algorithm(start: Started, partner: Partner, algorithm: KeyAlgorithm) -> None:
    """The key in the event is one for the algorithm, and works at the token endpoint."""
    talkdesk = await start(Variants(key_algorithm=algorithm))
    await talkdesk.install(ACME, talkdesk.app("Wallboard"))
    data = partner.received[0].data
    assert data["key_algorithm"] == algorithm
    assert signing_key(data["private_key"]).key_type == ("EC" if algorithm.startswith("ES") else "RSA")
    answer = await partner.token_request(grant_type="client_credentials", scope="apps:write")
    assert answer.status_code == 200


@pytest.mark.parametrize(("choice", "is_same"), [(RotatedClientId.NEW, False), (RotatedClientId.SAME, True)])
async def test_rotation(start: Started, partner: Partner, choice: RotatedClientId, is_same: bool) -> None:
    """Rotated credentials have a new key; both sets work until the new one is acknowledged."""
    talkdesk = await start(Variants(rotated_client_id=choice))
    installation = await talkdesk.install(ACME, talkdesk.app("Wallboard"))
    await talkdesk.rotate(installation)
    old, new = partner.received
    assert (old.data["client_id"] == new.data["client_id"]) is is_same
    assert old.data["private_key"] != new.data["private_key"]
    for each in (old, new):
        await partner.app_token(assertion=partner.assertion(of=each))
    token = await partner.app_token()
    answer = await partner.api("POST", f"/credentials/{new.data['client_id']}/state", token, {"state": "acknowledged"})
    assert answer.status_code == 202
    dead = await partner.token_request(
        assertion=partner.assertion(of=old), grant_type="client_credentials", scope="apps:write"
    )
    assert dead.status_code == 401


async def test_compromised_credentials_are_dead_at_once(
    talkdesk: StandIn, partner: Partner, installation: Installation
) -> None:
    """Nothing is left of the old set's 7 days."""
    await talkdesk.rotate(installation, compromised=True)
    old = partner.received[0]
    answer = await partner.token_request(
        assertion=partner.assertion(of=old), grant_type="client_credentials", scope="apps:write"
    )
    assert answer.status_code == 401


async def test_installed_again(talkdesk: StandIn, partner: Partner, installation: Installation) -> None:
    """The same installation id with credentials of its own; the former ones are dead."""
    with pytest.raises(ValueError, match="it is installed"):
        await talkdesk.install_again(installation)
    await talkdesk.uninstall(installation)
    await talkdesk.install_again(installation)
    first, _, again = partner.received
    assert first.data["installation_id"] == again.data["installation_id"]
    form = {"grant_type": "client_credentials", "scope": "apps:write"}
    answers = [await partner.token_request(assertion=partner.assertion(of=each), **form) for each in (first, again)]
    assert [answer.status_code for answer in answers] == [401, 200]
