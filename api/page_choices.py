"""What the form of the first page offers, and the rules by which it looks at files before they are sent."""

from __future__ import annotations

from math import floor
from typing import Any

from api.services import Services
from shared import names


def choices(parts: Services) -> dict[str, Any]:
    """Return the models, what the usual one advises, and the rules of the service."""
    catalogue, settings = parts.catalogue, parts.settings
    usual = catalogue.find(*split(catalogue.default))
    advised = usual.default_target_error if usual else None
    return {
        "models": sorted(package.ref for package in catalogue.packages().values()),
        "usual": f"{usual.name} {usual.version}" if usual else None,
        "advised": f"about 1 in {round(1 / advised):,}" if advised else None,
        "most": size(settings.max_upload_bytes),
        "rules": {
            "skipped": names.SKIPPED,
            "archives": names.ARCHIVES,
            "multi_page": names.MULTI_PAGE,
            "most_bytes": settings.max_upload_bytes,
            "most_items": settings.max_zip_members,
        },
    }


def split(ref: str) -> tuple[str, str | None]:
    """Take a reference apart into name and version."""
    name, _, version = ref.partition("@")
    return name, version or None


def size(count: int) -> str:
    """Write a limit in bytes as people do; rounded down, so that it holds."""
    value, unit = (count / 1e9, "GB") if count >= 1e9 else (count / 1e6, "MB")
    return f"{floor(value * 10) / 10:g} {unit}"
