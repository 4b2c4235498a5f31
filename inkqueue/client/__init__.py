"""The Python client: one core of operations without I/O, a thin blocking and a thin asynchronous driver."""

from __future__ import annotations

from inkqueue.client.async_client import AsyncClient as AsyncClient
from inkqueue.client.async_client import AsyncJob as AsyncJob
from inkqueue.client.retries import RetryPolicy as RetryPolicy
from inkqueue.client.sync_client import Client as Client
from inkqueue.client.sync_client import Job as Job
