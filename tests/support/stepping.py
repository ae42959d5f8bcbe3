"""Cases to take steps on."""

from tests.support.cast import Body, World

INTAKE = ["received", "screening", "info_requested"]

WORK = ["accepted", "engagement", "public_campaign", "remediation", "monitoring"]

OPEN = [*INTAKE, *WORK, "suspended"]


def signed(world: World, reference: str) -> Body:
    assert world.reviewer.add(reference, "approvals", {"level": "named"}).status_code == 201
    return {}
