"""What is wrong with one item; its neighbours go on."""

from __future__ import annotations

from shared.errors.base import InkqueueError


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
