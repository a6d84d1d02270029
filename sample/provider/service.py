"""From the body of a request to the answer, and onto the bill: everything but the sockets."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from http import HTTPStatus

from sample.provider.behaviour import Behaviour, Trouble
from sample.provider.bill import Bill, BillRow
from sample.provider.completion import complete
from sample.provider.request import Question, RequestError, read_question

_JSON = "application/json"
_HTML = "text/html"
_UNBILLED = frozenset({Trouble.RATE_LIMITED, Trouble.SERVER_ERROR, Trouble.WEB_PAGE})
_NOTHING_REPORTED = frozenset({Trouble.DROPPED, Trouble.NO_USAGE, Trouble.GATEWAY_TIMEOUT})
_WEB_PAGE = b"<!DOCTYPE html><html><head><title>Sign in</title></head><body>Sign in to go on</body></html>"
_GATEWAY_TIMED_OUT = b"<html><head><title>504 Gateway Time-out</title></head><body>nginx</body></html>"


@dataclass(frozen=True, slots=True)
class Response:
    """What goes back to the client.

    Attributes:
        status: of HTTP.
        body: None to cut the connection instead of answering.
        content_type: of the body.
        headers: others, by name.
        seconds: from the request's arrival to the answer, unless finding it takes longer.
        call_id: the call's row on the bill, if it has one.
    """

    status: HTTPStatus
    body: bytes | None
    content_type: str = _JSON
    headers: Mapping[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    call_id: str | None = None


class Service:
    """Answers requests and bills them.

    Args:
        behaviour: how it does so.
        bill: where each call is entered before it is answered.
    """

    def __init__(self, behaviour: Behaviour, bill: Bill) -> None:
        self.bill = bill
        self._behaviour = behaviour

    def chat(self, body: bytes) -> Response:
        """Answer `POST /v1/chat/completions`.

        Raises:
            OSError: the bill's file cannot be written.
        """
        try:
            question = read_question(body)
        except RequestError as reason:
            return error_response(HTTPStatus.BAD_REQUEST, str(reason), "invalid_request_error")
        if question.request.wants_schema and self._behaviour.refuse_schema:
            message = "response_format of type 'json_schema' is not supported"
            return error_response(HTTPStatus.BAD_REQUEST, message, "invalid_request_error")
        request_sha256 = hashlib.sha256(body).hexdigest()
        call_id, occurrence = self.bill.arrive(request_sha256)
        row = BillRow(
            id=call_id,
            request_sha256=request_sha256,
            page=question.page.page,
            stage=question.schema,
            billed_usd=Decimal("0.000000"),
            trouble=self._behaviour.trouble_of(request_sha256, occurrence),
            usage_reported=False,
        )
        if row.trouble in _UNBILLED:
            self.bill.enter(row)
            return self._unbilled(row, occurrence)
        return self._answer(question, row)

    def _unbilled(self, row: BillRow, occurrence: int) -> Response:
        if row.trouble is Trouble.WEB_PAGE:
            return Response(HTTPStatus.OK, _WEB_PAGE, content_type=_HTML, call_id=row.id)
        if row.trouble is Trouble.SERVER_ERROR:
            return error_response(
                HTTPStatus.INTERNAL_SERVER_ERROR, "the server had an error", "server_error", call_id=row.id
            )
        return error_response(
            HTTPStatus.TOO_MANY_REQUESTS,
            "rate limit reached for requests",
            "requests",
            code="rate_limit_exceeded",
            retry_after_seconds=self._behaviour.retry_after_seconds(row.request_sha256, occurrence),
            call_id=row.id,
        )

    def _answer(self, question: Question, row: BillRow) -> Response:
        completion = complete(question, row.trouble)
        cost = completion.usage.price(self._behaviour)
        usage = completion.usage.report() | ({"cost": float(cost)} if self._behaviour.report_cost else {})
        reported = row.trouble not in _NOTHING_REPORTED
        # On the bill before the wait: a provider bills a client that went away meanwhile all the same.
        self.bill.enter(row.model_copy(update={"billed_usd": cost, "usage_reported": reported}))
        body = completion.body(row.id, question.request.model, usage if reported else None)
        status = HTTPStatus.OK
        if row.trouble is Trouble.GATEWAY_TIMEOUT:
            status, body = HTTPStatus.GATEWAY_TIMEOUT, _GATEWAY_TIMED_OUT
        if row.trouble is Trouble.EMPTY_ERROR:
            error = {"message": "the model broke off", "code": HTTPStatus.BAD_GATEWAY}
            body = json.dumps({"id": row.id, "error": error, "usage": usage}).encode()
        return Response(
            status,
            None if row.trouble is Trouble.DROPPED else body,
            content_type=_HTML if row.trouble in {Trouble.WRONG_TYPE, Trouble.GATEWAY_TIMEOUT} else _JSON,
            seconds=self._behaviour.latency_seconds
            + (self._behaviour.slow_seconds if row.trouble is Trouble.SLOW else 0),
            call_id=row.id,
        )


def error_response(
    status: HTTPStatus,
    message: str,
    kind: str,
    *,
    code: str | None = None,
    retry_after_seconds: int | None = None,
    call_id: str | None = None,
) -> Response:
    """An error in OpenAI's shape.

    Args:
        status: of HTTP.
        message: for people.
        kind: OpenAI's `type` of the error.
        code: OpenAI's, where there is one.
        retry_after_seconds: what the client is told to wait, if anything.
        call_id: the call's row on the bill, if it has one.
    """
    body = {"error": {"message": message, "type": kind, "param": None, "code": code}}
    headers = {} if retry_after_seconds is None else {"Retry-After": str(retry_after_seconds)}
    return Response(status, json.dumps(body).encode(), headers=headers, call_id=call_id)
