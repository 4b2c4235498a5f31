"""What can go wrong, one class a problem code of the HTTP contract.

Catch `InkqueueError` for everything, `ApiError` for every refusal of the service, or one code's class.
"""

from __future__ import annotations

from inkqueue.problems import ApiError as ApiError
from inkqueue.problems import InkqueueError as InkqueueError
from inkqueue.problems import Problem as Problem


class ServiceUnreachable(InkqueueError):
    """Nothing answers at the service's address, also after retries."""

    hint = "Start the service with `inkqueue up`, or give its address with --url or INKQUEUE_URL."


class UnexpectedAnswer(InkqueueError):
    """The answer is none that an inkqueue service gives: a wrong address, or a proxy in between."""

    hint = "Check the address (--url, INKQUEUE_URL): is an inkqueue service there, and of this version?"


class SourceError(InkqueueError, ValueError):
    """What was given to be submitted cannot be read as files or images."""


class WaitTimeout(InkqueueError, TimeoutError):
    """The job did not end within the time that the caller gave; the job itself goes on."""

    hint = "The job goes on; wait again with `inkqueue watch` or `Job.wait`."


class BadRequest(ApiError):
    """The service could not understand the request at all."""

    code = "bad_request"


class Unauthorized(ApiError):
    """No valid key came with the request."""

    code = "unauthorized"
    hint = "Set INKQUEUE_API_KEY, or give Client(api_key=...). Keys are made with: inkqueue keys create"


class Forbidden(ApiError):
    """The key is valid and does not allow this."""

    code = "forbidden"
    hint = "Use a key that has the scope for it; `inkqueue keys list` shows what each key may do."


class NotFound(ApiError):
    """Nothing is there under this name, or not for this caller."""

    code = "not_found"
    hint = "Check the id; `inkqueue list` shows jobs, `inkqueue webhooks deliveries` deliveries."


class MethodNotAllowed(ApiError):
    """The address does not take this method."""

    code = "method_not_allowed"


class NotAcceptable(ApiError):
    """None of the formats asked for can be given."""

    code = "not_acceptable"


class RequestTimeout(ApiError):
    """The body stopped arriving before it was complete."""

    code = "request_timeout"


class Gone(ApiError):
    """It was here, and its time is over."""

    code = "gone"
    hint = "Submit the files again."


class JobActive(ApiError):
    """The job has not ended yet."""

    code = "job_active"
    hint = "Wait for its end (`inkqueue watch`) or cancel it first (`inkqueue cancel`)."


class NothingToRetry(ApiError):
    """No item of the job failed, was canceled or expired."""

    code = "nothing_to_retry"


class NotReviewable(ApiError):
    """A person could see nothing of this item."""

    code = "not_reviewable"


class PayloadTooLarge(ApiError):
    """The upload is over the limit."""

    code = "payload_too_large"
    hint = "Send it in several smaller submissions."


class TooManyItems(ApiError):
    """The submission holds more items than the limit."""

    code = "too_many_items"
    hint = "Send it in several smaller submissions."


class UnsupportedMediaType(ApiError):
    """The content type is none that can be submitted."""

    code = "unsupported_media_type"
    hint = "Send images, PDF files or zip archives of them."


class InvalidRequest(ApiError):
    """Fields or options are wrong; `errors` names each."""

    code = "invalid_request"


class CorruptArchive(ApiError):
    """The zip's directory cannot be read."""

    code = "corrupt_archive"
    hint = "Make the zip again and send it once more."


class EncryptedArchive(ApiError):
    """Every member of the zip is encrypted."""

    code = "encrypted_archive"
    hint = "Send a zip without a password."


class ZipBomb(ApiError):
    """The zip would inflate beyond all measure, or its members overlap."""

    code = "zip_bomb"
    hint = "Make the zip again, with an ordinary tool."


class EmptySubmission(ApiError):
    """Nothing in the submission could be an image."""

    code = "empty_submission"
    hint = "Send at least one image, PDF file or zip archive of them."


class UnknownModel(ApiError):
    """No such model package is installed."""

    code = "unknown_model"
    hint = "`inkqueue models` lists those that are."


class UnknownTemplate(ApiError):
    """No such template exists."""

    code = "unknown_template"


class WebhookUrlRefused(ApiError):
    """The webhook's address may not be called."""

    code = "webhook_url_refused"
    hint = "Use a public https address, or let the service allow its host (INKQUEUE_WEBHOOK_ALLOWED_HOSTS)."


class IdempotencyKeyReused(ApiError):
    """The key was used before with other files or options."""

    code = "idempotency_key_reused"


class RateLimited(ApiError):
    """The caller is too fast."""

    code = "rate_limited"
    hint = "Wait a little and try again."


class QueueFull(ApiError):
    """The queue takes no more at the moment."""

    code = "queue_full"
    hint = "Wait a little and try again."


class Internal(ApiError):
    """A defect of the service itself."""

    code = "internal"
    hint = "Try again; if it stays, report it with the request id."


class Unavailable(ApiError):
    """A part of the service is down."""

    code = "unavailable"
    hint = "Try again shortly; `inkqueue doctor` on the service's machine says what is wrong."


class ServiceTimeout(ApiError):
    """The answer did not come in time; `job_id` names the job that goes on, if there is one."""

    code = "timeout"
    hint = "Try again, or look at the job later."


class StorageFull(ApiError):
    """The service has no room left."""

    code = "storage_full"
    hint = "Delete old jobs (`inkqueue delete`) or enlarge the service's storage."


class ImageRefused(ApiError):
    """Base of the refusals of one image by `predict`; in a job they stand in the item's `error`."""


class UnsupportedFormat(ImageRefused):
    """The bytes have no signature that the service knows."""

    code = "unsupported_format"
    hint = "Send a PNG, JPEG, TIFF, BMP, GIF, WebP or PDF file."


class UndecodableImage(ImageRefused):
    """The format is known and the content broken."""

    code = "undecodable_image"
    hint = "Save the image again and send it once more."


class ImageTooLarge(ImageRefused):
    """The image has more pixels than the limit."""

    code = "image_too_large"
    hint = "Send a smaller image."


class EmptyFile(ImageRefused):
    """The file has no bytes at all."""

    code = "empty_file"


class Encrypted(ImageRefused):
    """The file is protected by a password."""

    code = "encrypted"
    hint = "Send it without a password."


class MemberTooLarge(ImageRefused):
    """The file is larger than the limit for one image."""

    code = "member_too_large"
    hint = "Send a smaller image."


class CorruptArchiveMember(ImageRefused):
    """The member's size or checksum is wrong."""

    code = "corrupt_archive_member"
    hint = "Make the zip again and send it once more."


class NestedArchive(ImageRefused):
    """An archive stands inside an archive."""

    code = "nested_archive"
    hint = "Send the inner archive by itself."


class TooManyPages(ImageRefused):
    """The document has more pages than the limit."""

    code = "too_many_pages"
    hint = "Split the document."


class ModelFailed(ImageRefused):
    """Reading this image stopped its worker repeatedly."""

    code = "model_error"


class TemplateNotMatched(ImageRefused):
    """The page does not look like the template."""

    code = "template_not_matched"
    hint = "Check that the right template was given."
