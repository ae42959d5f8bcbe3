"""Operations of webhooks. They are their account's own: to everybody else there are none."""

from typing import Annotated, Any

from pydantic import Field
from sqlalchemy import select

from appeals.accounts.account import Account
from appeals.api.authorization import AuthorizationContext
from appeals.api.pagination import Page, page, page_by_id
from appeals.api.routes.accounts import Nothing
from appeals.api.routing import Operation, ReplayPolicy, RequestContext, Result, json_response
from appeals.errors import NotFound
from appeals.fields import as_uuid
from appeals.read_models.case_list import PageQuery
from appeals.vocabulary import DeliveryState
from appeals.webhooks import delivery as webhook_delivery
from appeals.webhooks import webhook
from appeals.webhooks.webhook import Delivery, DeliveryOutput, SecretOutput, Webhook, WebhookOutput, secrets_cipher


class DeliveryQuery(PageQuery):
    state: Annotated[DeliveryState | None, Field(description="Only those in this state.")] = None


def own_webhook(authorization: AuthorizationContext, _: Any) -> Webhook:
    """The webhook in the path, if it is the caller's; locked when it is about to be changed. Raises: NotFound."""
    row_id = as_uuid(authorization.params["id"])
    query = select(Webhook).where(Webhook.id == row_id, Webhook.account_id == authorization.caller.account_id)
    query = query.with_for_update() if authorization.writes else query
    row = authorization.session.scalar(query) if row_id else None
    if row is None:
        raise NotFound
    return row


def own_delivery(authorization: AuthorizationContext, _: Any) -> tuple[Webhook, Delivery]:
    """The delivery in the path, and its webhook. Raises: NotFound."""
    of, row_id = own_webhook(authorization, _), as_uuid(authorization.params["delivery"])
    delivery = authorization.session.get(Delivery, row_id) if row_id else None
    if delivery is None or delivery.webhook_id != of.id:
        raise NotFound
    return of, delivery


def list_webhooks(call: RequestContext) -> Result:
    rows, following = page_by_id(call, Webhook, select(Webhook).where(Webhook.account_id == call.caller.account_id))
    return page(call, WebhookOutput, [WebhookOutput.of(row) for row in rows], following)


def get_webhook(call: RequestContext) -> Result:
    return json_response(WebhookOutput.of(call.subject))


def create_webhook(call: RequestContext) -> Result:
    """Its answer holds a secret."""
    data: webhook.WebhookInput = call.body
    webhook.require_address(data.url, to_loopback=call.context.webhooks_to_loopback)
    # Two at once would each count the others only.
    call.session.scalar(select(Account.id).where(Account.id == call.caller.account_id).with_for_update(key_share=True))
    starting_point = webhook_delivery.starting_point(call.session, call.caller, call.context.pepper)
    cipher = secrets_cipher(call.context.pepper)
    made, secret = webhook.new_webhook(call.session, call.caller.account_id, data.url, starting_point, call.now, cipher)
    return _with_secret(made, secret)


def rotate_secret(call: RequestContext) -> Result:
    """Its answer holds a secret."""
    secret = webhook.rotate_secret(call.subject, call.now, secrets_cipher(call.context.pepper))
    return _with_secret(call.subject, secret)


def _with_secret(webhook: Webhook, secret: str) -> Result:
    return json_response(SecretOutput(**WebhookOutput.of(webhook).model_dump(), secret=secret), 201)


def change_webhook(call: RequestContext) -> Result:
    data: webhook.WebhookChange = call.body
    if data.url is not None:
        webhook.require_address(data.url, to_loopback=call.context.webhooks_to_loopback)
    webhook.change(call.session, call.subject, data, call.now)
    return json_response(WebhookOutput.of(call.subject))


def end_webhook(call: RequestContext) -> Result:
    webhook.end(call.session, call.subject, call.now)
    return json_response(WebhookOutput.of(call.subject), 201)


def list_deliveries(call: RequestContext) -> Result:
    params: DeliveryQuery = call.query
    query = select(Delivery).where(Delivery.webhook_id == call.subject.id)
    query = query.where(Delivery.state == params.state) if params.state else query
    rows, following = page_by_id(call, Delivery, query)
    return page(call, DeliveryOutput, webhook_delivery.delivery_outputs(call.session, call.caller, rows), following)


def retry_delivery(call: RequestContext) -> Result:
    of, delivery = call.subject
    webhook.retry(of, delivery, call.now)
    return json_response(webhook_delivery.delivery_outputs(call.session, call.caller, [delivery])[0], 201)


def operations() -> list[Operation]:
    """The operations of webhooks."""
    one: dict[str, Any] = {"subject": own_webhook, "tag": "webhooks"}
    return [
        Operation(
            "GET", "/v1/webhooks", "list_webhooks", "Your webhooks, without their secrets.", list_webhooks,
            Page[WebhookOutput], query_model=PageQuery, as_table=True, tag="webhooks",
        ),
        Operation(
            "POST", "/v1/webhooks", "create_webhook", "Be told of what changes from now on, at an address of yours.",
            create_webhook, SecretOutput, 201, webhook.WebhookInput, replay_policy=ReplayPolicy.REFUSE, tag="webhooks",
        ),
        Operation("GET", "/v1/webhooks/{id}", "get_webhook", "One of them.", get_webhook, WebhookOutput, **one),
        Operation(
            "PATCH", "/v1/webhooks/{id}", "change_webhook", "Move it to another address, or take it up again.",
            change_webhook, WebhookOutput, body_model=webhook.WebhookChange, **one,
        ),
        Operation(
            "POST", "/v1/webhooks/{id}/secret", "rotate_secret", "Give it a new secret beside the old one.",
            rotate_secret, SecretOutput, 201, Nothing, replay_policy=ReplayPolicy.REFUSE, **one,
        ),
        Operation(
            "POST", "/v1/webhooks/{id}/ending", "end_webhook", "End it: nothing is sent to it any more.", end_webhook,
            WebhookOutput, 201, Nothing, **one,
        ),
        Operation(
            "GET", "/v1/webhooks/{id}/deliveries", "list_deliveries", "The events whose delivery failed at first.",
            list_deliveries, Page[DeliveryOutput], query_model=DeliveryQuery, as_table=True, **one,
        ),
        Operation(
            "POST", "/v1/webhooks/{id}/deliveries/{delivery}/retry", "retry_delivery", "Have one tried at once.",
            retry_delivery, DeliveryOutput, 201, Nothing, subject=own_delivery, tag="webhooks",
        ),
    ]  # fmt: skip
