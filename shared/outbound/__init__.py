"""Calls to addresses that strangers name: which may be called, and how they are called safely."""

from shared.outbound.check import CheckedUrl, check_url
from shared.outbound.lookup import Resolver, resolve_by_system
from shared.outbound.policy import OutboundPolicy
from shared.outbound.sending import client, transport

__all__ = [
    "CheckedUrl",
    "OutboundPolicy",
    "Resolver",
    "check_url",
    "client",
    "resolve_by_system",
    "transport",
]
