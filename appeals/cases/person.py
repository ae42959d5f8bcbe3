"""People: individuals whom a case must tell apart, each under a pseudonym.

Name, contacts and safe-contact rule are sealed and shown only by openings. Pseudonym, label and role are never a name,
because everybody with the work view reads them.
"""

from typing import Annotated

from pydantic import Field, ValidationInfo, field_validator
from sqlalchemy.orm import Mapped

from appeals.cases.record import Record, RecordInput, RecordOutput
from appeals.fields import Model, Name, SealedName, SealedProse, Versioned, fold

Pseudonym = Annotated[Name, Field(description="A handle that does not reveal the person; never their name.")]
PersonRole = Annotated[Name, Field(description="Their part in the case, such as worker or organiser; never a name.")]
PersonName = Annotated[SealedName, Field(description="Sealed: shown only by openings.")]
Contacts = Annotated[SealedProse, Field(description="Sealed. How to contact this person.")]
SafeContactRule = Annotated[
    SealedProse,
    Versioned(),
    Field(description="Sealed. How to contact this person safely; a new rule is added to the older ones."),
]


class Person(Record):
    """A person in the case. Their statements, such as the consent to be named, refer to this record."""

    __tablename__ = "person"

    pseudonym: Mapped[str]
    role: Mapped[str | None]
    name: Mapped[str | None]
    contacts: Mapped[str | None]


class _WithName(RecordInput):
    """The members of a person. A handle that contains the name in the same body is refused.

    A handle is never compared with the stored name, or a caller could find the name by guessing.
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
            raise ValueError("is also in the label, pseudonym or role, which everybody on the case reads")
        return name


class PersonInput(_WithName):
    """A person, recorded only if they must be told apart from others.

    Give a label, so that consents can refer to it.
    """

    pseudonym: Pseudonym


class PersonChange(_WithName):
    """A correction. A new name or contacts replace the old; a new safe-contact rule is added."""


class PersonOutput(RecordOutput):
    """A person, without the sealed fields."""

    pseudonym: str
    role: str | None


class SealedPerson(Model):
    """The sealed fields of a person, as openings show them."""

    name: str | None
    contacts: str | None
    safe_contact_rule: str | None
