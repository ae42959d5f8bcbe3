"""The input of publishing without a campaign."""

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
    Field(description="Why nobody but the workers could be asked; the reviewer must have signed this too."),
]


PublishedLevel = Literal[PublicationLevel.ANONYMISED, PublicationLevel.NAMED, PublicationLevel.PERSON]


class Publishing(Model):
    """Publish what a reviewer approved, without a campaign. It is not a step: the status stays."""

    publication_level: Annotated[
        PublishedLevel, Field(description="The level of the publication, at most the approved one.")
    ]
    reason: Annotated[EscalationReason | None, Field(description="`workers_request`, if the risk is critical.")] = None
    no_local_partner: NoLocalPartner = None
