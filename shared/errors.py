"""One tree of errors; it knows codes and words, and nothing of HTTP (`api.problems` maps the codes to answers)."""

from __future__ import annotations

from typing import TypedDict


class FieldError(TypedDict):
    """One field of a request that is wrong: where it stands and what is wrong with it."""

    loc: str
    msg: str


class InkqueueError(Exception):
    """Base of every error that a user may see."""

    code = "internal"
    title = "Internal error"
    default = "Something went wrong on our side. The request id helps us to find out what."
    retryable = False
    retry_after_s = 1

    def __init__(self, detail: str | None = None) -> None:
        self.detail = detail or self.default
        super().__init__(self.detail)


class Internal(InkqueueError):
    """A defect of the service itself."""


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


class PayloadTooLarge(InkqueueError):
    """The body is over the limit."""

    code = "payload_too_large"
    title = "Payload too large"
    default = "The upload is larger than this service accepts."


class TooManyItems(InkqueueError):
    """The submission has more items than the limit."""

    code = "too_many_items"
    title = "Too many items"
    default = "The submission holds more files than this service accepts in one job."


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


class CorruptArchive(InkqueueError):
    """The zip's directory cannot be read."""

    code = "corrupt_archive"
    title = "Corrupt archive"
    default = "The zip file is damaged or incomplete. Please make it again and send it once more."


class EncryptedArchive(InkqueueError):
    """Every member of the zip is encrypted."""

    code = "encrypted_archive"
    title = "Encrypted archive"
    default = "The zip file is protected by a password. Please send one without a password."


class ZipBomb(InkqueueError):
    """The zip would inflate beyond all measure, or its members overlap."""

    code = "zip_bomb"
    title = "Zip bomb"
    default = "The zip file would unpack to far more data than its size allows."


class EmptySubmission(InkqueueError):
    """Nothing in the submission can be worked on."""

    code = "empty_submission"
    title = "Empty submission"
    default = "The submission holds no file that could be an image."


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


class RateLimited(InkqueueError):
    """The caller is too fast."""

    code = "rate_limited"
    title = "Rate limited"
    default = "Too many requests. Please slow down."
    retryable = True


class QueueFull(InkqueueError):
    """The queue takes no more at the moment."""

    code = "queue_full"
    title = "Queue full"
    default = "The queue is full at the moment. Please try again shortly."
    retryable = True


class Unavailable(InkqueueError):
    """A part of the service is down."""

    code = "unavailable"
    title = "Unavailable"
    default = "The service cannot do this at the moment. Please try again shortly."
    retryable = True


class TimedOut(InkqueueError):
    """The answer did not come in time; `job_id` names the job that goes on, if there is one."""

    code = "timeout"
    title = "Timeout"
    default = "The answer did not come in time."
    retryable = True

    def __init__(self, detail: str | None = None, job_id: str | None = None) -> None:
        super().__init__(detail)
        self.job_id = job_id


class StorageFull(InkqueueError):
    """No room is left for the upload."""

    code = "storage_full"
    title = "Storage full"
    default = "The service has no room left to store this upload. Nothing was kept."
    retryable = True


class ModelCorrupt(InkqueueError):
    """A model package differs from its checksums; a worker refuses to serve it."""

    default = "The model package differs from its checksums. Install it again."


class ConflictingState(InkqueueError):
    """A state change that the transition table does not know."""

    default = "The job cannot go from its present state to that one."


class ItemError(InkqueueError):
    """The failure of one item; its neighbours go on."""

    code = "model_error"
    title = "Item failed"


class UnsupportedFormat(ItemError):
    """The bytes have no signature that we know."""

    code = "unsupported_format"
    title = "Unsupported format"
    default = "This is no image of a format that can be read."


class UndecodableImage(ItemError):
    """The format is known and the content broken."""

    code = "undecodable_image"
    title = "Undecodable image"
    default = "The image is damaged or incomplete."


class ImageTooLarge(ItemError):
    """More pixels than the limit."""

    code = "image_too_large"
    title = "Image too large"
    default = "The image has more pixels than the limit."


class EmptyFile(ItemError):
    """No bytes at all."""

    code = "empty_file"
    title = "Empty file"
    default = "The file is empty."


class EncryptedItem(ItemError):
    """Protected by a password."""

    code = "encrypted"
    title = "Encrypted"
    default = "The file is protected by a password."


class MemberTooLarge(ItemError):
    """One file is larger than the limit for one."""

    code = "member_too_large"
    title = "Member too large"
    default = "The file is larger than the limit for one image."


class CorruptArchiveMember(ItemError):
    """Size or checksum lie."""

    code = "corrupt_archive_member"
    title = "Corrupt archive member"
    default = "The file is damaged inside its zip: its size or checksum is wrong."


class NestedArchive(ItemError):
    """An archive within an archive."""

    code = "nested_archive"
    title = "Nested archive"
    default = (
        "Only a zip is opened, and none inside another archive. Please send these files as a zip by itself."
    )


class TooManyPages(ItemError):
    """More pages than the limit."""

    code = "too_many_pages"
    title = "Too many pages"
    default = "The document has more pages than the limit."


class ModelError(ItemError):
    """The model or the image killed its worker three times."""

    code = "model_error"
    title = "Model error"
    default = "Reading this image stopped its worker three times; it was set aside."
    retryable = True


class TemplateNotMatched(ItemError):
    """The page does not look like the template."""

    code = "template_not_matched"
    title = "Template not matched"
    default = "The page does not match the template."


ITEM_ERRORS: dict[str, type[ItemError]] = {
    e.code: e
    for e in (
        UnsupportedFormat,
        UndecodableImage,
        ImageTooLarge,
        EmptyFile,
        EncryptedItem,
        MemberTooLarge,
        CorruptArchiveMember,
        NestedArchive,
        TooManyPages,
        ModelError,
        TemplateNotMatched,
    )
}
"""Every code that an item may fail with, and its class."""
