"""What benchmarks send: a request for help with its records, and the steps that bring it to engagement."""

from datetime import UTC, datetime, timedelta
from typing import Any

Body = dict[str, Any]


def day(ago: int = 0) -> str:
    """The day so many days ago."""
    return (datetime.now(UTC).date() - timedelta(days=ago)).isoformat()


def organisation(name: str, kind: str = "union_factory", country: str = "BD") -> Body:
    """An organisation named in full."""
    return {"name": name, "kind": kind, "country": country}


def consent(scope: str, subject: str = "workers", **more: Any) -> Body:
    """A consent given thirty days ago by union decision."""
    given = {"state": "given", "given_on": day(30), "method": "union_decision", "language": "bn"}
    return {"subject": subject, "scope": scope, **given, **more}


PARTIES: list[Body] = [
    {"label": "factory", "role": "employer", "facility": {"name": "Bright Stitch Ltd", "country": "BD"}},
    {
        "label": "brand",
        "role": "brand",
        "organisation": organisation("Sample Brand", "company", "SE"),
        "link_kind": "direct_supplier",
        "link_strength": "evidenced",
        "link_evidence": "Labels photographed on the line.",
    },
    {"label": "ministry", "role": "government_body", "organisation": organisation("Ministry of Labour", "authority")},
    {"label": "union", "role": "workers_union", "organisation": organisation("Bright Stitch Workers Union")},
]


def intake(**changed: Any) -> Body:
    """A request of thirty days ago, with four parties, seven consents and a risk assessment."""
    scopes = ("take_up", "contact_brand", "contact_factory", "contact_government")
    consents = [
        *(consent(scope) for scope in scopes),
        consent("share_external", recipients=["Legal Aid Fund"]),
        consent("publish_named"),
        consent("publish_named", "local_partner"),
    ]
    risks = [{"level": "elevated", "assessed_on": day(5)}]
    return {
        "requesting_organisation": organisation("Bright Stitch Workers Union"),
        "channel": "email",
        "received_on": day(30),
        "country": "BD",
        "narrative": "Eleven officers of the union were dismissed a week after it was registered.",
        "narrative_language": "en",
        "violations": [{"label": "dismissal", "code": "antiunion_dismissal"}],
        "affected": {"low": 11, "high": 12},
        "help_asked": "Write to the buyers.",
        "danger": False,
        "records": {"parties": PARTIES, "consents": consents, "risk_assessments": risks},
        **changed,
    }


def steps_to_engagement() -> dict[str, Body]:
    """The steps that bring a case from received to engagement, with their input."""
    demand = {"label": "reinstate", "kind": "reinstate", "text": "Reinstate all.", "addressees": ["#factory", "#brand"]}
    letter = {"kind": "brand_contact_letter", "target": "#brand", "done_on": day(20), "answer_due_on": day(10)}
    return {
        "screening": {"lead_entity": "South Asia", "assignee": "coordinator"},
        "verification": {
            "verifying_organisation": organisation("Legal Aid Fund", "ngo"),
            "method": "interviews",
            "grades": [{"violation": "#dismissal", "grade": "confirmed"}],
            "reliability": "high",
        },
        "acceptance": {"rationale": "The workers ask for it and two buyers can be reached.", "demands": [demand]},
        "engagement": {"first_action": letter},
    }
