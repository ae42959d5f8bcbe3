"""The table of domain.md 3, typed again, and those parts of the code lists that decide something."""

from tests.support.cast import PARTIES, day

INTAKE = ("received", "screening", "info_requested")
LADDER = (*INTAKE, "accepted", "engagement", "public_campaign", "remediation", "monitoring")
OPEN = {*LADDER, "suspended"}
ENDED = {"declined", "referred", "closed"}
BOTH, DECIDES = {"caseworker", "coordinator"}, {"coordinator"}
SAME, BACK = None, "back"
TABLE: dict[str, tuple[set[str], str | None, set[str]]] = {
    "acknowledgement": (OPEN, SAME, BOTH),
    "screening": ({"received"}, "screening", DECIDES),
    "information-request": ({"screening"}, "info_requested", BOTH),
    "information": ({"info_requested"}, "screening", {"partner", "caseworker"}),
    "verification": (OPEN, SAME, BOTH),
    "acceptance": ({"screening"}, "accepted", DECIDES),
    "decline": (set(INTAKE), "declined", DECIDES),
    "referral": ({"screening", "info_requested", "accepted"}, "referred", DECIDES),
    "engagement": ({"accepted"}, "engagement", BOTH),
    "escalation": ({"accepted", "engagement", "remediation", "monitoring"}, "public_campaign", DECIDES),
    "de-escalation": ({"public_campaign"}, "engagement", DECIDES),
    "agreement": ({"engagement", "public_campaign"}, "remediation", BOTH),
    "breach": ({"remediation", "monitoring"}, "engagement", BOTH),
    "monitoring": ({"engagement", "public_campaign", "remediation"}, "monitoring", DECIDES),
    "suspension": (set(LADDER), "suspended", BOTH),
    "resumption": ({"suspended"}, BACK, DECIDES),
    "withdrawal": (OPEN, "closed", DECIDES),
    "closure": ({*LADDER[3:], "suspended"}, "closed", DECIDES),
    "reopening": (ENDED, "screening", DECIDES),
    "merger": (OPEN, "closed", DECIDES),
    "handover": (OPEN, SAME, DECIDES),
    "handover-acceptance": (OPEN, SAME, DECIDES),
}
SOFT = {"risk.stale", "supply_link.weak", "quiet_action.missing", "review.pending"}
ROLES = {"coordinator": {"coordinator"}, "caseworker": {"caseworker"}, "double": {"coordinator", "reviewer"}}


# Parts of the code lists that decide something

LEVELS = ("anonymised", "named", "person")
PUBLISHING = tuple(f"publish_{level}" for level in LEVELS)
YES, NO = {"given", "given_with_conditions"}, {"refused", "withdrawn"}
PUBLIC_WHILE_PAUSED = {"negotiation_pause", "awaiting_proceeding", "contact_lost"}
CALLED_OFF = {"withdrawn_by_workers", "withdrawn_by_requester", "merged", "unsafe_to_continue"}
UNTRUE = {"unlikely", "refuted"}
TRUE_ENOUGH = {"confirmed", "likely", "possible"}
STRONG = {"evidenced", "confirmed_by_company", "disclosed_list"}
INADEQUATE = {"partial", "denies_link", "denies_violation", "blames_other", "deflects_to_body", "hostile_legal_threat"}
INADEQUATE |= {"no_response"}
INADEQUATE_LATER = {"investigating", "holding_reply"}
AT_ONCE = {"imminent_danger", "workers_request", "already_public"}
WITHOUT_RESULT = {"no_result", "unsafe_to_continue", "contact_lost", "taken_over_by_other"}
SETTLED = {"verified_done", "waived_by_workers", "superseded"}
PROMISED = {"promised", "in_progress", "reported_done"}
CONTACT = {"#factory": "contact_factory", "#brand": "contact_brand", "#ministry": "contact_government"}
NAMES = {party["label"]: (party.get("organisation") or party["facility"])["name"] for party in PARTIES}


def ahead(days: int) -> str:
    """The day so many days from now."""
    return day(-days)
