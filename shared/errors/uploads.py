"""What is wrong with an upload as a whole."""

from __future__ import annotations

from shared.errors.base import InkqueueError


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
