"""What is wrong with a request, or forbids to do it."""

from __future__ import annotations

from shared.errors.base import FieldError, InkqueueError


class BadRequest(InkqueueError):
    """The request cannot be understood at all."""

    code = "bad_request"
    title = "Bad request"
    default = "The request could not be understood."


class NotFound(InkqueueError):
    """Nothing is there under this name, or not for this caller."""

    code = "not_found"
    title = "Not found"
    default = "There is nothing here."


class BlobMissing(NotFound):
    """The storage holds no object of this key."""

    default = "The stored file is not there any more."


class MethodNotAllowed(InkqueueError):
    """The address exists, the method does not."""

    code = "method_not_allowed"
    title = "Method not allowed"
    default = "This address does not take this method."


class NotAcceptable(InkqueueError):
    """None of the formats that the caller accepts can be given."""

    code = "not_acceptable"
    title = "Not acceptable"
    default = "None of the formats asked for is available here."


class RequestTimeout(InkqueueError):
    """The body did not arrive in time, or was cut off."""

    code = "request_timeout"
    title = "Request timeout"
    default = "The body stopped arriving before it was complete. Nothing was kept; please send it again."
    retryable = True


class Gone(InkqueueError):
    """It was here, and its time is over."""

    code = "gone"
    title = "Gone"
    default = "The results and inputs of this job have expired."


class Unauthorized(InkqueueError):
    """No valid key came with the request."""

    code = "unauthorized"
    title = "Unauthorized"
    default = "This needs a valid API key."


class Forbidden(InkqueueError):
    """The key is valid and does not allow this."""

    code = "forbidden"
    title = "Forbidden"
    default = "This API key does not allow that."


class JobActive(InkqueueError):
    """The job has not ended yet."""

    code = "job_active"
    title = "Job is still active"
    default = "The job has not ended yet. Wait for its end or cancel it first."


class NothingToRetry(InkqueueError):
    """No item failed, was canceled or expired."""

    code = "nothing_to_retry"
    title = "Nothing to retry"
    default = "No item of this job failed, was canceled or expired."


class NotReviewable(InkqueueError):
    """A person could see nothing of this item."""

    code = "not_reviewable"
    title = "Not reviewable"
    default = "There is nothing to see of this item."


class UnsupportedMediaType(InkqueueError):
    """The content type is none that can be submitted."""

    code = "unsupported_media_type"
    title = "Unsupported media type"
    default = "This content type cannot be submitted."


class InvalidRequest(InkqueueError):
    """Fields or options are wrong; `errors` names each."""

    code = "invalid_request"
    title = "Invalid request"
    default = "The request has invalid or unknown fields."

    def __init__(self, detail: str | None = None, errors: list[FieldError] | None = None) -> None:
        super().__init__(detail)
        self.errors: list[FieldError] = errors or []


class UnknownModel(InkqueueError):
    """No such model package."""

    code = "unknown_model"
    title = "Unknown model"
    default = "No such model is installed. GET /v1/models lists those that are."


class UnknownTemplate(InkqueueError):
    """No such template."""

    code = "unknown_template"
    title = "Unknown template"
    default = "No such template exists."


class WebhookUrlRefused(InkqueueError):
    """The webhook's address may not be called."""

    code = "webhook_url_refused"
    title = "Webhook URL refused"
    default = "This webhook address is not allowed."


class IdempotencyKeyReused(InkqueueError):
    """The key was used before with other content."""

    code = "idempotency_key_reused"
    title = "Idempotency key reused"
    default = "This Idempotency-Key was used before with other files or options."
