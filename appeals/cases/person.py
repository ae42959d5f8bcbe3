"""People: somebody of whom the case has to speak one by one, under a pseudonym.

Name, contacts and safe-contact rule are sealed: only openings show them. The pseudonym is a handle and never a name,
and so are the label and the role: everybody who gets the work view reads them.
"""

from typing import Annotated

from pydantic import Field, ValidationInfo, field_validator
from sqlalchemy.orm import Mapped

from appeals.cases.record import Record, RecordInput, RecordOutput
from appeals.fields import Model, Name, SealedName, SealedProse, Versioned, fold

Pseudonym = Annotated[Name, Field(description="A handle that tells nobody who this is; never the person's name.")]
PersonRole = Annotated[Name, Field(description="Their part in the case, such as worker or organiser; never a name.")]
PersonName = Annotated[SealedName, Field(description="Sealed: shown by openings alone.")]
Contacts = Annotated[SealedProse, Field(description="Sealed. How this person is reached.")]
SafeContactRule = Annotated[
    SealedProse,
    Versioned(),
    Field(description="Sealed. How this person may safely be reached; a new rule joins the old."),
]


class Person(Record):
    """Somebody in the case. Words of a person, such as their consent to be named, refer to this record."""

    __tablename__ = "person"

    pseudonym: Mapped[str]
    role: Mapped[str | None]
    name: Mapped[str | None]
    contacts: Mapped[str | None]


class _WithName(RecordInput):
    """The members of a person; a handle that holds the name is refused where both come in one body.

    A handle is never compared with the name on record: the answers would tell it to whoever guesses.
    """

    pseudonym: Pseudonym | None = None
    role: PersonRole | None = None
    name: PersonName | None = None
    contacts: Contacts | None = None
    safe_contact_rule: SafeContactRule | None = None

    @field_validator("name")
    @classmethod
    def _stands_in_no_handle(cls, name: str | None, info: ValidationInfo) -> str | None:
        handles = (info.data.get(handle) for handle in ("label", "pseudonym", "role"))
        if name and any(f" {fold(name)} " in f" {fold(handle)} " for handle in handles if handle):
            raise ValueError("stands in the label, pseudonym or role too, which everybody on the case reads")
        return name


class PersonInput(_WithName):
    """A person, only where one must be told from others. Give a label, so that consents can name them by it."""

    pseudonym: Pseudonym


class PersonChange(_WithName):
    """A correction. A name or contacts replace what was on record; a safe-contact rule joins the older ones."""


class PersonOutput(RecordOutput):
    """A person, without what is sealed."""

    pseudonym: str
    role: str | None


class SealedPerson(Model):
    """What openings show of a person."""

    name: str | None
    contacts: str | None
    safe_contact_rule: str | None
