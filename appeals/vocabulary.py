"""The code lists: every code with its one-line definition and, where one is named, ILO conventions.

A code is its own string: `ViolationCode.LOCKOUT == "lockout"`. Codes are stored, sent and never renamed.
The order of members is the order in which people meet them, and means more only where the docstring says
so. Even there `<` compares the spelling, as for any string.
"""

from enum import StrEnum
from typing import Self


class Code(StrEnum):
    """A code with its one-line definition and, where one is named, ILO conventions."""

    definition: str
    conventions: tuple[str, ...]

    # Every code has a definition; the empty default only lets mypy accept looking one up, `Role("partner")`.
    def __new__(cls, code: str, definition: str = "", *conventions: str) -> Self:
        member = str.__new__(cls, code)
        member._value_ = code
        member.definition = definition
        member.conventions = conventions
        return member


# --- The case and its steps ---


class Status(Code):
    """Where a case stands (domain: States)."""

    RECEIVED = "received", "Request logged; nothing decided"
    SCREENING = (
        "screening",
        "A lead entity checks: do the workers want it, is it true enough, is there leverage",
    )
    INFO_REQUESTED = "info_requested", "Waiting for the requester or partner, with a due date"
    ACCEPTED = "accepted", "Taken up; demands and strategy agreed with the workers; no outreach yet"
    ENGAGEMENT = "engagement", "Behind-the-scenes pressure on brands, factory, government"
    PUBLIC_CAMPAIGN = "public_campaign", "Public pressure, with consent"
    REMEDIATION = "remediation", "Dated commitments were made and are being carried out"
    MONITORING = "monitoring", "Demands disposed of; checking that remedy holds and nobody is punished"
    SUSPENDED = "suspended", "Paused: safety, workers' wish, consent withdrawn, contact lost"
    DECLINED = "declined", "Not taken up; the requester is told why"
    REFERRED = "referred", "Handed to another body"
    CLOSED = "closed", "Finished, with a reason and a disposition for every demand"


class StatusGroup(Code):
    """The five groups of states (domain: States)."""

    INTAKE = "intake", "Not yet decided whether the network takes it up"
    ACTIVE = "active", "Taken up and being worked on"
    REMEDY = "remedy", "Commitments are being carried out or watched"
    PAUSED = "paused", "Work has stopped for now"
    ENDED = "ended", "No more work, unless it is reopened"


GROUP: dict[Status, StatusGroup] = {
    Status.RECEIVED: StatusGroup.INTAKE,
    Status.SCREENING: StatusGroup.INTAKE,
    Status.INFO_REQUESTED: StatusGroup.INTAKE,
    Status.ACCEPTED: StatusGroup.ACTIVE,
    Status.ENGAGEMENT: StatusGroup.ACTIVE,
    Status.PUBLIC_CAMPAIGN: StatusGroup.ACTIVE,
    Status.REMEDIATION: StatusGroup.REMEDY,
    Status.MONITORING: StatusGroup.REMEDY,
    Status.SUSPENDED: StatusGroup.PAUSED,
    Status.DECLINED: StatusGroup.ENDED,
    Status.REFERRED: StatusGroup.ENDED,
    Status.CLOSED: StatusGroup.ENDED,
}


class Role(Code):
    """What an account may do, within an entity and the entities below it (domain: Roles)."""

    PARTNER = "partner", "Logs and supplies information on its own requests"
    CASEWORKER = "caseworker", "Works on cases: contacts, actions, responses, records"
    COORDINATOR = "coordinator", "Decides on cases: takes up, escalates, closes, hands over"
    REVIEWER = "reviewer", "Second pair of eyes: gives the second signature"
    READER = "reader", "Pulls the status view of a region's cases"
    DASHBOARD = "dashboard", "Reads aggregates only"
    AUDITOR = "auditor", "Reads logs and proofs, no case content"
    ADMIN = "admin", "Manages accounts and settings, no case content"


class Precision(Code):
    """How exact a reported date is."""

    EXACT = "exact", "The day is known"
    DAY_UNKNOWN = "day_unknown", "Only month and year are known"
    MONTH_UNKNOWN = "month_unknown", "Only the year is known"
    ESTIMATE = "estimate", "A best guess"


class IntakeChannel(Code):
    """How the request reached the network, or how its receipt was acknowledged."""

    EMAIL = "email", "E-mail"
    PHONE = "phone", "Telephone or voice call"
    MESSENGER = "messenger", "A messaging service"
    MEETING = "meeting", "A meeting in person or by video"
    WEB_FORM = "web_form", "A form on a web page"
    LETTER = "letter", "A letter on paper"
    PARTNER_VISIT = "partner_visit", "A partner's visit to the workers"
    PUBLISHED_SOURCE = "published_source", "A published report; nobody asked the network directly"
    OTHER = "other", "Another way"


class Visibility(Code):
    """Who inside the network may see a case; member order is the order, strictest first."""

    SEALED = "sealed", "The case's named team only"
    RESTRICTED = "restricted", "The lead entity, and the coordinators of the International Office"
    REGIONAL = (
        "regional",
        "The lead's regional coalition and every entity below it; without one, the lead and all below",
    )
    NETWORK = "network", "Every member of the network"


class View(Code):
    """What an account gets of a case that it sees, from least to most (domain: visibility)."""

    STATUS = "status", "Codes, dates, counts, demands, kinds of actions, grades of answers"
    WORK = "work", "All but the sealed fields"


class SealedField(Code):
    """The sealed fields of a case, shown only by openings (domain: sealed)."""

    NARRATIVE = "narrative", "What happened, in the words of those who asked for help"
    SAFE_CONTACT_RULE = "safe_contact_rule", "How the requester may safely be reached"
    PROCEEDING_NUMBERS = "proceeding_numbers", "The numbers of its proceedings, by the id of each"
    PEOPLE = "people", "Name, contacts and safe-contact rule of the people on record, by the id of each"


class TeamStatus(Code):
    """The state of a member of the team of a case."""

    PROPOSED = "proposed", "Proposed by a coordinator with break-glass access; a second one confirms it"
    ON = "on", "Named on the team"
    LEFT = "left", "Was named, and is no longer"


class PublicationLevel(Code):
    """What outsiders may see; member order is the order, narrowest first."""

    NONE = "none", "Nothing is published"
    ANONYMISED = "anonymised", "Country and kinds only; no factory, brand or person"
    NAMED = "named", "Factory and brands are named, no person"
    PERSON = "person", "A person is named, with that person's own consent"


class RiskLevel(Code):
    """Danger to the people involved; member order is the order, lowest first."""

    LOW = "low", "No sign of danger beyond what any complaint carries"
    ELEVATED = "elevated", "Retaliation is possible; care with names and contacts"
    HIGH = "high", "Retaliation, violence or arrest is likely; mitigation must be in place"
    CRITICAL = "critical", "Life or liberty is in immediate danger"


class Priority(Code):
    """How soon the first action is due; member order is the order, most pressing first."""

    URGENT = "urgent", "First action within 24 hours"
    HIGH = "high", "First action within 3 days"
    NORMAL = "normal", "First action within 14 days"
    LOW = "low", "First action when capacity allows"


class DeclineReason(Code):
    """Why a request was not taken up (domain: Decline)."""

    WORKERS_DO_NOT_WANT = "workers_do_not_want", "The workers do not want international support"
    NO_CONSENT = "no_consent", "The workers' consent could not be obtained"
    UNVERIFIABLE = "unverifiable", "The facts could not be checked by any safe means"
    OUT_OF_SECTOR = "out_of_sector", "The work is outside the sectors the network covers"
    NO_LEVERAGE = "no_leverage", "No brand or other target that the network could move"
    HANDLED_BY_OTHER = "handled_by_other", "Another organisation already handles it"
    DUPLICATE = "duplicate", "The same request is already a case"
    TOO_RISKY_FOR_WORKERS = "too_risky_for_workers", "Taking it up would put the workers in more danger"
    INSUFFICIENT_INFORMATION = "insufficient_information", "Too little is known, also after asking"
    NO_CAPACITY = "no_capacity", "The network lacks people or means to take it up"
    REJECTED_AS_UNTRUE = "rejected_as_untrue", "Checking showed that it did not happen as alleged"


class CloseReason(Code):
    """Why a case was closed (domain: Close)."""

    DEMANDS_MET = "demands_met", "Every active demand is met"
    SETTLED_PARTIAL = "settled_partial", "Part of the demands is met and the workers accept it"
    NO_RESULT = "no_result", "The demands were not met and nothing more can be done"
    WITHDRAWN_BY_WORKERS = "withdrawn_by_workers", "The workers asked the network to stop"
    WITHDRAWN_BY_REQUESTER = "withdrawn_by_requester", "The requesting organisation took its request back"
    UNSAFE_TO_CONTINUE = "unsafe_to_continue", "Going on would endanger workers or partners"
    CONTACT_LOST = "contact_lost", "Workers and partner can no longer be reached"
    TAKEN_OVER_BY_OTHER = "taken_over_by_other", "Another organisation carries it on"
    MERGED = "merged", "It goes on in another case"
    OVERTAKEN_BY_EVENTS = "overtaken_by_events", "What happened since leaves the demands without object"


class SuspendReason(Code):
    """Why a case is paused (domain: Suspend)."""

    WORKERS_REQUEST = "workers_request", "The workers asked for a pause"
    NEGOTIATION_PAUSE = "negotiation_pause", "Talks are under way and pressure rests meanwhile"
    SAFETY = "safety", "Going on now would endanger someone"
    CONSENT_WITHDRAWN = "consent_withdrawn", "A consent that the work relies on was withdrawn"
    AWAITING_PROCEEDING = "awaiting_proceeding", "A court or complaint body must decide first"
    CONTACT_LOST = "contact_lost", "Workers and partner cannot be reached at present"
    VERIFICATION_DOUBT = "verification_doubt", "New doubts about the facts must be cleared first"


class EscalationReason(Code):
    """Why a case goes public."""

    QUIET_WORK_EXHAUSTED = "quiet_work_exhausted", "Quiet contact brought no answer or an inadequate one"
    IMMINENT_DANGER = "imminent_danger", "Someone's life, liberty or safety is at stake now"
    WORKERS_REQUEST = "workers_request", "The workers ask for publicity at once"
    ALREADY_PUBLIC = "already_public", "The facts are already public through others"


class ReopenReason(Code):
    """Why an ended case is taken up again."""

    BREACH = "breach", "A commitment was broken after the case ended"
    RETALIATION = "retaliation", "Workers were punished for the case or its result"
    NEW_VIOLATION = "new_violation", "Workers' rights were violated again"
    NEW_INFORMATION = "new_information", "Facts came to light that change the decision"
    ERROR = "error", "The case was ended by mistake"


class WithdrawnBy(Code):
    """Who took the request back."""

    WORKERS = "workers", "The workers concerned"
    REQUESTER = "requester", "The organisation that asked for help"


class RequesterView(Code):
    """What the requester thinks of closing the case."""

    AGREES = "agrees", "The requester agrees"
    DISAGREES = "disagrees", "The requester disagrees"
    UNREACHABLE_AFTER_THREE_TRIES = "unreachable_after_three_tries", "No answer after three tries"


class LinkKind(Code):
    """How this case relates to another (domain: Case link)."""

    SAME_EMPLOYER = "same_employer", "Both concern the same employer"
    SAME_EVENT = "same_event", "Both arise from the same event, such as one wave of arrests"
    PRECEDES = "precedes", "This case came before the other"
    FOLLOWS = "follows", "This case came after the other"
    PART_OF = "part_of", "This case is a part of the other"
    DUPLICATE_OF = "duplicate_of", "This case reports the same as the other"


# --- Who: entities, accounts, organisations, workplaces, parties ---


class EntityKind(Code):
    """The parts of the network."""

    INTERNATIONAL_OFFICE = "international_office", "The network's central office, root of the tree"
    REGIONAL_COALITION = "regional_coalition", "The network's organisations of one region"
    SUBGROUP = "subgroup", "A group within a regional coalition"
    WORKING_GROUP = "working_group", "A Working International Group on one subject"
    NATIONAL_COALITION = "national_coalition", "The network's organisations of one country"
    MEMBER = "member", "One organisation of the network"


class AccountKind(Code):
    """Who holds an account."""

    PERSON = "person", "A human being"
    MACHINE = "machine", "A program, such as a dashboard or another service"


class Logged(Code):
    """The kinds of access that the access log records."""

    VIEW = "view", "The work view of a case, or of its records, was read"
    OPENING = "opening", "Sealed fields were opened"
    EXPORT = "export", "A list was read as CSV or NDJSON"
    DENIAL = "denial", "A request was refused: no live key, or not allowed to see or to do this"
    KEY = "key", "A key or a webhook was created, changed or ended, or a key used for the first time on a day"
    ROLE = "role", "A role was granted or ended"
    PUBLICATION = "publication", "Something was published or taken down"
    BREAK_GLASS = "break_glass", "Somebody used break-glass access to a sealed case, with a reason"


class AlertKind(Code):
    """The kinds of alert."""

    GLASS_BROKEN = "glass_broken", "Somebody used break-glass access to a case on whose team you were"
    GRANT_CONFIRMED = "grant_confirmed", "A role was granted: one person proposed it, another confirmed it"
    GRANT_BY_ONE = "grant_by_one", "A role that sees no case was granted by one admin"
    GRANT_BY_COMMAND = "grant_by_command", "A role was granted by the command on the machine, without confirmation"
    NEW_ADMIN = "new_admin", "Somebody became an admin, in any way"
    CODE_USED = "code_used", "An enrolment code was used: its account has a key"


class WebhookState(Code):
    """Whether a webhook gets events."""

    ACTIVE = "active", "It gets an event for every change that its account may read"
    PAUSED = "paused", "Its account holds no role on cases; it starts again once it does"
    FAILING = "failing", "No delivery succeeded for three days; its account may activate it again"
    GONE = "gone", "Its receiver answered 410; its account may activate it again"
    ENDED = "ended", "Its account ended it, or was disabled; it never gets events again"


class DeliveryState(Code):
    """What became of an event whose first delivery failed."""

    WAITING = "waiting", "It will be retried"
    DELIVERED = "delivered", "The receiver accepted it"
    DEAD = "dead", "Its last retry failed; the owner of the webhook may retry it"
    DROPPED = "dropped", "It is no longer sent: the account may no longer see the case, or its roles changed"


class DeliveryFault(Code):
    """Why a delivery failed."""

    ANSWERED = "answered", "The receiver answered with another status than 2xx; redirects are not followed"
    UNREACHABLE = "unreachable", "Its name is unknown, it could not be reached, or its certificate is not valid"
    LATE = "late", "It did not answer within ten seconds"
    ADDRESS = "address", "Its name resolves to an address that is not on the public internet"


class Scope(Code):
    """What a key may be used for, within the roles of its account."""

    READ = "read", "Read what the account may see, but nothing sealed"
    WRITE = "write", "Log appeals, take steps, record, change cases"
    OPEN = "open", "Open sealed fields, use break-glass access"
    MANAGE = "manage", "Manage entities, accounts, memberships, keys and webhooks"


class KeyOrigin(Code):
    """How a key came to be."""

    FIRST_START = "first_start", "Printed when the network was created, so a log of the service may contain it"
    COMMAND = "command", "Created by the command on the machine"
    HOLDER = "holder", "Created by its holder with another key, or as its replacement"
    ENROLMENT = "enrolment", "Created by its holder with a code of which two people knew half each"
    ENROLMENT_BY_ONE = (
        "enrolment_by_one",
        "Created with a code that one person knew whole; revoked once it would open a case",
    )


class MembershipState(Code):
    """The state of a role of an account."""

    PROPOSED = "proposed", "Proposed by an admin; nothing is held until another person confirms it"
    HELD = "held", "In effect"
    ENDED = "ended", "Ended, or never confirmed: refused, withdrawn or lapsed"


class DisablingReason(Code):
    """Why an account was disabled."""

    LEFT = "left", "Its holder has left, or the machine no longer exists"
    COMPROMISED = "compromised", "Somebody else may hold its keys"
    UNUSED = "unused", "Nobody uses it"
    DUPLICATE = "duplicate", "Its holder has another account"
    MISTAKE = "mistake", "It should not have been created"


class OrganisationKind(Code):
    """What sort of organisation it is."""

    UNION_FACTORY = "union_factory", "A trade union at one workplace"
    UNION_FEDERATION = "union_federation", "A federation or confederation of trade unions"
    WORKER_CENTRE = "worker_centre", "A centre that advises and organises workers outside a union"
    NGO = "ngo", "A non-governmental organisation"
    CCC_MEMBER = "ccc_member", "An organisation of the Clean Clothes Campaign network"
    COMPANY = "company", "A business: factory owner, brand, retailer, agent, auditor or lender"
    AUTHORITY = "authority", "A government, court, police force or other public authority"
    CSR_BODY = "csr_body", "A multi-stakeholder or industry body for social responsibility"


class FacilityStatus(Code):
    """What became of the workplace."""

    OPERATING = "operating", "Work goes on there"
    CLOSED = "closed", "Work there has ended"
    RELOCATED = "relocated", "Production was moved elsewhere"
    UNKNOWN = "unknown", "Not known"


class PartyRole(Code):
    """What an organisation or workplace is to the case."""

    REQUESTER = "requester", "Asked the network for help"
    LOCAL_PARTNER = "local_partner", "Works with the workers on the spot and speaks with the network"
    WORKERS_UNION = "workers_union", "The union of the workers concerned"
    EMPLOYER = "employer", "Employs the workers concerned"
    FACTORY_OWNER = "factory_owner", "Owns or controls the employer"
    BRAND = "brand", "Its goods are, or are said to be, made there"
    RETAILER = "retailer", "Sells goods made there"
    AGENT = "agent", "Places or handles orders between brand and factory"
    LICENSOR = "licensor", "Its name or trademark is on the goods under licence"
    AUDITOR = "auditor", "Inspected or certified the workplace"
    GOVERNMENT_BODY = "government_body", "A public authority with a duty or a part in the matter"
    SECURITY_FORCE = "security_force", "Police, army or guards whose conduct is at issue"
    INVESTOR = "investor", "Owns a share in, or lends to, a company of the case"
    EMPLOYERS_ASSOCIATION = "employers_association", "The association that the employer belongs to or obeys"
    YELLOW_UNION = "yellow_union", "A union set up, favoured or controlled by the employer"


class SupplyLinkKind(Code):
    """How a brand or retailer is tied to the workplace."""

    OWN_FACTORY = "own_factory", "The company or its group owns the workplace"
    DIRECT_SUPPLIER = "direct_supplier", "The company orders from the workplace or its owner"
    SUBCONTRACTOR = "subcontractor", "The workplace makes goods for a supplier of the company"
    LICENSEE = "licensee", "A licensee has the company's branded goods made there"
    AGENT_SOURCED = "agent_sourced", "An agent or importer places the company's orders"
    MATERIAL_SUPPLIER = "material_supplier", "The workplace makes fabric, leather or parts for the goods"
    FORMER_SUPPLIER = "former_supplier", "The company ordered there in the past"
    UNKNOWN = "unknown", "The kind of link is not known"


class SupplyStrength(Code):
    """How well a supply link is established."""

    CLAIMED = "claimed", "Somebody says so; no evidence yet"
    EVIDENCED = "evidenced", "Labels, orders, shipping records or photographs show it"
    CONFIRMED_BY_COMPANY = "confirmed_by_company", "The company confirmed it"
    DISCLOSED_LIST = "disclosed_list", "The workplace is on the company's published supplier list"
    DISPUTED = "disputed", "The company denies it"
    DISPROVED = "disproved", "Shown to be wrong"


class TargetKind(Code):
    """Whom pressure is put on (domain: Target)."""

    EMPLOYER = "employer", "The company that employs the workers"
    FACTORY_OWNER_GROUP = "factory_owner_group", "The owner or group behind the employer"
    BRAND = "brand", "A company whose branded goods are made there"
    RETAILER = "retailer", "A company that sells goods made there"
    BUYING_AGENT = "buying_agent", "An agent or importer who places the orders"
    LICENSOR = "licensor", "The holder of a name or trademark used under licence"
    GOVERNMENT_LABOUR = "government_labour", "Labour ministry or inspectorate of the producing country"
    GOVERNMENT_POLICE_JUSTICE = "government_police_justice", "Police, prosecution or ministry of justice"
    GOVERNMENT_HOME_BRAND = "government_home_brand", "The government of the brand's home country"
    EMPLOYERS_ASSOCIATION = "employers_association", "An association of employers or manufacturers"
    AUDITOR_CERTIFIER = "auditor_certifier", "A firm that audited or certified the workplace"
    MSI = "msi", "A multi-stakeholder initiative that the company belongs to"
    INVESTOR_LENDER = "investor_lender", "An investor, bank or development lender"
    INTERGOVERNMENTAL = "intergovernmental", "A body of the UN, ILO, OECD, EU or the like"
    SECURITY_COMPANY = "security_company", "A private company that supplies guards"


# --- What happened: violations, counts, proceedings, evidence ---


class ViolationCode(Code):
    """What was done to the workers (domain: Violation)."""

    FOA_DENIED = "foa_denied", "Workers are kept from forming or joining a union of their choice", "C087"
    UNION_NOT_RECOGNISED = "union_not_recognised", "Registration or recognition is refused", "C087", "C098"
    BARGAINING_REFUSED = "bargaining_refused", "The employer refuses to bargain in good faith", "C098", "C154"
    ANTIUNION_DISMISSAL = "antiunion_dismissal", "Workers are dismissed for union activity", "C098", "C135"
    ANTIUNION_DISCRIMINATION = "antiunion_discrimination", "Unequal treatment for union activity", "C098"
    FORCED_RESIGNATION = "forced_resignation", "Workers are pressed or tricked into resigning", "C098", "C158"
    BLACKLISTING = "blacklisting", "Names are passed on so that no employer hires these workers", "C098"
    YELLOW_UNION = "yellow_union", "The employer sets up, favours or controls a union", "C098"
    STRIKE_SUPPRESSION = "strike_suppression", "A strike or protest is banned, broken or punished", "C087"
    LOCKOUT = "lockout", "The employer shuts workers out to break organising or a dispute", "C098"
    ACCESS_DENIED = "access_denied", "Workers' representatives are kept from the workplace or workers", "C135"
    SURVEILLANCE = "surveillance", "Organising workers are watched, followed, filmed or spied on", "C087"
    THREAT = "threat", "Workers or those close to them are threatened, other than with death", "C087", "C190"
    DEATH_THREAT = "death_threat", "Someone is threatened with being killed", "C087"
    PHYSICAL_ASSAULT = "physical_assault", "Workers or organisers are attacked or beaten", "C087", "C190"
    TORTURE_ILL_TREATMENT = (
        "torture_ill_treatment",
        "Officials, or others with their consent, inflict severe pain or degrading treatment",
    )
    KILLING = "killing", "Workers or organisers are unlawfully killed", "C087"
    ENFORCED_DISAPPEARANCE = (
        "enforced_disappearance",
        "Someone is taken by the state, or with its support, and their fate is denied or hidden",
    )
    ARBITRARY_ARREST = "arbitrary_arrest", "People are arrested without lawful grounds or due process", "C087"
    DETENTION = "detention", "People are held in custody over organising, strike or protest", "C087"
    JUDICIAL_HARASSMENT = (
        "judicial_harassment",
        "Baseless charges or suits, also against unnamed people",
        "C087",
    )
    RAID = "raid", "A union office, home or meeting is searched or stormed", "C087"
    TRAVEL_BAN = "travel_ban", "Someone is barred from leaving the country or moving freely"
    SMEAR = "smear", "False public accusations discredit workers, unions or defenders", "C087"
    RETALIATION_COMPLAINT = "retaliation_complaint", "Workers are punished for having complained", "C158"
    GBVH = "gbvh", "Gender-based violence or harassment in the world of work", "C190", "C111"
    SEXUAL_HARASSMENT = "sexual_harassment", "Unwelcome sexual conduct or demands for sexual favours", "C190"
    DISCRIMINATION = (
        "discrimination",
        "Unequal treatment or pay, as by sex, race, religion, origin or opinion",
        "C111",
        "C100",
    )
    PREGNANCY_DISMISSAL = "pregnancy_dismissal", "Dismissal for pregnancy or maternity leave", "C183", "C111"
    WAGE_UNPAID = "wage_unpaid", "Wages are not paid, paid late or unlawfully cut", "C095"
    WAGE_BELOW_MINIMUM = "wage_below_minimum", "Pay is below the minimum wage in force", "C131"
    OVERTIME_UNPAID = "overtime_unpaid", "Overtime is not paid, or not at the rate due", "C095"
    OVERTIME_FORCED = (
        "overtime_forced",
        "Overtime is imposed under threat or beyond the lawful limit",
        "C001",
        "C030",
        "C029",
    )
    SEVERANCE_UNPAID = "severance_unpaid", "Severance due when employment ended is not paid", "C158", "C173"
    BENEFITS_UNPAID = "benefits_unpaid", "Social security or other benefits due are not paid", "C102"
    FACTORY_CLOSURE_ILLEGAL = (
        "factory_closure_illegal",
        "The factory closes without the notice, consultation or payments that the law requires",
        "C158",
        "C173",
    )
    MASS_DISMISSAL = "mass_dismissal", "Many dismissed without valid reason, notice or consultation", "C158"
    CONTRACT_ABUSE = "contract_abuse", "Short-term, sham or no contracts deny workers their rights", "C158"
    OSH_HAZARD = "osh_hazard", "The workplace endangers safety or health", "C155", "C187"
    OSH_ACCIDENT = "osh_accident", "Workers are injured, made ill or killed by their work", "C155", "C121"
    INJURY_COMPENSATION_DENIED = (
        "injury_compensation_denied",
        "Compensation or care for a work injury, illness or death is refused",
        "C121",
    )
    FORCED_LABOUR = "forced_labour", "Work is exacted under threat and not offered freely", "C029", "C105"
    CHILD_LABOUR = (
        "child_labour",
        "Children work below the minimum age, or under-18s in hazardous work or other worst forms",
        "C138",
        "C182",
    )
    MIGRANT_ABUSE = (
        "migrant_abuse",
        "Migrant workers are exploited through their status, debts or documents",
        "C097",
        "C143",
    )
    OTHER = "other", "Another violation of workers' rights; the text says which"


class ViolationHeading(Code):
    """The four headings under which CCC reports violations (cleanclothes.org/ua/2012/violations)."""

    FREEDOM_OF_ASSOCIATION = "freedom_of_association", "To organise, bargain and strike without reprisal"
    PAYMENT_AND_CONTRACTS = "payment_and_contracts", "Wages, hours, contracts, closures and severance"
    HEALTH_AND_SAFETY = "health_and_safety", "A safe and healthy workplace, and redress for injury"
    OTHER_RIGHTS = "other_rights", "Other rights, such as freedom from discrimination and forced labour"


HEADING: dict[ViolationCode, ViolationHeading] = {
    **dict.fromkeys(
        [
            ViolationCode.FOA_DENIED,
            ViolationCode.UNION_NOT_RECOGNISED,
            ViolationCode.BARGAINING_REFUSED,
            ViolationCode.ANTIUNION_DISMISSAL,
            ViolationCode.ANTIUNION_DISCRIMINATION,
            ViolationCode.FORCED_RESIGNATION,
            ViolationCode.BLACKLISTING,
            ViolationCode.YELLOW_UNION,
            ViolationCode.STRIKE_SUPPRESSION,
            ViolationCode.LOCKOUT,
            ViolationCode.ACCESS_DENIED,
            ViolationCode.SURVEILLANCE,
            ViolationCode.THREAT,
            ViolationCode.DEATH_THREAT,
            ViolationCode.PHYSICAL_ASSAULT,
            ViolationCode.TORTURE_ILL_TREATMENT,
            ViolationCode.KILLING,
            ViolationCode.ENFORCED_DISAPPEARANCE,
            ViolationCode.ARBITRARY_ARREST,
            ViolationCode.DETENTION,
            ViolationCode.JUDICIAL_HARASSMENT,
            ViolationCode.RAID,
            ViolationCode.TRAVEL_BAN,
            ViolationCode.SMEAR,
            ViolationCode.RETALIATION_COMPLAINT,
        ],
        ViolationHeading.FREEDOM_OF_ASSOCIATION,
    ),
    **dict.fromkeys(
        [
            ViolationCode.WAGE_UNPAID,
            ViolationCode.WAGE_BELOW_MINIMUM,
            ViolationCode.OVERTIME_UNPAID,
            ViolationCode.OVERTIME_FORCED,
            ViolationCode.SEVERANCE_UNPAID,
            ViolationCode.BENEFITS_UNPAID,
            ViolationCode.FACTORY_CLOSURE_ILLEGAL,
            ViolationCode.MASS_DISMISSAL,
            ViolationCode.CONTRACT_ABUSE,
        ],
        ViolationHeading.PAYMENT_AND_CONTRACTS,
    ),
    **dict.fromkeys(
        [
            ViolationCode.OSH_HAZARD,
            ViolationCode.OSH_ACCIDENT,
            ViolationCode.INJURY_COMPENSATION_DENIED,
        ],
        ViolationHeading.HEALTH_AND_SAFETY,
    ),
    **dict.fromkeys(
        [
            ViolationCode.GBVH,
            ViolationCode.SEXUAL_HARASSMENT,
            ViolationCode.DISCRIMINATION,
            ViolationCode.PREGNANCY_DISMISSAL,
            ViolationCode.FORCED_LABOUR,
            ViolationCode.CHILD_LABOUR,
            ViolationCode.MIGRANT_ABUSE,
            ViolationCode.OTHER,
        ],
        ViolationHeading.OTHER_RIGHTS,
    ),
}

# Acts against people for organising. Refusals to deal with a union are not: they hit the organisation.
REPRESSION: frozenset[ViolationCode] = frozenset(
    code for code, heading in HEADING.items() if heading is ViolationHeading.FREEDOM_OF_ASSOCIATION
) - {
    ViolationCode.FOA_DENIED,
    ViolationCode.UNION_NOT_RECOGNISED,
    ViolationCode.BARGAINING_REFUSED,
    ViolationCode.YELLOW_UNION,
    ViolationCode.ACCESS_DENIED,
}


class ViolationGrade(Code):
    """How far a violation is established."""

    ALLEGED = "alleged", "Reported; not yet checked"
    POSSIBLE = "possible", "It may have happened; the evidence is thin"
    LIKELY = "likely", "The evidence speaks more for it than against it"
    CONFIRMED = "confirmed", "Established by independent evidence or accepted by the perpetrator"
    UNLIKELY = "unlikely", "The evidence speaks more against it than for it"
    REFUTED = "refuted", "Shown not to have happened"


class TallyKind(Code):
    """What a count counts: people."""

    AFFECTED = "affected", "Workers whose rights are violated in this case"
    DISMISSED = "dismissed", "Lost their jobs over it"
    ARRESTED = "arrested", "Taken into custody, whatever became of them"
    HELD = "held", "In custody on that date"
    RELEASED = "released", "Let out of custody without bail"
    BAILED = "bailed", "Let out of custody on bail"
    DIED = "died", "Died in custody after arrest"
    CHARGED_NAMED = "charged_named", "Accused by name in a criminal case"
    CHARGED_UNNAMED = "charged_unnamed", "Accused in a criminal case without being named"
    CHARGES_DROPPED = "charges_dropped", "No longer accused: charges withdrawn or dismissed"
    ACQUITTED = "acquitted", "Found not guilty"
    CONVICTED = "convicted", "Found guilty"
    REINSTATED = "reinstated", "Given their jobs back"
    INJURED = "injured", "Hurt or made ill"
    KILLED = "killed", "Lost their lives through violence or an accident"
    BLACKLISTED = "blacklisted", "Named to other employers so that nobody hires them"


class ProceedingBody(Code):
    """Before whom a legal or complaint proceeding is held."""

    COURT = "court", "A court or tribunal"
    OECD_NCP = "oecd_ncp", "An OECD National Contact Point for Responsible Business Conduct"
    ILO_CFA = "ilo_cfa", "The ILO Committee on Freedom of Association"
    UN_SP = "un_sp", "UN special procedures: special rapporteurs and working groups"
    ACCORD = "accord", "The International Accord for Health and Safety in the Textile and Garment Industry"
    FAIR_WEAR = "fair_wear", "Fair Wear, through its complaints mechanism"
    FLA = "fla", "The Fair Labor Association, through a third-party complaint"
    WRC = "wrc", "The Worker Rights Consortium"
    OTHER = "other", "Another body"


class ProceedingKind(Code):
    """What a proceeding is about."""

    CRIMINAL = "criminal", "Charges against people"
    LABOUR = "labour", "A labour dispute, such as over dismissals or wages"
    CIVIL = "civil", "A claim for damages, or a suit against people or unions"
    ADMINISTRATIVE = "administrative", "The registration of a union, a permit, or another act of an authority"
    COMPLAINT = "complaint", "A complaint to a body that is no court"
    OTHER = "other", "Another matter"


class ProceedingStage(Code):
    """How far a proceeding has come (domain: Small lifecycles)."""

    FILED = "filed", "Submitted to the body"
    ADMISSIBILITY = "admissibility", "The body checks whether it may take it"
    ACCEPTED = "accepted", "The body takes it"
    REJECTED = "rejected", "The body does not take it"
    MEDIATION = "mediation", "The body mediates between the parties"
    EXAMINATION = "examination", "The body examines facts and law"
    CONCLUDED = "concluded", "The body has decided or recommended, or the parties settled"
    FOLLOW_UP = "follow_up", "The body watches whether its conclusion is carried out"
    ENDED = "ended", "Nothing more will come from the body"
    WITHDRAWN = "withdrawn", "Taken back by those who filed it"


class VerificationMethod(Code):
    """How the facts were checked."""

    INTERVIEWS = "interviews", "Talking with workers or witnesses"
    DOCUMENTS = "documents", "Reading payslips, letters, contracts or case files"
    SITE_VISIT = "site_visit", "Going to see the place"
    PARTNER_REPORT = "partner_report", "A report by a partner organisation"
    OFFICIAL_RECORDS = "official_records", "Records of courts, inspectorates or registers"
    MEDIA_REVIEW = "media_review", "Comparing independent media reports"
    OTHER = "other", "Another method"


class Reliability(Code):
    """How far a source can be relied on; member order is the order, best first, `unknown` last."""

    HIGH = "high", "Proven right before, or directly supported by evidence"
    LIKELY = "likely", "Probably right"
    UNSURE = "unsure", "Could be right or wrong"
    UNLIKELY = "unlikely", "Probably wrong"
    UNRELIABLE = "unreliable", "Known to be wrong or to mislead"
    UNKNOWN = "unknown", "Not assessed"


class SourceConnection(Code):
    """What ties a source to the events."""

    VICTIM = "victim", "It happened to them"
    WITNESS = "witness", "They saw or heard it"
    FAMILY = "family", "Family of someone it happened to"
    COLLEAGUE = "colleague", "Works or worked with someone it happened to"
    UNION = "union", "A trade union"
    LAWYER = "lawyer", "A lawyer on the matter"
    MEDICAL = "medical", "A doctor, nurse or hospital"
    NGO = "ngo", "A non-governmental organisation"
    MEDIA = "media", "A journalist or news organisation"
    COMPANY = "company", "A company involved"
    AUTHORITY = "authority", "A public authority"
    THIRD_PARTY = "third_party", "Somebody else with no part in it"


# --- What is asked for: demands ---


class DemandKind(Code):
    """What the workers ask for (domain: Demand)."""

    REINSTATE = "reinstate", "Give dismissed workers their jobs back"
    RELEASE = "release", "Free the people held"
    DROP_CHARGES = "drop_charges", "Withdraw criminal charges or suits"
    PAY_WAGES = "pay_wages", "Pay the wages owed"
    PAY_SEVERANCE = "pay_severance", "Pay the severance owed"
    COMPENSATE = "compensate", "Compensate for injury, death or other harm"
    RECOGNISE_UNION = "recognise_union", "Register or recognise the union"
    BARGAIN = "bargain", "Bargain collectively in good faith"
    STOP_HARASSMENT = "stop_harassment", "End harassment, threats and intimidation"
    DISCIPLINE_PERPETRATOR = "discipline_perpetrator", "Hold those who did it to account"
    PROTECT = "protect", "Keep people at risk safe"
    MAKE_SAFE = "make_safe", "Repair hazards and make the workplace safe"
    STAY_AND_REMEDY = "stay_and_remedy", "Keep ordering there and use leverage instead of leaving"
    DISCLOSE_SUPPLY_CHAIN = "disclose_supply_chain", "Publish suppliers or confirm the supply link"
    SIGN_BINDING_AGREEMENT = "sign_binding_agreement", "Sign an enforceable agreement"
    INVESTIGATE = "investigate", "Have the facts examined independently"
    APOLOGISE = "apologise", "Apologise, in public or to the workers"
    CHANGE_LAW = "change_law", "Change a law, decree or its application"
    OTHER = "other", "Another demand; the text says which"


class Disposition(Code):
    """What became of a demand; all but `active` dispose of it (domain: Small lifecycles)."""

    ACTIVE = "active", "Still pursued"
    MET = "met", "Fulfilled"
    PARTLY_MET = "partly_met", "Fulfilled in part, and no longer pursued"
    NOT_MET = "not_met", "Not fulfilled, and no longer pursued"
    DROPPED_BY_WORKERS = "dropped_by_workers", "The workers gave it up"


class Satisfaction(Code):
    """What the workers think of the result."""

    SATISFIED = "satisfied", "They accept it as remedy"
    PARTLY_SATISFIED = "partly_satisfied", "They accept it in part"
    DISSATISFIED = "dissatisfied", "They do not accept it as remedy"
    UNKNOWN = "unknown", "They were not asked, or no answer came"


# --- What the network does: actions and the answers to them ---


class ActedBy(Code):
    """Who did something for a case, or about it (domain: Who acted)."""

    NETWORK = "network", "An entity or a member organisation of the network"
    OTHERS = "others", "The workers, a party of the case, or another organisation"


class ActionKind(Code):
    """What is done for a case or about it, by the network or by others (domain: Action)."""

    BRAND_CONTACT_LETTER = "brand_contact_letter", "A letter to a brand or retailer, not published"
    BRAND_MEETING = "brand_meeting", "A meeting or call with a brand or retailer"
    FACTORY_LETTER = "factory_letter", "A letter to the factory or its owner"
    GOVERNMENT_LETTER = "government_letter", "A letter to a government or authority"
    EMPLOYERS_ASSOCIATION_LETTER = "employers_association_letter", "A letter to an employers' association"
    MSI_COMPLAINT = "msi_complaint", "A complaint to a multi-stakeholder initiative"
    INVESTOR_CONTACT = "investor_contact", "Contact with an investor or lender"
    DIPLOMATIC_CONTACT = "diplomatic_contact", "Contact with an embassy or foreign ministry"
    LEGAL_AID = "legal_aid", "Lawyers, bail or legal costs for workers"
    COURT_CASE = "court_case", "A case brought or supported before a court"
    OECD_NCP_COMPLAINT = "oecd_ncp_complaint", "A specific instance at an OECD National Contact Point"
    ILO_COMPLAINT = "ilo_complaint", "A complaint or representation to the ILO"
    UN_COMMUNICATION = "un_communication", "A submission to UN special procedures or treaty bodies"
    ACCORD_COMPLAINT = "accord_complaint", "A complaint under the International Accord"
    MEDIATION = "mediation", "Talks between the parties led by a third"
    FACT_FINDING = "fact_finding", "An inquiry into the facts, on the spot or by interview"
    TRIAL_OBSERVATION = "trial_observation", "Attending a trial as observer"
    EMERGENCY_RELIEF = "emergency_relief", "Money, food or medical help for people in need"
    SECURITY_SUPPORT = "security_support", "Protection for people at risk, physical or digital"
    RELOCATION = "relocation", "Bringing people at risk to a safer place"
    SOLIDARITY_LETTER = "solidarity_letter", "A message of support to the workers"
    SOLIDARITY_VISIT = "solidarity_visit", "A visit to the workers, or to people in prison"
    PETITION = "petition", "Collecting signatures"
    EMAIL_ACTION = "email_action", "The public sends e-mails to a target"
    SOCIAL_MEDIA_ACTION = "social_media_action", "The public writes to or about a target on social media"
    STREET_ACTION = "street_action", "A demonstration, picket or performance in public"
    STORE_ACTION = "store_action", "An action in or before shops"
    DAY_OF_ACTION = "day_of_action", "Actions in several places on one day"
    SPEAKER_TOUR = "speaker_tour", "Workers or organisers speak to audiences abroad"
    PRESS_RELEASE = "press_release", "A statement to the press"
    PRESS_CONFERENCE = "press_conference", "A conference for journalists"
    MEDIA_BRIEFING = "media_briefing", "Background information for journalists"
    OPEN_LETTER = "open_letter", "A letter to a target, published"
    PUBLIC_REPORT = "public_report", "A published report on the case"
    BRAND_TRACKER = "brand_tracker", "A public page that shows what each brand has done"
    PUBLIC_EVENT = "public_event", "A meeting, exhibition or screening open to the public"
    SHAREHOLDER_ACTION = "shareholder_action", "A question or motion at a shareholders' meeting"
    PARLIAMENTARY_QUESTION = "parliamentary_question", "A question asked in a parliament"
    INTERNAL_COORDINATION = "internal_coordination", "Planning and exchange within the network"


class Channel(Code):
    """How visible an action is."""

    QUIET = "quiet", "Known to those it is addressed to, not to the public"
    PUBLIC = "public", "Meant to be seen by the public"
    INTERNAL = "internal", "Stays within the network"


# The default: an action may be recorded on another channel than its kind's.
CHANNEL: dict[ActionKind, Channel] = {
    **dict.fromkeys(
        [
            ActionKind.BRAND_CONTACT_LETTER,
            ActionKind.BRAND_MEETING,
            ActionKind.FACTORY_LETTER,
            ActionKind.GOVERNMENT_LETTER,
            ActionKind.EMPLOYERS_ASSOCIATION_LETTER,
            ActionKind.MSI_COMPLAINT,
            ActionKind.INVESTOR_CONTACT,
            ActionKind.DIPLOMATIC_CONTACT,
            ActionKind.LEGAL_AID,
            ActionKind.COURT_CASE,
            ActionKind.OECD_NCP_COMPLAINT,
            ActionKind.ILO_COMPLAINT,
            ActionKind.UN_COMMUNICATION,
            ActionKind.ACCORD_COMPLAINT,
            ActionKind.MEDIATION,
            ActionKind.FACT_FINDING,
            ActionKind.TRIAL_OBSERVATION,
            ActionKind.EMERGENCY_RELIEF,
            ActionKind.SECURITY_SUPPORT,
            ActionKind.RELOCATION,
            ActionKind.SOLIDARITY_LETTER,
            ActionKind.SOLIDARITY_VISIT,
        ],
        Channel.QUIET,
    ),
    **dict.fromkeys(
        [
            ActionKind.PETITION,
            ActionKind.EMAIL_ACTION,
            ActionKind.SOCIAL_MEDIA_ACTION,
            ActionKind.STREET_ACTION,
            ActionKind.STORE_ACTION,
            ActionKind.DAY_OF_ACTION,
            ActionKind.SPEAKER_TOUR,
            ActionKind.PRESS_RELEASE,
            ActionKind.PRESS_CONFERENCE,
            ActionKind.MEDIA_BRIEFING,
            ActionKind.OPEN_LETTER,
            ActionKind.PUBLIC_REPORT,
            ActionKind.BRAND_TRACKER,
            ActionKind.PUBLIC_EVENT,
            ActionKind.SHAREHOLDER_ACTION,
            ActionKind.PARLIAMENTARY_QUESTION,
        ],
        Channel.PUBLIC,
    ),
    ActionKind.INTERNAL_COORDINATION: Channel.INTERNAL,
}


class Corner(Code):
    """Where pressure is applied: the three corners."""

    PRODUCTION = "production", "The country where the goods are made"
    MARKET = "market", "A country where the goods are sold"
    OWNER_HOME = "owner_home", "The home country of the factory's owner"


class ActionStatus(Code):
    """Whether an action has happened."""

    PLANNED = "planned", "Intended, not yet done"
    DONE = "done", "Carried out"
    CANCELLED = "cancelled", "Will not be done"
    PAUSED = "paused", "On hold for now"


class DueKind(Code):
    """What follows when a due date passes, without a request."""

    ANSWER = "answer", "An answer was due: its absence is recorded"
    CONSENT = "consent", "A consent expired: publications that rest on it come down"


class TimelineKind(Code):
    """The kind of fact that an item of the timeline is about."""

    STEP = "step", "A step was taken"
    VIOLATION = "violation", "A violation began, as alleged"
    TALLY = "tally", "People were counted"
    DEMAND = "demand", "A demand was disposed of"
    ACTION = "action", "The network acted, or plans to"
    RESPONSE = "response", "An answer came, or none came; or the network replied to it"
    COMMITMENT = "commitment", "A promise was made, is due, or was seen kept"
    CONSENT = "consent", "A consent was given or ended"
    RISK_ASSESSMENT = "risk_assessment", "The danger to people was assessed"
    PAYMENT = "payment", "Money was owed, promised, paid or received"
    PROCEEDING = "proceeding", "A proceeding was filed, went on, or goes on"
    OUTCOME = "outcome", "The case had an outcome"
    PUBLICATION = "publication", "The case was published, or taken down"


class AttentionReason(Code):
    """Why a case needs somebody now, the most urgent first."""

    CONSENT_ENDED = "consent.ended", "The workers' consent to the take-up is no longer in force"
    FIRST_ACTION_LATE = "first_action.late", "There was no first action within the time of its priority"
    HEARING_NEAR = "hearing.near", "A hearing or deadline of a proceeding is near, or has passed without news"
    COMMITMENT_LAPSED = "commitment.lapsed", "A promise is past its day and neither verified, waived nor broken"
    ANSWER_OVERDUE = "answer.overdue", "A target did not answer by its day"
    INFORMATION_OVERDUE = "information.overdue", "The requested information did not come"
    ACKNOWLEDGEMENT_DUE = "acknowledgement.due", "The requester was not told that the appeal arrived"
    HANDOVER_OFFERED = "handover.offered", "The case is offered to an entity that you coordinate"
    RISK_STALE = "risk.stale", "The risk was not assessed, or too long ago"
    REVIEW_DUE = "review.due", "The review date of a suspension or a remedy has come"
    CONSENT_EXPIRING = "consent.expiring", "A consent expires soon"
    CONTACT_WITHOUT_CONSENT = "contact.without_consent", "A target was contacted without consent, with a reason"
    PUBLICATION_OUTDATED = "publication.outdated", "The case has changed since its publication was signed; sign again"
    SHARED_WITHOUT_CONSENT = "visibility.without_consent", "The whole network sees the case without a consent"
    GUARD_OVERRIDDEN = "guard.overridden", "A step overrode a guard with a reason; check whether it still applies"


class AnswerStatus(Code):
    """Whether a target answered an action (domain: Small lifecycles)."""

    NONE_EXPECTED = "none_expected", "The action asks for no answer"
    AWAITING = "awaiting", "An answer is due and has not come yet"
    RECEIVED = "received", "An answer came in time"
    NO_RESPONSE = "no_response", "The due date passed without an answer"


class ResponseGrade(Code):
    """How good a target's answer is (domain: Response grade)."""

    SUBSTANTIVE_COMMITS = "substantive_commits", "Takes up the substance and commits to something"
    SUBSTANTIVE_NO_COMMITMENT = "substantive_no_commitment", "Takes up the substance, commits to nothing"
    INVESTIGATING = "investigating", "Says that it is looking into the facts"
    PARTIAL = "partial", "Answers or offers only part of what was asked"
    DENIES_LINK = "denies_link", "Denies a business link with the workplace"
    DENIES_VIOLATION = "denies_violation", "Denies that workers' rights were violated"
    BLAMES_OTHER = "blames_other", "Puts the blame on somebody else"
    DEFLECTS_TO_BODY = "deflects_to_body", "Points to an initiative, auditor or authority instead of acting"
    HOLDING_REPLY = "holding_reply", "Confirms receipt; the answer is to follow"
    HOSTILE_LEGAL_THREAT = "hostile_legal_threat", "Threatens legal action or other reprisal"
    NO_RESPONSE = "no_response", "Did not answer by the due date"


# Grades that open escalation: at once, or when the follow-up date of the answer itself passes.
INADEQUATE: frozenset[ResponseGrade] = frozenset(
    {
        ResponseGrade.PARTIAL,
        ResponseGrade.DENIES_LINK,
        ResponseGrade.DENIES_VIOLATION,
        ResponseGrade.BLAMES_OTHER,
        ResponseGrade.DEFLECTS_TO_BODY,
        ResponseGrade.HOSTILE_LEGAL_THREAT,
        ResponseGrade.NO_RESPONSE,
    }
)
INADEQUATE_WHEN_OVERDUE: frozenset[ResponseGrade] = frozenset(
    {ResponseGrade.INVESTIGATING, ResponseGrade.HOLDING_REPLY}
)


# --- What came of it: commitments, money, outcomes ---


class CommitmentKind(Code):
    """What was promised."""

    PAYMENT = "payment", "To pay wages, severance, compensation or other money"
    REINSTATEMENT = "reinstatement", "To give dismissed workers their jobs back"
    RECOGNITION = "recognition", "To recognise the union or bargain with it"
    WITHDRAWAL_OF_CHARGES = "withdrawal_of_charges", "To withdraw criminal charges or suits"
    POLICY = "policy", "To adopt or change a policy or practice"
    INVESTIGATION = "investigation", "To have the facts examined"
    SAFETY_REPAIR = "safety_repair", "To repair hazards and make the workplace safe"
    OTHER = "other", "Something else; the text says what"


class CommitmentStatus(Code):
    """How far a promise is kept (domain: Small lifecycles)."""

    PROMISED = "promised", "Given, with a due date; nothing done yet"
    IN_PROGRESS = "in_progress", "Being carried out"
    REPORTED_DONE = "reported_done", "Said to be done; not yet checked"
    VERIFIED_DONE = "verified_done", "Checked and found done"
    BREACHED = "breached", "Not kept by its due date, or acted against"
    WAIVED_BY_WORKERS = "waived_by_workers", "The workers released the promisor from it"
    SUPERSEDED = "superseded", "Replaced by a later commitment"


class PaymentKind(Code):
    """What a sum of money stands for; a sum paid counts as received only when the workers have it."""

    OWED = "owed", "Due to the workers"
    PROMISED = "promised", "Somebody said they would pay it"
    PAID = "paid", "The payer says or shows that it was paid out"
    RECEIVED_BY_WORKERS = "received_by_workers", "The workers confirm that they have it"
    WAIVED = "waived", "The workers no longer claim it"


class PaymentFor(Code):
    """What the money is for."""

    WAGES = "wages", "Pay for work done"
    SEVERANCE = "severance", "Payment due when employment ends"
    COMPENSATION = "compensation", "For injury, death or other loss"
    BACK_PAY = "back_pay", "Pay for the time after a wrongful dismissal or a lockout"
    DAMAGES = "damages", "Awarded or agreed for a wrong done"
    LEGAL_COSTS = "legal_costs", "Lawyers, court fees, bail or fines"


class OutcomeCode(Code):
    """What the case led to, good or bad (domain: Outcome)."""

    RELEASED = "released", "People held were freed"
    RELEASED_ON_BAIL = "released_on_bail", "People held were freed on bail; charges stand"
    CHARGES_DROPPED = "charges_dropped", "Charges or suits were withdrawn or dismissed"
    ACQUITTED = "acquitted", "People charged were found not guilty"
    CONVICTED = "convicted", "People charged were found guilty"
    REINSTATED = "reinstated", "Dismissed workers got their jobs back"
    REINSTATED_WITH_BACK_PAY = "reinstated_with_back_pay", "Jobs back, with pay for the time in between"
    REHIRE_LIST = "rehire_list", "Dismissed workers are to be hired first when there is work"
    WAGES_PAID = "wages_paid", "Wages owed were paid"
    SEVERANCE_PAID = "severance_paid", "Severance owed was paid"
    COMPENSATION_PAID = "compensation_paid", "Compensation for harm was paid"
    UNION_RECOGNISED = "union_recognised", "The union was registered or recognised"
    CBA_SIGNED = "cba_signed", "A collective bargaining agreement was signed"
    AGREEMENT_SIGNED = "agreement_signed", "Another agreement was signed with the workers' side"
    PERPETRATOR_REMOVED = "perpetrator_removed", "Those who did it lost their position"
    POLICY_CHANGED = "policy_changed", "The employer changed its policy or practice"
    BRAND_POLICY_CHANGED = "brand_policy_changed", "A brand or retailer changed its policy or practice"
    FACTORY_MADE_SAFE = "factory_made_safe", "Hazards at the workplace were repaired"
    FACTORY_REOPENED = "factory_reopened", "A closed workplace took up work again"
    LAW_CHANGED = "law_changed", "A law, decree or its application changed"
    POSITION_STRENGTHENED = "position_strengthened", "The workers or their union stand stronger than before"
    FACTORY_CLOSED_ANYWAY = "factory_closed_anyway", "The workplace closed in spite of the case"
    BRAND_LEFT = "brand_left", "A brand stopped ordering instead of helping to remedy"
    SITUATION_WORSE = "situation_worse", "The workers are worse off than before"
    RETALIATION = "retaliation", "Workers were punished for the case"
    NO_RESULT = "no_result", "Nothing changed"


class OutcomeExtent(Code):
    """How far an outcome goes towards its demand."""

    FULL = "full", "All that was asked"
    PARTIAL = "partial", "Part of what was asked"
    NONE = "none", "Nothing of what was asked"


class Attribution(Code):
    """What brought an outcome about."""

    CAMPAIGN = "campaign", "The network's quiet or public pressure"
    COURT = "court", "A court's decision"
    NEGOTIATION = "negotiation", "Talks between the workers' side and the other side"
    AUTHORITY = "authority", "A decision of a public authority other than a court"
    MIXED = "mixed", "Several of these together"
    UNKNOWN = "unknown", "Not known"


# --- Consent ---


class ConsentSubject(Code):
    """Whose consent it is."""

    WORKERS = "workers", "The workers concerned"
    WORKERS_UNION = "workers_union", "The workers' own union, deciding for them"
    LOCAL_PARTNER = "local_partner", "The partner organisation on the spot"
    REQUESTER = "requester", "The organisation that asked for help"
    PERSON = "person", "One person, about themselves"


class ConsentScope(Code):
    """What is consented to (domain: Consent scope)."""

    RETAIN = "retain", "Keep the records of the case"
    TAKE_UP = "take_up", "Take the case up and support the workers"
    SHARE_NETWORK = "share_network", "Share the case within the network"
    SHARE_EXTERNAL = "share_external", "Share the case with named bodies outside the network"
    CONTACT_FACTORY = "contact_factory", "Contact the factory or its owner"
    CONTACT_BRAND = "contact_brand", "Contact brands and retailers"
    CONTACT_GOVERNMENT = "contact_government", "Contact governments and authorities"
    NAME_FACTORY_TO_BRAND = "name_factory_to_brand", "Tell a brand which factory it is"
    PUBLISH_ANONYMISED = "publish_anonymised", "Publish country and kinds, without factory, brand or person"
    PUBLISH_NAMED = "publish_named", "Publish with factory and brands named, but no person"
    PUBLISH_PERSON = "publish_person", "Publish with a person named; only that person can consent"
    MEDIA_INTERVIEW = "media_interview", "Arrange interviews with journalists"
    RESEARCH_USE = "research_use", "Use the case for research and learning"


class ConsentState(Code):
    """What a word of consent says (domain 8, A word)."""

    REQUESTED = "requested", "Asked for; it says nothing yet"
    GIVEN = "given", "Given without conditions"
    GIVEN_WITH_CONDITIONS = "given_with_conditions", "Given, and valid only under its conditions"
    REFUSED = "refused", "A no: not given"
    WITHDRAWN = "withdrawn", "A no: what was given is taken back"


class ApprovalPurpose(Code):
    """What a second signature is for (domain 8, Second signatures)."""

    PUBLICATION = "publication", "Something of the case is published"


class ConsentMethod(Code):
    """How consent was given (domain: Consent method)."""

    WRITTEN = "written", "In writing"
    RECORDED_ORAL = "recorded_oral", "By word of mouth, recorded"
    ORAL_TWO_WITNESSES = "oral_two_witnesses", "By word of mouth before two witnesses"
    UNION_DECISION = "union_decision", "By a decision of the union's meeting or committee"
    REPRESENTATIVE = "representative", "By somebody the workers chose to speak for them"


# What `/v1/vocabularies/{name}` serves: class names in kebab case, without a last Kind or Code.
VOCABULARIES: dict[str, type[Code]] = {
    "status": Status,
    "status-group": StatusGroup,
    "role": Role,
    "precision": Precision,
    "intake-channel": IntakeChannel,
    "visibility": Visibility,
    "view": View,
    "team-status": TeamStatus,
    "sealed-field": SealedField,
    "publication-level": PublicationLevel,
    "risk-level": RiskLevel,
    "priority": Priority,
    "decline-reason": DeclineReason,
    "close-reason": CloseReason,
    "suspend-reason": SuspendReason,
    "escalation-reason": EscalationReason,
    "reopen-reason": ReopenReason,
    "withdrawn-by": WithdrawnBy,
    "requester-view": RequesterView,
    "link": LinkKind,
    "entity": EntityKind,
    "account": AccountKind,
    "logged": Logged,
    "alert": AlertKind,
    "webhook-state": WebhookState,
    "delivery-state": DeliveryState,
    "delivery-fault": DeliveryFault,
    "scope": Scope,
    "key-origin": KeyOrigin,
    "membership-state": MembershipState,
    "disabling-reason": DisablingReason,
    "organisation": OrganisationKind,
    "facility-status": FacilityStatus,
    "party-role": PartyRole,
    "supply-link": SupplyLinkKind,
    "supply-strength": SupplyStrength,
    "target": TargetKind,
    "violation": ViolationCode,
    "violation-heading": ViolationHeading,
    "violation-grade": ViolationGrade,
    "tally": TallyKind,
    "proceeding-body": ProceedingBody,
    "proceeding": ProceedingKind,
    "proceeding-stage": ProceedingStage,
    "verification-method": VerificationMethod,
    "reliability": Reliability,
    "source-connection": SourceConnection,
    "demand": DemandKind,
    "disposition": Disposition,
    "satisfaction": Satisfaction,
    "action": ActionKind,
    "acted-by": ActedBy,
    "channel": Channel,
    "corner": Corner,
    "action-status": ActionStatus,
    "timeline": TimelineKind,
    "attention-reason": AttentionReason,
    "due": DueKind,
    "answer-status": AnswerStatus,
    "response-grade": ResponseGrade,
    "commitment": CommitmentKind,
    "commitment-status": CommitmentStatus,
    "payment": PaymentKind,
    "payment-for": PaymentFor,
    "outcome": OutcomeCode,
    "outcome-extent": OutcomeExtent,
    "attribution": Attribution,
    "consent-subject": ConsentSubject,
    "consent-scope": ConsentScope,
    "consent-state": ConsentState,
    "consent-method": ConsentMethod,
    "approval-purpose": ApprovalPurpose,
}
