"""What a client sends: as much of OpenAI's chat completions as this provider understands."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal, TypeVar

from pydantic import BaseModel, ConfigDict, PositiveInt, ValidationError

_NAMED_IN_FALLBACK = "Answer schema:"
"""Begins the line in which our client names the schema to servers that do not know `json_schema`."""
_INSTRUCTING = frozenset({"system", "developer"})


_Model = TypeVar("_Model", bound=BaseModel)


class RequestError(Exception):
    """The request makes no sense to this provider: 400."""


class Schema(StrEnum):
    """The schemas that answers come in."""

    CORRECTION = "correction"
    FIX = "fix"
    STRUCTURE = "structure"


class _Received(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class _Part(_Received):
    type: str
    text: str = ""


class _Message(_Received):
    role: str
    content: str | tuple[_Part, ...]

    @property
    def text(self) -> str:
        if isinstance(self.content, str):
            return self.content
        return "\n".join(part.text for part in self.content if part.type == "text")

    @property
    def pictures(self) -> int:
        if isinstance(self.content, str):
            return 0
        return sum(part.type == "image_url" for part in self.content)


class _NamedSchema(_Received):
    name: str


class _ResponseFormat(_Received):
    type: Literal["text", "json_object", "json_schema"]
    json_schema: _NamedSchema | None = None


class AskedRegion(_Received):
    """A region of the page that is asked about: its id, its type as OCR found it, its lines of text."""

    id: str
    type: str
    text: str


class AskedPage(_Received):
    """The page that is asked about, numbered from 1."""

    page: PositiveInt
    regions: tuple[AskedRegion, ...]


class ChatRequest(_Received):
    """The body of `POST /v1/chat/completions`."""

    model: str
    messages: tuple[_Message, ...]
    response_format: _ResponseFormat | None = None
    max_tokens: PositiveInt | None = None
    max_completion_tokens: PositiveInt | None = None

    @property
    def wants_schema(self) -> bool:
        """Whether the answer is to be held to a JSON schema by the server."""
        return self.response_format is not None and self.response_format.type == "json_schema"

    @property
    def most_tokens(self) -> int | None:
        """Longest answer, reasoning included, in tokens; None when nothing says."""
        return self.max_completion_tokens or self.max_tokens

    @property
    def instructions(self) -> str:
        """The system messages."""
        return "\n".join(message.text for message in self.messages if message.role in _INSTRUCTING)

    @property
    def rest(self) -> str:
        """The other messages."""
        return "\n".join(message.text for message in self.messages if message.role not in _INSTRUCTING)

    @property
    def pictures(self) -> int:
        """How many go along."""
        return sum(message.pictures for message in self.messages)

    def answer_schema(self) -> Schema:
        """The schema that the answer shall match.

        Raises:
            RequestError: nothing names one, or there is none of that name.
        """
        name = self._schema_name()
        try:
            return Schema(name)
        except ValueError as error:
            raise RequestError(f"there is no schema '{name}' here: it is one of {', '.join(Schema)}") from error

    def _schema_name(self) -> str:
        if self.response_format and self.response_format.json_schema:
            return self.response_format.json_schema.name
        for line in reversed(self.instructions.splitlines()):
            if line.startswith(_NAMED_IN_FALLBACK):
                return line.removeprefix(_NAMED_IN_FALLBACK).strip()
        raise RequestError(f"neither response_format nor a line '{_NAMED_IN_FALLBACK} NAME' names a schema")

    def page(self) -> AskedPage:
        """The page in the last user message.

        Raises:
            RequestError: there is no user message, or no page in it.
        """
        texts = [message.text for message in self.messages if message.role == "user"]
        if not texts:
            raise RequestError("there is no user message")
        return _parsed(AskedPage, texts[-1].encode(), "the user message")


@dataclass(frozen=True, slots=True)
class Question:
    """A request that can be answered.

    Attributes:
        request: as it came.
        schema: that the answer shall match.
        page: that it is about.
    """

    request: ChatRequest
    schema: Schema
    page: AskedPage


def read_question(body: bytes) -> Question:
    """Parse the body of `POST /v1/chat/completions`.

    Raises:
        RequestError: it makes no sense here.
    """
    request = _parsed(ChatRequest, body, "the request")
    return Question(request, request.answer_schema(), request.page())


def _parsed(model: type[_Model], data: bytes, what: str) -> _Model:
    try:
        return model.model_validate_json(data)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "JSON"
        raise RequestError(f"{what} makes no sense: {place}: {first['msg']}") from error
