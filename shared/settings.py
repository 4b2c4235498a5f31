"""The one reader of the environment: every setting of every process, frozen, with its unit in its name."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

MIB = 1024 * 1024


class Settings(BaseSettings):
    """Everything that can be set, read from `INKQUEUE_…` variables.

    Raises:
        pydantic.ValidationError: a variable has a value of the wrong kind.
    """

    model_config = SettingsConfigDict(env_prefix="INKQUEUE_", frozen=True, extra="ignore")

    # --- where things are (every process)
    database_url: str = Field(
        default="postgresql://inkqueue@127.0.0.1:5432/inkqueue", description="PostgreSQL, as a libpq address."
    )
    redis_url: str = Field(default="redis://127.0.0.1:6379/0", description="Redis: broker and hints.")
    storage_url: str = Field(
        default="file:///var/lib/inkqueue/storage",
        description="Uploads: `file:///folder` or `s3://bucket/prefix`.",
    )
    models_dirs: str = Field(
        default="", description=f"Further folders of model packages, separated by `{os.pathsep}`."
    )
    models: str = Field(
        default="",
        description="Models of an MLflow registry, `mlflow:NAME@ALIAS`, separated by commas; workers fetch them at "
        "their start into the first folder of `INKQUEUE_MODELS_DIRS`.",
    )
    default_model: str = Field(default="digits", description="The model of a job that names none.")
    log_level: str = Field(default="INFO", description="DEBUG, INFO, WARNING or ERROR.")
    log_format: str = Field(default="json", description="`json`, or `console` for people.")

    # --- limits of a submission (api, worker)
    max_upload_bytes: int = Field(default=2048 * MIB, description="Largest upload, all parts together.")
    max_json_bytes: int = Field(default=16 * MIB, description="Largest JSON body.")
    max_inline_bytes: int = Field(
        default=64 * 1024, description="Submissions up to this size keep their bytes in the database."
    )
    max_zip_members: int = Field(
        default=200_000, description="Most items of one job, and members of one zip."
    )
    max_member_bytes: int = Field(default=64 * MIB, description="Largest image file, inflated.")
    max_inflated_bytes: int = Field(default=20 * 1024 * MIB, description="Most a zip may inflate to.")
    bomb_inflated_bytes: int = Field(
        default=256 * MIB, description="Below this total no zip is a bomb by ratio."
    )
    bomb_ratio: int = Field(default=200, description="Inflated size over archive size that makes a bomb.")
    max_image_pixels: int = Field(default=100_000_000, description="Largest image, in pixels.")
    max_pages: int = Field(default=1000, description="Most pages of one TIFF or PDF.")

    # --- the API
    host: str = Field(default="127.0.0.1", description="Address that the API listens on.")
    port: int = Field(default=8000, description="Port that the API listens on.")
    listen_fds: str = Field(
        default="",
        pattern=r"^(\d+(,\d+)*)?$",
        description="Numbers of open sockets that listen already and that the API shall serve instead; who started it "
        "holds them, so that nobody is refused while it is started anew.",
    )
    allow_open: bool = Field(
        default=False,
        description="Listen on an address that others reach although there are no keys; for containers behind a wall.",
    )
    published_on: str = Field(
        default="",
        description="Where the port of the API's container is published, as `127.0.0.1:8000`: counts in the place of "
        "`INKQUEUE_HOST` when it is asked who reaches the service; docker-compose.yml sets it.",
    )
    upload_idle_s: float = Field(
        default=30.0, description="Seconds without a byte after which an upload is given up."
    )
    predict_timeout_s: float = Field(
        default=30.0, description="Seconds that `POST /v1/predict` waits for its answer."
    )
    results_ttl_s: int = Field(
        default=30 * 86400, description="Seconds from a job's end until its results expire."
    )
    idempotency_ttl_s: int = Field(
        default=86400, description="Seconds that an Idempotency-Key is remembered."
    )
    max_interactive_backlog: int = Field(
        default=1000, description="Images waiting in the interactive lane before `queue_full`."
    )
    max_waiting_requests: int = Field(default=10_000, description="Long polls and event streams at once.")
    prepared_statements: bool = Field(
        default=True,
        description="Prepare statements that come again; off behind a PgBouncer that knows no prepared statements.",
    )
    api_db_pool: int = Field(default=16, description="Database connections of one API process.")

    # --- who may ask how much (api)
    rate_limit_window_s: int = Field(
        default=60, ge=1, description="Seconds that the rates below are counted over."
    )
    rate_limit_requests: int = Field(
        default=6000, ge=0, description="Requests of one key in a window, of all kinds; 0: no limit."
    )
    rate_limit_submissions: int = Field(
        default=600, ge=0, description="Submissions and retries of one key in a window; 0: no limit."
    )
    rate_limit_predictions: int = Field(
        default=3000, ge=0, description="`POST /v1/predict` of one key in a window; 0: no limit."
    )
    rate_limit_webhook_tests: int = Field(
        default=30, ge=0, description="Webhook tests and redeliveries of one key in a window; 0: no limit."
    )
    rate_limit_failed_auth: int = Field(
        default=60, ge=0, description="Wrong keys and sign-ins of one address in a window; 0: no limit."
    )
    rate_limit_open: bool = Field(
        default=False, description="Limit rates without keys too, each address by itself."
    )
    rate_limit_redis_s: float = Field(
        default=0.2, description="Seconds that a request waits for Redis before this process counts alone."
    )
    quota_open_jobs: int = Field(
        default=10_000, ge=0, description="Most jobs of one tenant that have not ended; 0: no limit."
    )
    quota_waiting_items: int = Field(
        default=5_000_000, ge=0, description="Most images of one tenant that wait to be read; 0: no limit."
    )
    quota_stored_bytes: int = Field(
        default=1024 * 1024 * MIB, ge=0, description="Most bytes of one tenant's uploads; 0: no limit."
    )
    quota_uploads: int = Field(
        default=64, ge=0, description="Most large uploads of one tenant at once; 0: no limit."
    )
    max_backlog_items: int = Field(
        default=20_000_000, ge=0, description="Most images of all tenants that wait to be read; 0: no limit."
    )

    # --- what the API lets in (api)
    trusted_proxies: str = Field(
        default="",
        description="Addresses and networks whose `X-Forwarded-For` and `X-Forwarded-Proto` are believed, separated "
        "by commas.",
    )
    cors_origins: str = Field(
        default="",
        description="Origins whose pages may call the API with a key, such as `https://forms.example.com`, separated "
        "by commas.",
    )
    hsts_s: int = Field(
        default=31_536_000, ge=0, description="`max-age` of HSTS in answers over https; 0: not sent."
    )
    header_timeout_s: float = Field(
        default=10.0, gt=0, description="Seconds until a request's head must be here."
    )
    max_header_bytes: int = Field(default=32 * 1024, description="Largest head of a request.")
    max_header_count: int = Field(default=100, description="Most header lines of a request.")
    max_url_bytes: int = Field(default=8192, description="Longest address of a request.")
    upload_max_s: float = Field(
        default=7200.0, gt=0, description="Seconds until a request's body must be here."
    )
    upload_min_bytes_s: int = Field(
        default=512,
        ge=0,
        description="Bytes a second that a body must bring on average, after the idle time.",
    )
    send_timeout_s: float = Field(
        default=30.0, gt=0, description="Seconds that a reader may leave 64 KiB of an answer unread."
    )
    keep_alive_s: float = Field(default=30.0, gt=0, description="Seconds that an idle connection is kept.")
    max_connections: int = Field(default=12_000, ge=0, description="Most connections at once; 0: no limit.")
    max_connections_per_address: int = Field(
        default=2000, ge=0, description="Most of them from one address, trusted proxies apart; 0: no limit."
    )

    # --- keys and sign-in (api)
    bootstrap_key: SecretStr = Field(
        default=SecretStr(""),
        description="The first API key, made at the start while there is none: scope `admin`, tenant `default`; "
        "`inkqueue keys generate` draws one.",
    )
    public_url: str = Field(
        default="",
        pattern=r"^(https?://[A-Za-z0-9.\[\]:_-]+/?)?$",
        description="Address under which people reach the service, as `https://ink.example.org`; with https the "
        "cookie of a sign-in is for https only.",
    )
    allowed_hosts: str = Field(
        default="",
        pattern=r"^[A-Za-z0-9.\[\]:_*, -]*$",
        description="Further names under which an open service may be asked, separated by commas: `host` or "
        "`host:port`; `*` is any, for where no browser comes. Loopback names always may.",
    )
    loopback_metrics: bool = Field(
        default=True,
        description="Metrics and the details of `/readyz` need no key on this machine itself, if no proxy is between.",
    )
    session_idle_s: float = Field(
        default=12 * 3600.0, ge=120, description="Seconds without a look after which a sign-in ends."
    )
    session_max_s: float = Field(
        default=7 * 86400.0, gt=0, description="Seconds after which a sign-in ends in any case."
    )

    # --- workers
    engine: str = Field(default="auto", description="`auto`, `openvino`, `onnxruntime` or `torch`.")
    device: str = Field(default="auto", description="`auto`, `cpu` or `cuda`.")
    worker_threads: int = Field(default=1, description="Threads of inference in one worker process.")
    batch_size: int = Field(default=128, description="Images in one batch of the network.")
    interactive_batch: int = Field(
        default=64, description="Most single-image chunks in one interactive batch."
    )
    lease_s: float = Field(default=15.0, description="Seconds until a silent worker loses its chunk.")
    chunk_limit_s: float = Field(
        default=60.0,
        gt=0,
        description="Seconds after its claim at which a lease ends for good and the process that works on it.",
    )
    item_limit_s: float = Field(
        default=20.0,
        gt=0,
        description="Seconds that one image, or one batch of the network, may take; a process that takes longer is "
        "ended, and what it read is suspect.",
    )
    interactive_limit_s: float = Field(
        default=10.0, gt=0, description="The same in the lane of single images, where others wait behind it."
    )
    chunk_memory_bytes: int = Field(
        default=2048 * MIB,
        ge=0,
        description="By how much a process may grow while it works on a chunk; beyond it is ended, and what it read "
        "is suspect. 0: no limit.",
    )
    recycle_bytes: int = Field(
        default=1024 * MIB,
        ge=0,
        description="By how much a process may have grown between two chunks since it loaded its models; beyond it "
        "makes room for a new one. 0: no limit.",
    )
    stop_grace_s: float = Field(
        default=20.0,
        gt=0,
        description="Seconds after SIGTERM until what is still in hand is given back unfinished; whoever stops the "
        "worker should wait five seconds longer before SIGKILL.",
    )
    stand_in_s: float = Field(
        default=2.0,
        gt=0,
        description="Seconds that a single image has waited when a worker of the lane `bulk` reads it in between.",
    )
    chunk_budget_s: float = Field(
        default=20.0,
        description="Seconds of work after which a worker commits what it has and splits off the rest.",
    )
    chunk_target_s: float = Field(default=1.0, description="Seconds of estimated work in one chunk.")
    chunk_max_items: int = Field(default=1000, description="Most items in one chunk.")
    chunk_max_bytes: int = Field(default=32 * MIB, description="Most stored bytes in one chunk.")
    ticket_slice_s: float = Field(
        default=15.0,
        description="Seconds that a worker goes on claiming for one ticket before it acknowledges.",
    )
    task_limit_s: float = Field(
        default=90.0, description="Seconds after which a worker process that does not come back is killed."
    )
    heartbeat_s: float = Field(default=1.0, description="Seconds between two signs of life of a worker.")
    max_crashes: int = Field(default=3, description="Crashes by itself that make an item `model_error`.")

    # --- the steward
    sweep_s: float = Field(default=1.0, description="Seconds between two sweeps of the steward.")
    ticket_cap: int = Field(default=64, description="Most tickets that the steward keeps in a lane.")
    upload_stale_s: float = Field(
        default=300.0, description="Seconds without a byte until an upload is collected."
    )
    stuck_transaction_s: float = Field(
        default=10.0, description="Seconds after which a worker's open transaction is terminated."
    )
    worker_gone_s: float = Field(
        default=15.0, description="Seconds without a heartbeat until a worker counts as gone."
    )

    # --- webhooks (api, steward)
    webhook_allowed_hosts: str = Field(
        default="",
        description="Hosts that webhooks may call by http as well and although they are not public, separated by "
        "commas: `host`, `host:port`, `*.example.org`, `10.0.0.5`, `[::1]:9000`.",
    )
    webhook_ports: str = Field(default="443,8443", description="Ports that webhooks to other hosts may have.")
    webhook_denied_networks: str = Field(
        default="",
        description="Networks that webhooks may never call although their numbers are public, separated by commas: "
        "inner networks of yours, or a NAT64 prefix, as `203.0.112.0/24`.",
    )
    webhook_ca_file: str = Field(
        default="",
        description="PEM file of further certificate authorities that webhooks trust; empty: the usual ones only.",
    )

    webhook_schedule_s: str = Field(
        default="0,5,300,1800,7200,18000,36000,50400,72000,86400",
        description="Seconds before each try of a webhook, the first included; their number is that of the tries.",
    )
    webhook_jitter: float = Field(
        default=0.1, description="Share by which the wait before a further try may be longer or shorter."
    )
    webhook_timeout_s: float = Field(default=20.0, description="Seconds that one try may take in all.")
    webhook_lease_s: float = Field(
        default=45.0,
        description="Seconds after which another steward sends what one that was lost had begun to send; at least five "
        "more than a try may take.",
    )
    webhook_poll_s: float = Field(
        default=0.2, description="Seconds between two looks for webhooks that are due."
    )
    webhook_concurrency: int = Field(
        default=1000, description="Most tries under way at once in one steward; each may hold a connection."
    )
    webhook_overlap_s: float = Field(
        default=86400.0, description="Seconds that the old secret signs too after a rotation."
    )
    webhook_log_s: float = Field(
        default=30 * 86400.0, description="Seconds that a delivery stays in the log; then it is removed."
    )

    # --- S3 (the usual AWS_… variables give the credentials)
    s3_endpoint: str = Field(default="", description="Address of an S3-speaking server that is not AWS.")
    s3_region: str = Field(default="", description="Region of the bucket; empty: `AWS_REGION`.")

    @property
    def model_dirs(self) -> tuple[Path, ...]:
        """Return the further folders of model packages."""
        return tuple(Path(part) for part in self.models_dirs.split(os.pathsep) if part)

    @property
    def registry_models(self) -> tuple[str, ...]:
        """Return the references to a model registry."""
        return tuple(part.strip() for part in self.models.split(",") if part.strip())

    @property
    def sqlalchemy_url(self) -> str:
        """Return the database address as SQLAlchemy wants it, with psycopg 3 as the driver."""
        scheme, rest = self.database_url.split("://", 1)
        return f"postgresql+psycopg://{rest}" if scheme.startswith("postgres") else self.database_url


@cache
def get_settings() -> Settings:
    """Read the environment once a process."""
    return Settings()
