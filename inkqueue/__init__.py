"""Send images of handwriting to an inkqueue service and read back what they say.

>>> from inkqueue import Client
>>> for item in Client().submit("scans.zip").wait(progress=True).results():
...     print(item.name, item.prediction, item.confidence)

Names are loaded when they are first used, so that importing the package costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ._version import __version__ as __version__
    from .client import AsyncClient as AsyncClient
    from .client import AsyncJob as AsyncJob
    from .client import Client as Client
    from .client import Job as Job
    from .client import RetryPolicy as RetryPolicy
    from .exceptions import ApiError as ApiError
    from .exceptions import InkqueueError as InkqueueError
    from .exceptions import ServiceUnreachable as ServiceUnreachable
    from .exceptions import SourceError as SourceError
    from .exceptions import UnexpectedAnswer as UnexpectedAnswer
    from .exceptions import WaitTimeout as WaitTimeout
    from .models import Counts as Counts
    from .models import DryRun as DryRun
    from .models import Health as Health
    from .models import Item as Item
    from .models import ItemFailure as ItemFailure
    from .models import JobState as JobState
    from .models import ModelCard as ModelCard
    from .models import ModelRef as ModelRef
    from .models import Prediction as Prediction
    from .models import Summary as Summary
    from .models import WebhookDelivery as WebhookDelivery
    from .models import WebhookSecret as WebhookSecret
    from .models import Worker as Worker
    from .review_models import ItemReview as ItemReview
    from .review_models import ReviewSummary as ReviewSummary

_HOMES = {
    "._version": ("__version__",),
    ".client": ("AsyncClient", "AsyncJob", "Client", "Job", "RetryPolicy"),
    ".exceptions": (
        "ApiError",
        "InkqueueError",
        "ServiceUnreachable",
        "SourceError",
        "UnexpectedAnswer",
        "WaitTimeout",
    ),
    ".models": (
        "Counts",
        "DryRun",
        "Health",
        "Item",
        "ItemFailure",
        "JobState",
        "ModelCard",
        "ModelRef",
        "Prediction",
        "Summary",
        "WebhookDelivery",
        "WebhookSecret",
        "Worker",
    ),
    ".review_models": ("ItemReview", "ReviewSummary"),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [*_HOME_OF]


def __getattr__(name: str) -> object:
    """Load a public name from its module at first use."""
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(import_module(_HOME_OF[name], __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """List the public names, loaded or not."""
    return sorted({*globals(), *__all__})
