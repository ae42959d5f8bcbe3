"""Routes of webhooks. An account sees only its own."""

from typing import Annotated

from fastapi import Query, Response
from pydantic import Field
from sqlalchemy import select

from appeals.accounts.account import Account
from appeals.api.authorization import AuthorizationContext
from appeals.api.dependencies import Read, reading, writing
from appeals.api.openapi import AS_TABLE
from appeals.api.pagination import Page, page, page_by_id
from appeals.api.parameters import DeliveryId, RecordId
from appeals.api.routes.accounts import Nothing
from appeals.api.routing import new_router
from appeals.api.transaction import ReadRequest, ReplayPolicy, WriteRequest
from appeals.errors import NotFound
from appeals.fields import as_uuid
from appeals.read_models.case_list import PageQuery
from appeals.vocabulary import DeliveryState
from appeals.webhooks import delivery as webhook_delivery
from appeals.webhooks import webhook
from appeals.webhooks.webhook import Delivery, DeliveryOutput, SecretOutput, Webhook, WebhookOutput, secrets_cipher

router = new_router("webhooks")


class DeliveryQuery(PageQuery):
    state: Annotated[DeliveryState | None, Field(description="Only deliveries in this state.")] = None


def own_webhook(authorization: AuthorizationContext, _: object) -> Webhook:
    """Find the webhook in the path, if it is the caller's; locked if it will be changed. Raises: NotFound."""
    row_id = as_uuid(authorization.params["id"])
    query = select(Webhook).where(Webhook.id == row_id, Webhook.account_id == authorization.caller.account_id)
    query = query.with_for_update() if authorization.writes else query
    row = authorization.session.scalar(query) if row_id else None
    if row is None:
        raise NotFound
    return row


def own_delivery(authorization: AuthorizationContext, _: object) -> tuple[Webhook, Delivery]:
    """Find the delivery in the path, and its webhook. Raises: NotFound."""
    of, row_id = own_webhook(authorization, _), as_uuid(authorization.params["delivery"])
    delivery = authorization.session.get(Delivery, row_id) if row_id else None
    if delivery is None or delivery.webhook_id != of.id:
        raise NotFound
    return of, delivery


@router.get("/v1/webhooks", response_model=Page[WebhookOutput], responses=AS_TABLE)
def list_webhooks(query: Annotated[PageQuery, Query()], read: Read) -> Response:
    """Your webhooks, without their secrets.

    The answer says of each whether events arrive.
    """
    with read.snapshot() as tx:
        own = select(Webhook).where(Webhook.account_id == tx.caller.account_id)
        rows, after = page_by_id(tx, query, Webhook.id, own)
        return page(tx, WebhookOutput, [WebhookOutput.of(row) for row in rows], after)


@router.post("/v1/webhooks", status_code=201, response_model=SecretOutput)
def create_webhook(
    body: webhook.WebhookInput,
    write: Annotated[WriteRequest, writing(replay_policy=ReplayPolicy.REFUSE)],
) -> Response:
    """Create a webhook: an address of yours that gets an event for each change from now on.

    Send the address. The answer shows once the secret that signatures are checked with.
    """
    with write.transaction() as tx:
        webhook.require_address(body.url, to_loopback=tx.context.webhooks_to_loopback)
        # The lock makes two at once count each other.
        account = select(Account.id).where(Account.id == tx.caller.account_id)
        tx.session.scalar(account.with_for_update(key_share=True))
        starting_point = webhook_delivery.starting_point(tx.session, tx.caller, tx.context.pepper)
        cipher = secrets_cipher(tx.context.pepper)
        row, secret = webhook.new_webhook(tx.session, tx.caller.account_id, body.url, starting_point, tx.now, cipher)
        return tx.respond(_with_secret(row, secret))


def _with_secret(row: Webhook, secret: str) -> SecretOutput:
    return SecretOutput(**WebhookOutput.of(row).model_dump(), secret=secret)


@router.get("/v1/webhooks/{id}", response_model=WebhookOutput)
def get_webhook(id: RecordId, read: Annotated[ReadRequest[Webhook], reading(own_webhook)]) -> Response:
    """One of your webhooks.

    The answer says whether events arrive, and since when they do not.
    """
    with read.snapshot() as tx:
        return tx.respond(WebhookOutput.of(tx.subject))


@router.patch("/v1/webhooks/{id}", response_model=WebhookOutput)
def change_webhook(
    id: RecordId, body: webhook.WebhookChange, write: Annotated[WriteRequest[Webhook], writing(own_webhook)]
) -> Response:
    """Change the address of a webhook, or resume it.

    Only the members that you send change. Set `state` to `active` to resume one that was given up.
    """
    with write.transaction() as tx:
        if body.url is not None:
            webhook.require_address(body.url, to_loopback=tx.context.webhooks_to_loopback)
        webhook.change(tx.session, tx.subject, body, tx.now)
        return tx.respond(WebhookOutput.of(tx.subject))


@router.post("/v1/webhooks/{id}/secret", status_code=201, response_model=SecretOutput)
def rotate_secret(
    id: RecordId,
    body: Nothing,
    write: Annotated[WriteRequest[Webhook], writing(own_webhook, replay_policy=ReplayPolicy.REFUSE)],
) -> Response:
    """Give a webhook a new secret beside the old one.

    Events are signed with both secrets for 24 hours. The answer shows the new secret once.
    """
    with write.transaction() as tx:
        secret = webhook.rotate_secret(tx.subject, tx.now, secrets_cipher(tx.context.pepper))
        return tx.respond(_with_secret(tx.subject, secret))


@router.post("/v1/webhooks/{id}/ending", status_code=201, response_model=WebhookOutput)
def end_webhook(id: RecordId, body: Nothing, write: Annotated[WriteRequest[Webhook], writing(own_webhook)]) -> Response:
    """End a webhook; it gets no more events.

    An ended webhook stays so; create another to go on.
    """
    with write.transaction() as tx:
        webhook.end(tx.session, tx.subject, tx.now)
        return tx.respond(WebhookOutput.of(tx.subject))


@router.get("/v1/webhooks/{id}/deliveries", response_model=Page[DeliveryOutput], responses=AS_TABLE)
def list_deliveries(
    id: RecordId,
    query: Annotated[DeliveryQuery, Query()],
    read: Annotated[ReadRequest[Webhook], reading(own_webhook)],
) -> Response:
    """The events of a webhook whose delivery failed at first.

    The answer says how often each was tried, and what went wrong the last time.
    """
    with read.snapshot() as tx:
        statement = select(Delivery).where(Delivery.webhook_id == tx.subject.id)
        statement = statement.where(Delivery.state == query.state) if query.state else statement
        rows, after = page_by_id(tx, query, Delivery.id, statement)
        return page(tx, DeliveryOutput, webhook_delivery.delivery_outputs(tx.session, tx.caller, rows), after)


@router.post("/v1/webhooks/{id}/deliveries/{delivery}/retry", status_code=201, response_model=DeliveryOutput)
def retry_delivery(
    id: RecordId,
    delivery: DeliveryId,
    body: Nothing,
    write: Annotated[WriteRequest[tuple[Webhook, Delivery]], writing(own_delivery)],
) -> Response:
    """Send a failed event again at once.

    The event is sent again with the same id.
    """
    with write.transaction() as tx:
        own, row = tx.subject
        webhook.retry(own, row, tx.now)
        return tx.respond(webhook_delivery.delivery_outputs(tx.session, tx.caller, [row])[0])
