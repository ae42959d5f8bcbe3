"""Routes for operators that say whether the service runs; they need no key."""

from typing import Annotated, Literal

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from pydantic import Field

from appeals import __version__
from appeals.api.context import context_of
from appeals.api.openapi import header_refs, refusal_responses
from appeals.api.problems import problem
from appeals.database.readiness import READY
from appeals.fields import Model

NOT_READY_FOR_S = 5
router = APIRouter(
    tags=["operations"],
    generate_unique_id_function=lambda route: route.name,
    responses={200: {"headers": header_refs()}, **refusal_responses([429])},
)


class Alive(Model):
    """The process runs."""

    status: Annotated[Literal["alive"], Field(description="Always `alive`, since the process has answered.")]


class Ready(Model):
    """The service can do its work."""

    status: Annotated[Literal["ready"], Field(description="Always `ready`; otherwise the answer is 503.")]


class Release(Model):
    """Which release runs."""

    version: Annotated[str, Field(description="The number of the release, such as `0.2.0`.")]


@router.get("/healthz", response_model=Alive, summary="Alive.", response_description="Alive.")
async def check_liveness() -> Response:
    """The answer says that the process runs. It does not ask the database."""
    return JSONResponse({"status": "alive"})


@router.get(
    "/readyz",
    response_model=Ready,
    summary="Database and schema are there; it can be written.",
    response_description="Ready.",
    responses=refusal_responses([503]),
)
def check_readiness(request: Request) -> Response:
    """A load balancer asks it: 503 names what is missing."""
    missing = context_of(request).readiness.missing()
    if missing == READY:
        return JSONResponse({"status": "ready"})
    return problem(503, "not_ready", missing, {"Retry-After": str(NOT_READY_FOR_S)})


@router.get("/version", response_model=Release, summary="Which release this is.", response_description="The release.")
async def get_version() -> Response:
    """The answer is the number of the release, as in the changelog."""
    return JSONResponse({"version": __version__})
