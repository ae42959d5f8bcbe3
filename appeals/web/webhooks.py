"""Doors of webhooks. They are their account's own: to everybody else there are none."""

from typing import Annotated, Any

from pydantic import Field
from sqlalchemy import select

from appeals import courier, webhook
from appeals.errors import NotFound
from appeals.field import as_uuid
from appeals.network import Account
from appeals.register import PageQuery
from appeals.vocabulary import DeliveryState
from appeals.web.door import Answer, Call, Door, Secret, rendered
from appeals.web.gate import Visit
from appeals.web.network import Nothing
from appeals.web.page import Page, by_id, page
from appeals.webhook import Delivery, DeliveryOutput, SecretOutput, Webhook, WebhookOutput, seal_of_secrets


class DeliveryQuery(PageQuery):
    state: Annotated[DeliveryState | None, Field(description="Only those in this state.")] = None


def own_webhook(visit: Visit, _: Any) -> Webhook:
    """The webhook in the path, if it is the caller's; locked when it is about to be changed. Raises: NotFound."""
    number = as_uuid(visit.params["id"])
    found = select(Webhook).where(Webhook.id == number, Webhook.account_id == visit.caller.account_id)
    found = found.with_for_update() if visit.writes else found
    row = visit.session.scalar(found) if number else None
    if row is None:
        raise NotFound
    return row


def own_delivery(visit: Visit, _: Any) -> tuple[Webhook, Delivery]:
    """The delivery in the path, and its webhook. Raises: NotFound."""
    of, number = own_webhook(visit, _), as_uuid(visit.params["delivery"])
    found = visit.session.get(Delivery, number) if number else None
    if found is None or found.webhook_id != of.id:
        raise NotFound
    return of, found


def list_webhooks(call: Call) -> Answer:
    rows, following = by_id(call, Webhook, select(Webhook).where(Webhook.account_id == call.caller.account_id))
    return page(call, WebhookOutput, [WebhookOutput.of(row) for row in rows], following)


def show_webhook(call: Call) -> Answer:
    return rendered(WebhookOutput.of(call.subject))


def make_webhook(call: Call) -> Answer:
    """Its answer holds a secret."""
    said: webhook.WebhookInput = call.body
    webhook.require_address(said.url, to_loopback=call.desk.webhooks_to_loopback)
    # Two at once would each count the others only.
    call.session.scalar(select(Account.id).where(Account.id == call.caller.account_id).with_for_update(key_share=True))
    begins = courier.beginning(call.session, call.caller, call.desk.pepper)
    seal = seal_of_secrets(call.desk.pepper)
    made, secret = webhook.new_webhook(call.session, call.caller.account_id, said.url, begins, call.now, seal)
    return _with_secret(made, secret)


def replace_secret(call: Call) -> Answer:
    """Its answer holds a secret."""
    secret = webhook.replace_secret(call.subject, call.now, seal_of_secrets(call.desk.pepper))
    return _with_secret(call.subject, secret)


def _with_secret(made: Webhook, secret: str) -> Answer:
    return rendered(SecretOutput(**WebhookOutput.of(made).model_dump(), secret=secret), 201)


def change_webhook(call: Call) -> Answer:
    said: webhook.WebhookChange = call.body
    if said.url is not None:
        webhook.require_address(said.url, to_loopback=call.desk.webhooks_to_loopback)
    webhook.change(call.session, call.subject, said, call.now)
    return rendered(WebhookOutput.of(call.subject))


def end_webhook(call: Call) -> Answer:
    webhook.end(call.session, call.subject, call.now)
    return rendered(WebhookOutput.of(call.subject), 201)


def list_deliveries(call: Call) -> Answer:
    asked: DeliveryQuery = call.query
    query = select(Delivery).where(Delivery.webhook_id == call.subject.id)
    query = query.where(Delivery.state == asked.state) if asked.state else query
    rows, following = by_id(call, Delivery, query)
    return page(call, DeliveryOutput, courier.delivery_outputs(call.session, call.caller, rows), following)


def retry_delivery(call: Call) -> Answer:
    of, delivery = call.subject
    webhook.retry(of, delivery, call.now)
    return rendered(courier.delivery_outputs(call.session, call.caller, [delivery])[0], 201)


def doors() -> list[Door]:
    """The doors of webhooks."""
    one: dict[str, Any] = {"finds": own_webhook, "tag": "webhooks"}
    return [
        Door(
            "GET", "/v1/webhooks", "list_webhooks", "Your webhooks, without their secrets.", list_webhooks,
            Page[WebhookOutput], query=PageQuery, as_table=True, tag="webhooks",
        ),
        Door(
            "POST", "/v1/webhooks", "make_webhook", "Be told of what changes from now on, at an address of yours.",
            make_webhook, SecretOutput, 201, webhook.WebhookInput, secret=Secret.REFUSE, tag="webhooks",
        ),
        Door("GET", "/v1/webhooks/{id}", "show_webhook", "One of them.", show_webhook, WebhookOutput, **one),
        Door(
            "PATCH", "/v1/webhooks/{id}", "change_webhook", "Move it to another address, or take it up again.",
            change_webhook, WebhookOutput, takes=webhook.WebhookChange, **one,
        ),
        Door(
            "POST", "/v1/webhooks/{id}/secret", "replace_secret", "Give it a new secret beside the old one.",
            replace_secret, SecretOutput, 201, Nothing, secret=Secret.REFUSE, **one,
        ),
        Door(
            "POST", "/v1/webhooks/{id}/ending", "end_webhook", "End it: nothing is sent to it any more.", end_webhook,
            WebhookOutput, 201, Nothing, **one,
        ),
        Door(
            "GET", "/v1/webhooks/{id}/deliveries", "list_deliveries", "The events whose delivery failed at first.",
            list_deliveries, Page[DeliveryOutput], query=DeliveryQuery, as_table=True, **one,
        ),
        Door(
            "POST", "/v1/webhooks/{id}/deliveries/{delivery}/retry", "retry_delivery", "Have one tried at once.",
            retry_delivery, DeliveryOutput, 201, Nothing, finds=own_delivery, tag="webhooks",
        ),
    ]  # fmt: skip
