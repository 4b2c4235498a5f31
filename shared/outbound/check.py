"""The check of a webhook's URL when it is given."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from shared.errors import WebhookUrlRefused
from shared.outbound.addresses import Address
from shared.outbound.hosts import address_of
from shared.outbound.lookup import Resolver, resolve_by_system, start_lookup
from shared.outbound.policy import OutboundPolicy
from shared.outbound.urls import WebUrl, parse

# One text for an unknown name and for a name that leads inside: else the answer would tell which inner names exist.
_NOT_PUBLIC = (
    "The webhook URL cannot be called: its host name is unknown, or leads to an address that is not public."
)
_TOO_SLOW = "The host name of the webhook URL could not be looked up in time. Please try again."


@dataclass(frozen=True, slots=True)
class CheckedUrl(WebUrl):
    """A URL that may be called at this moment; `url` is what is stored and requested."""

    addresses: tuple[Address, ...]
    """What its host is at this moment; empty for an allowed name that is not known yet."""


def check_url(url: str, policy: OutboundPolicy, *, resolve: Resolver = resolve_by_system) -> CheckedUrl:
    """Check a URL that a caller names, its host's addresses included; call it from a thread, it waits for the resolver.

    A public name that does not resolve is refused: nothing could ever be delivered to it. An allowed name may be
    unknown as yet, its service may start later. The connection checks all of it again.

    Raises:
        WebhookUrlRefused: it may not be called; the detail tells a person why, and nothing of inner addresses.
    """
    found = parse(url, policy)
    addresses = _addresses(found, policy, resolve)
    if not all(policy.takes(address, found.host, found.port) for address in addresses):
        raise WebhookUrlRefused(_NOT_PUBLIC)
    return CheckedUrl(found.url, found.scheme, found.host, found.port, found.target, tuple(addresses))


def name_to_look_up(host: str, port: int, policy: OutboundPolicy) -> str:
    """Return the name for the resolver: a public one ends with a dot, so that no search domain is put after it."""
    return host if policy.lists(host, port) else f"{host}."


def _addresses(found: WebUrl, policy: OutboundPolicy, resolve: Resolver) -> Sequence[Address]:
    """Return what a host is; nothing for an allowed name that is not known."""
    literal = address_of(found.host)
    if literal is not None:
        return [literal]
    lookup = start_lookup(name_to_look_up(found.host, found.port, policy), resolve)
    try:
        addresses = lookup.result(timeout=policy.resolve_s)
    except TimeoutError as error:
        lookup.cancel()
        return _unless_listed(found, policy, _TOO_SLOW, error)
    except (OSError, ValueError) as error:
        return _unless_listed(found, policy, _NOT_PUBLIC, error)
    return addresses or _unless_listed(found, policy, _NOT_PUBLIC, None)


def _unless_listed(
    found: WebUrl, policy: OutboundPolicy, detail: str, cause: Exception | None
) -> Sequence[Address]:
    """Refuse a name without addresses, unless the operator has allowed it."""
    if policy.lists(found.host, found.port):
        return ()
    raise WebhookUrlRefused(detail) from cause
