"""The common input of steps: the day, records sent along, met conditions and overrides."""

from datetime import date
from typing import Annotated

from pydantic import Field

from appeals.cases.consent import ConditionMet, ConditionsMet
from appeals.fields import Dated, Model, Prose
from appeals.lifecycle.case_inputs import Records


class Override(Model):
    """A coordinator's reason to override a soft guard, shown in the history."""

    guard: Annotated[str, Field(pattern=r"^[a-z_]+(\.[a-z_]+)+$", max_length=80)]
    reason: Prose


class StepInput(Dated):
    """What every step accepts: the day on which it was taken."""

    @property
    def own_day(self) -> date | None:
        """The day that the step itself names, used if `occurred_on` is omitted."""
        return None

    @property
    def brought(self) -> Records:
        """The records sent along."""
        return Records()

    @property
    def passed(self) -> list[Override]:
        """The soft guards to override, with reasons."""
        return []

    @property
    def met_conditions(self) -> list[ConditionMet]:
        """The conditions of consents that are met."""
        return []


class GuardedInput(StepInput):
    """The further input of guarded steps: records that guards need, met conditions, overrides of soft guards."""

    records: Records = Records()
    conditions_met: ConditionsMet = []
    overrides: Annotated[list[Override], Field(max_length=20)] = []

    @property
    def brought(self) -> Records:
        return self.records

    @property
    def passed(self) -> list[Override]:
        return self.overrides

    @property
    def met_conditions(self) -> list[ConditionMet]:
        return self.conditions_met
