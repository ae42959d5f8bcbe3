"""The model of a case: an independent reading of domain.md that judges the answers of the service."""

from dataclasses import dataclass

from tests.support.cast import Body, day
from tests.support.lifecycle_model.case_model import CaseModel, Entry, said_on
from tests.support.lifecycle_model.effects import EFFECTS, nothing_more
from tests.support.lifecycle_model.guards import GUARDS
from tests.support.lifecycle_model.tables import BACK, LADDER, NO, ROLES, SAME, SOFT, TABLE, YES, ahead


@dataclass
class Model(CaseModel):
    """The case, and what each step and each write does to it."""

    def open_to(self, who: str) -> set[str]:
        """The steps that the state knows and the roles of this caller allow."""
        return {noun for noun, (sources, _, roles) in TABLE.items() if self.status in sources and roles & ROLES[who]}

    def target(self, noun: str, body: Body) -> str:
        after = TABLE[noun][1]
        if after == BACK:
            return body.get("resume_to") or self.came_from or ""
        return after or self.status

    def unmet(self, noun: str, body: Body, who: str) -> set[str]:
        """The codes of all that speaks against a step."""
        on = self.day_of(noun, body)
        codes = set(GUARDS[noun](self, body, on, who))
        if TABLE[noun][1] not in (SAME, "suspended") and noun != "withdrawal" and not self.follows(body, on):
            codes.add("date.before_last_step")
        if "coordinator" in ROLES[who]:
            codes -= SOFT & {override["guard"] for override in body.get("overrides", [])}
        return codes

    def day_of(self, noun: str, body: Body) -> str:
        """The day on which a step was taken: a withdrawal names its own."""
        on: str = body.get("occurred_on") or (body["withdrawn_on"] if noun == "withdrawal" else day())
        return on

    def follows(self, body: Body, on: str) -> bool:
        last = self.last_move
        return body.get("occurred_precision") == "estimate" or last.estimated or on >= last.on

    def take(self, noun: str, body: Body, who: str) -> None:
        """Take a step against which nothing speaks."""
        on = self.day_of(noun, body)
        before, after = self.status, self.target(noun, body)
        left_open = self.left_open() if after == "closed" else {}
        estimated = body.get("occurred_precision") == "estimate"
        if before != after:
            self.came_from = before if after == "suspended" else None
            self.review_on = None
        self.sequence += 1
        reason = body.get("reason") if noun == "suspension" else None
        self.entries.append(Entry(noun, before, after, on, self.sequence, estimated, left_open, reason))
        self.status, self.version = after, self.version + 1
        EFFECTS.get(noun, nothing_more)(self, body, on, who)

    def follow(self, since: int) -> None:
        """What follows from any write (domain.md 8); `since` is the sequence number before the write."""
        page = self.published
        against = set(self.against_the_page(page)) if page else set()
        if against:
            self.take_down()
            self.version += 1
            if self.status == "public_campaign":
                self.pause("verification_doubt" if against == {"fact"} else "consent_withdrawn")
        if self.status in LADDER[LADDER.index("accepted") :] and any(map(self.refuses_taking_up, self.since(since))):
            self.pause("consent_withdrawn")

    def since(self, sequence: int) -> list[Body]:
        return [word for word in self.consents if word["sequence"] > sequence]

    def refuses_taking_up(self, word: Body) -> bool:
        """Whether it is a no to taking the case up that no newer yes of that voice lifts."""
        yes = (w for w in self.consents if w["state"] in YES and w["subject"] == word["subject"])
        lifted = any(w["scope"] == "take_up" and said_on(w) > said_on(word) for w in yes)
        return word["state"] in NO and word["scope"] == "take_up" and not lifted

    def pause(self, reason: str) -> None:
        self.take("suspension", {"review_on": ahead(14), "reason": reason}, "")
