"""How a key looks: `ik_`, a public part of 12 letters, `_`, a secret of 32 letters, and a checksum of 6.

Letters are those of base 62, so that a double click selects the whole key. The fixed form and the checksum let
scanners find keys that were published by mistake, and tell a typo from a wrong key without asking the database.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import string
import zlib
from dataclasses import dataclass, field

from shared.errors import Unauthorized

LETTERS = string.digits + string.ascii_uppercase + string.ascii_lowercase
PUBLIC = 12
SECRET = 32
CHECKSUM = 6
FEWEST_DIFFERENT = 12
"""Different letters that a secret must have; of 1e15 drawn by chance not one has fewer."""
_FORM = re.compile(
    rf"(ik_[0-9A-Za-z]{{{PUBLIC}}})_([0-9A-Za-z]{{{SECRET}}})([0-9A-Za-z]{{{CHECKSUM}}})", re.ASCII
)


class KeyMalformed(Unauthorized):
    """The text is no key of this service, whatever is in the database."""

    default = "The API key is mistyped, cut off or none of this service."


@dataclass(frozen=True, slots=True)
class KeyText:
    """A key in its parts; the secret stays out of logs and tracebacks."""

    prefix: str
    secret: str = field(repr=False)

    @property
    def text(self) -> str:
        """Return the whole key as its owner keeps it."""
        return f"{self.prefix}_{self.secret}{_checksum(self.prefix, self.secret)}"

    @property
    def digest(self) -> bytes:
        """Return what is stored: the SHA-256 of the secret.

        The secret has 190 bits of chance, so guessing is hopeless whatever the hash costs; a slow hash would only
        make every request slow.
        """
        return hashlib.sha256(self.secret.encode()).digest()


def new_key() -> KeyText:
    """Draw a key by the system's source of chance."""
    return KeyText(f"ik_{_drawn(PUBLIC)}", _drawn(SECRET))


def parse_key(text: str) -> KeyText:
    """Read a key.

    Raises:
        KeyMalformed: it has another form, or its checksum is wrong.
    """
    match = _FORM.fullmatch(text)
    if match is None or not secrets.compare_digest(_checksum(match[1], match[2]), match[3]):
        raise KeyMalformed()
    return KeyText(match[1], match[2])


def is_weak(key: KeyText) -> bool:
    """Tell whether a person made the secret up: too few different letters for one drawn by chance."""
    return len(set(key.secret)) < FEWEST_DIFFERENT


def _drawn(count: int) -> str:
    return "".join(secrets.choice(LETTERS) for _ in range(count))


def _checksum(prefix: str, secret: str) -> str:
    """Return the CRC-32 of both parts in base 62."""
    number, letters = zlib.crc32(f"{prefix}_{secret}".encode()), ""
    for _ in range(CHECKSUM):
        number, digit = divmod(number, len(LETTERS))
        letters = LETTERS[digit] + letters
    return letters
