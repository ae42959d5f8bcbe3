"""Webhooks: the addresses that accounts subscribe to changes, the secrets that sign events, and failed deliveries.

An event says which case changed and nothing of its content (the thin payload of Standard Webhooks 1.0); its receiver
reads the case with a key of its own. The row holds the position in the feed up to which events were sent.
`webhooks/delivery.py` sends them.
"""

import base64
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit
from uuid import UUID

from pydantic import Field
from sqlalchemy import BigInteger, ForeignKey, Index, func, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column
from standardwebhooks import Webhook as Signer

from appeals.accounts.encryption import Cipher
from appeals.database.declarative import Base, new_id
from appeals.errors import ChangeRefused, FieldError, Invalid, Unmet
from appeals.fields import Model
from appeals.vocabulary import DeliveryFault, DeliveryState, WebhookState
from appeals.webhooks.outbound import is_loopback, is_public

MAX_WEBHOOKS = 5
"""How many active webhooks an account may have."""
OVERLAP = timedelta(hours=24)
"""How long a replaced secret still signs beside the new one."""
SECRET_BYTES = 32


class Webhook(Base):
    """An address to which an account wants events sent. `secret` and `former_secret` are stored encrypted.

    All events up to the position `after_transaction`, `after_id` of the feed were sent. `grants_hash` stands for the
    roles of the account (`change_feed.FeedCursor`) at `auth_version` of the network. A process that sends events holds
    a lease: `leased_by` until `leased_until`.
    """

    __tablename__ = "webhook"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    account_id: Mapped[UUID] = mapped_column(ForeignKey("account.id"), index=True)
    url: Mapped[str]
    state: Mapped[str]
    recorded_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    secret: Mapped[bytes]
    former_secret: Mapped[bytes | None]
    former_until: Mapped[datetime | None]
    after_transaction: Mapped[int] = mapped_column(BigInteger)
    after_id: Mapped[int] = mapped_column(BigInteger)
    grants_hash: Mapped[bytes]
    auth_version: Mapped[int] = mapped_column(BigInteger)
    failing_since: Mapped[datetime | None]
    delivered_at: Mapped[datetime | None]
    leased_by: Mapped[UUID | None]
    leased_until: Mapped[datetime | None]


class Delivery(Base):
    """An event whose delivery failed, or that reports no change (`change_id` is null). Its id is its `webhook-id`.

    While it `blocks`, later events wait until it is delivered, dead or dropped.
    """

    __tablename__ = "webhook_delivery"
    __table_args__ = (Index(None, "webhook_id", "state"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    webhook_id: Mapped[UUID] = mapped_column(ForeignKey("webhook.id"))
    change_id: Mapped[int | None] = mapped_column(ForeignKey("change.id"), index=True)
    state: Mapped[str]
    blocks: Mapped[bool]
    tries: Mapped[int]
    recorded_at: Mapped[datetime]
    next_at: Mapped[datetime | None]
    fault: Mapped[str | None]
    status: Mapped[int | None]


Address = Annotated[
    str,
    Field(
        max_length=1000,
        pattern=r"^https?://[!-~]+$",
        description="An `https` address on the public internet, on port 443 or one from 1024 on; without a password.",
    ),
]


class WebhookInput(Model):
    url: Address


class WebhookChange(Model):
    url: Address | None = None
    state: Annotated[Literal["active"] | None, Field(description="`active` resumes a webhook that was given up.")] = (
        None
    )


class WebhookOutput(Model):
    """A webhook, without its secret."""

    id: UUID
    url: str
    state: WebhookState
    recorded_at: datetime
    ended_at: datetime | None
    former_until: Annotated[datetime | None, Field(description="When the former secret stops signing.")]
    failing_since: Annotated[datetime | None, Field(description="Since when deliveries have failed.")]
    delivered_at: Annotated[datetime | None, Field(description="The time of the last delivery.")]

    @classmethod
    def of(cls, webhook: Webhook) -> Self:
        """Return the wire form of a webhook."""
        return cls.model_validate({name: getattr(webhook, name) for name in WebhookOutput.model_fields})


class SecretOutput(WebhookOutput):
    """A webhook with its new secret, which is shown only once."""

    secret: Annotated[str, Field(description="The secret to check signatures with: `whsec_…`. It is shown only once.")]


class DeliveryOutput(Model):
    """An event whose delivery failed at first. Its id is its `webhook-id`."""

    id: UUID
    state: DeliveryState
    reference: Annotated[str | None, Field(description="The reference of the case, if you may see it.")]
    tries: int
    recorded_at: datetime
    next_at: Annotated[datetime | None, Field(description="When it is retried.")]
    fault: DeliveryFault | None
    status: Annotated[int | None, Field(description="The last status of the receiver.")]


def secrets_cipher(pepper: bytes) -> Cipher:
    """Return the cipher of the stored secrets; each is bound to its webhook."""
    return Cipher(pepper, b"secret of a webhook")


def new_webhook(
    session: Session, account_id: UUID, url: str, starting_point: "StartingPoint", now: datetime, cipher: Cipher
) -> tuple[Webhook, str]:
    """Create a webhook that gets events of changes from now on, and its secret. Raises: ChangeRefused."""
    _require_room(session, account_id)
    webhook = Webhook(
        id=new_id(),
        account_id=account_id,
        url=url,
        state=WebhookState.ACTIVE,
        recorded_at=now,
        grants_hash=starting_point.grants_hash,
        after_transaction=starting_point.position[0],
        after_id=starting_point.position[1],
        auth_version=starting_point.auth_version,
    )
    text = _give_secret(webhook, cipher)
    session.add(webhook)
    session.flush()
    return webhook, text


def _require_room(session: Session, account_id: UUID) -> None:
    live = select(func.count()).where(Webhook.account_id == account_id, Webhook.state != WebhookState.ENDED)
    if (session.scalar(live) or 0) >= MAX_WEBHOOKS:
        raise refused("live", "webhook.too_many")


@dataclass(frozen=True)
class StartingPoint:
    """Where a webhook starts: the end of the feed, the hash of its account's roles, and the version of the network."""

    position: tuple[int, int]
    grants_hash: bytes
    auth_version: int


def rotate_secret(webhook: Webhook, now: datetime, cipher: Cipher) -> str:
    """Replace the secret. The old one signs beside it for `OVERLAP`, an older one no longer. Raises: ChangeRefused."""
    require_live(webhook)
    webhook.former_secret, webhook.former_until = webhook.secret, now + OVERLAP
    return _give_secret(webhook, cipher)


def _give_secret(webhook: Webhook, cipher: Cipher) -> str:
    secret = secrets.token_bytes(SECRET_BYTES)
    webhook.secret = cipher.encrypt(secret, webhook.id.bytes)
    return f"whsec_{base64.b64encode(secret).decode()}"


def change(session: Session, webhook: Webhook, data: WebhookChange, now: datetime) -> None:
    """Change the address of a webhook, or resume it after it was given up. Raises: ChangeRefused."""
    require_live(webhook)
    if data.url is not None:
        webhook.url = data.url
    if data.state is not None and webhook.state in (WebhookState.FAILING, WebhookState.GONE):
        webhook.state, webhook.failing_since = WebhookState.ACTIVE, None
        waiting = update(Delivery).where(Delivery.webhook_id == webhook.id, Delivery.state == DeliveryState.WAITING)
        session.execute(waiting.values(next_at=now, tries=0))


def end(session: Session, webhook: Webhook, now: datetime) -> None:
    """End a webhook, which then gets no more events. One that has ended already keeps its time."""
    webhook.state, webhook.ended_at = WebhookState.ENDED, webhook.ended_at or now
    drop_waiting(session, webhook)


def drop_waiting(session: Session, webhook: Webhook) -> None:
    """Drop all deliveries that wait for a retry."""
    waiting = update(Delivery).where(Delivery.webhook_id == webhook.id, Delivery.state == DeliveryState.WAITING)
    session.execute(waiting.values(state=DeliveryState.DROPPED, next_at=None))


def retry(webhook: Webhook, delivery: Delivery, now: datetime) -> None:
    """Retry a delivery at once, even a dead one, out of order and with all attempts again. Raises: ChangeRefused."""
    require_live(webhook)
    if delivery.state not in (DeliveryState.WAITING, DeliveryState.DEAD):
        raise refused(delivery.state, "delivery.done")
    if delivery.state == DeliveryState.DEAD:
        delivery.tries, delivery.blocks = 0, False
    delivery.state, delivery.next_at = DeliveryState.WAITING, now


def require_live(webhook: Webhook) -> None:
    """Check that a webhook has not ended. Raises: ChangeRefused."""
    if webhook.state == WebhookState.ENDED:
        raise refused("ended", "webhook.ended")


def require_address(url: str, *, to_loopback: bool) -> None:
    """Check that a URL may receive events, as far as possible without resolving its name. Raises: Invalid."""
    try:
        parts = urlsplit(url)
        port, host = parts.port, parts.hostname or ""
    except ValueError:
        raise _wrong("is not a URL") from None
    if not host or parts.fragment or parts.username is not None or parts.password is not None:
        raise _wrong("must have a host, and neither a password nor a fragment")
    if to_loopback and is_loopback(host):
        return
    if parts.scheme != "https":
        raise _wrong("must begin with https://")
    if port is not None and port != 443 and port < 1024:
        raise _wrong("must have the port 443, or one from 1024 on")
    if _is_literal(host) and not is_public(host):
        raise _wrong("is not on the public internet")


def _is_literal(host: str) -> bool:
    """Return whether a host is a numeric address in any form. No top-level domain is numeric."""
    last = host.rstrip(".").rpartition(".")[2]
    return ":" in host or last.isdigit() or last.startswith("0x") or host.rstrip(".").endswith("localhost")


def _wrong(says: str) -> Invalid:
    return Invalid([FieldError("/url", says)])


def signed_headers(webhook: Webhook, event_id: UUID, body: str, now: datetime, cipher: Cipher) -> dict[str, str]:
    """Return the headers of an event by Standard Webhooks, with a second signature while the former secret is valid."""
    kept = [webhook.secret]
    if webhook.former_secret is not None and webhook.former_until is not None and now < webhook.former_until:
        kept.append(webhook.former_secret)
    signers = [Signer(cipher.decrypt(secret, webhook.id.bytes)) for secret in kept]
    return {
        "content-type": "application/json",
        "webhook-id": str(event_id),
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": " ".join(signer.sign(str(event_id), now, body) for signer in signers),
    }


def refused(state: str, code: str) -> ChangeRefused:
    """Return the refusal with this code and its sentence."""
    return ChangeRefused(state, [Unmet(code, REFUSALS[code])])


REFUSALS = {
    "webhook.too_many": f"An account may have at most {MAX_WEBHOOKS} webhooks; end one that is not needed.",
    "webhook.ended": "The webhook has ended; create a new one.",
    "delivery.done": "The event was delivered already, or was dropped and will not be sent.",
}
"""The sentences of refusals, by code."""
