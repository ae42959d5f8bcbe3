"""The path parameters of routes."""

from typing import Annotated

from fastapi import Path

from appeals.cases.publication import TOKEN
from appeals.fields import CASE_REFERENCE

_UUID = r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"
# The patterns are only documentation: a path that does not fit names nothing, so it answers 404 and not 422.
CaseReference = Annotated[
    str, Path(json_schema_extra={"pattern": CASE_REFERENCE}, description="The reference of a case.")
]
RecordId = Annotated[str, Path(json_schema_extra={"pattern": _UUID}, description="The id of a record.")]
DeliveryId = Annotated[str, Path(json_schema_extra={"pattern": _UUID}, description="The id of a delivery.")]
PublicationToken = Annotated[str, Path(json_schema_extra={"pattern": TOKEN}, description="The token of a publication.")]
KeyId = Annotated[
    str, Path(json_schema_extra={"pattern": "^[0-9A-Za-z]{8}$"}, description="The 8 characters after `ua_`.")
]
CodeListName = Annotated[
    str, Path(json_schema_extra={"pattern": "^[a-z]+(-[a-z]+)*$"}, description="The name of a code list.")
]
