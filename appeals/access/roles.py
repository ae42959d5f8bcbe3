"""Groups of roles that rules refer to. Source: section 3 of the domain specification."""

from appeals.vocabulary import Role

CASEWORK = frozenset({Role.CASEWORKER, Role.COORDINATOR})
COORDINATION = frozenset({Role.COORDINATOR})
PARTNERS = frozenset({Role.PARTNER, Role.CASEWORKER})
INTAKE_ROLES = frozenset({Role.PARTNER, Role.CASEWORKER, Role.COORDINATOR})


FIELD_WORK = CASEWORK | {Role.PARTNER}
TEAM_ROLES = FIELD_WORK | {Role.REVIEWER}
CASE_ROLES = TEAM_ROLES | {Role.READER}
"""The roles that may see cases. For all others no case exists."""
