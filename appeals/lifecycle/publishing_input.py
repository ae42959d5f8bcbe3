"""What publishing without a campaign asks for."""

from typing import Annotated, Literal

from pydantic import Field

from appeals.fields import (
    Model,
    Prose,
)
from appeals.vocabulary import (
    EscalationReason,
    PublicationLevel,
)

NoLocalPartner = Annotated[
    Prose | None,
    Field(description="Why there is no partner's side but the workers; the reviewer has to have signed that too."),
]


PublishedLevel = Literal[PublicationLevel.ANONYMISED, PublicationLevel.NAMED, PublicationLevel.PERSON]


class Publishing(Model):
    """Publish what a reviewer approved, with no campaign. No step: the status stays."""

    publication_level: Annotated[PublishedLevel, Field(description="No wider than what was approved.")]
    reason: Annotated[EscalationReason | None, Field(description="`workers_request` where the risk is critical.")] = (
        None
    )
    no_local_partner: NoLocalPartner = None
