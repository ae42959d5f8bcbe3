"""Groups of roles that rules speak of. Source: domain.md 3."""

from appeals.vocabulary import Role

CASEWORK = frozenset({Role.CASEWORKER, Role.COORDINATOR})
COORDINATION = frozenset({Role.COORDINATOR})
PARTNERS = frozenset({Role.PARTNER, Role.CASEWORKER})
INTAKE_ROLES = frozenset({Role.PARTNER, Role.CASEWORKER, Role.COORDINATOR})


FIELD_WORK = CASEWORK | {Role.PARTNER}
TEAM_ROLES = FIELD_WORK | {Role.REVIEWER}
CASE_ROLES = TEAM_ROLES | {Role.READER}
"""The roles that have to do with cases; to all others no case exists."""
