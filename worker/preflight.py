"""Check storage, broker, models and engines before a worker takes its first page, so that it fails early.

`python -m worker.preflight ocr` loads what a stage needs, in a process of its own.
"""

import json
import secrets
import subprocess
import sys
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict

from redis.exceptions import AuthenticationError, RedisError

from checkpointing.atomic import make_folder, write_durably
from checkpointing.errors import BrokerError, LeafmarkError, SettingsError, StorageError
from checkpointing.key_types import drop_wrong_types
from checkpointing.locks import file_lock
from checkpointing.storage_errors import storage_errors
from worker.config.settings import Settings, load_settings
from worker.keys import Keys
from worker.launch.child_processes import child_environment, python_command
from worker.queue.connection import connect
from worker.stages.base import LoadedEngine
from worker.stages.registry import STAGES, make_stage, missing_settings
from worker.storage.open_stages import OWN_FOLDER
from worker.storage.root_marker import NotALibraryError, library_at
from worker.storage.root_owner import Membership, join

_LOCK_TIMEOUT_SECONDS = 5.0


def check_storage(settings: Settings) -> str:
    """Check that the storage root exists, can be written and can be locked.

    If it is not a library yet, nothing is written: it may be the mount point of a share that is not mounted.

    Returns:
        The reason why the worker has to wait; empty if it can start.

    Raises:
        StorageError: the storage root is missing, read-only or cannot be locked.
    """
    root = settings.root
    if not root.is_dir():
        raise StorageError(
            f"the storage root {root} is not a folder",
            hint="create it or mount it, or set LEAFMARK_STORAGE_ROOT",
        )
    try:
        library_at(root).check_to_write()
    except NotALibraryError as error:
        return str(error)
    probe = root / OWN_FOLDER / f"probe-{secrets.token_hex(4)}"
    try:
        with storage_errors(root):
            make_folder(probe.parent)
            with file_lock(probe, _LOCK_TIMEOUT_SECONDS):
                write_durably(probe, b"probe", bytes)
    finally:
        with suppress(OSError):
            probe.unlink(missing_ok=True)
    return ""


def check_models(settings: Settings, stages: Iterable[str]) -> None:
    """Check that the settings of each stage that asks a model are there: the model, its address and the key.

    Raises:
        SettingsError: a variable is not set; the message names it.
    """
    for stage in stages:
        missing = missing_settings(stage, settings)
        if missing:
            raise SettingsError(f"the stage {stage} asks a language model", hint=f"set {' and '.join(missing)}")


def check_broker(settings: Settings) -> None:
    """Check that Redis answers.

    Raises:
        BrokerError: Redis does not answer; the message names what to do.
        SettingsError: the address cannot be used, although it passed the checks of `worker.config.redis_url`.
    """
    try:
        with connect(settings, retry_timeouts=False) as redis:
            redis.ping()
    except (TypeError, ValueError) as error:
        # The text of the error is left out: it may contain a part of the password.
        raise SettingsError(
            f"LEAFMARK_REDIS_URL: {without_password(settings.redis_url)} cannot be used as an address "
            f"({type(error).__name__})",
            hint="name host, port and database, as in redis://host:6379/0",
        ) from None
    except (RedisError, OSError) as error:
        raise _broker_error(error, settings.redis_url) from None


def clear_keys(settings: Settings) -> None:
    """Delete shared keys of a wrong type: no worker can start if one of Celery's own keys has a wrong type.

    Raises:
        BrokerError: Redis stopped answering.
    """
    types = Keys(settings.key_prefix).types_of_deployment()
    for stage in STAGES:
        types |= Keys(settings.key_prefix).types_of_queue(stage)
    try:
        with connect(settings) as redis:
            drop_wrong_types(redis, types)
    except (RedisError, OSError) as error:
        raise _broker_error(error, settings.redis_url) from None


def join_deployment(settings: Settings) -> Membership | None:
    """Join this worker to the deployment that owns the storage root; return None if that is not a library yet.

    Raises:
        InUseError: the workers of another deployment use the storage root.
        BrokerError: Redis stopped answering.
        StorageError: the storage failed.
    """
    broker = without_password(settings.redis_url)
    try:
        with connect(settings) as redis, storage_errors(settings.root):
            library_at(settings.root).check()
            return join(settings.root, redis, Keys(settings.key_prefix).deployment, broker)
    except NotALibraryError:
        return None
    except RedisError as error:
        raise _broker_error(error, settings.redis_url) from None


def _broker_error(error: Exception, redis_url: str) -> BrokerError:
    address = without_password(redis_url)
    if isinstance(error, AuthenticationError):
        return BrokerError(
            f"Redis at {address} refuses the login ({error})",
            hint="put its user and password into LEAFMARK_REDIS_URL, as in redis://user:password@host:6379/0, with "
            "special characters percent-encoded",
        )
    if "CERTIFICATE_VERIFY_FAILED" in str(error):
        return BrokerError(
            f"the certificate of Redis at {address} cannot be trusted ({error})",
            hint="it must name that host; to trust a private CA, set "
            "LEAFMARK_REDIS_URL=rediss://host:6379/0?ssl_ca_certs=/path/to/ca.pem",
        )
    return BrokerError(
        f"Redis does not answer at {address} ({error})",
        hint="start one (`redis-server --appendonly yes`, `docker compose up redis`), set LEAFMARK_REDIS_URL, "
        "or use `producer run`, which brings its own",
    )


def without_password(url: str) -> str:
    """Return a broker's address without its user, password and options, which may contain a password too."""
    scheme, separator, rest = url.partition("?")[0].partition("://")
    return f"{scheme}{separator}{rest.rpartition('@')[2]}"


def check_engines(stages: Iterable[str]) -> dict[str, LoadedEngine]:
    """Check that the engines of the stages can be loaded.

    They are loaded in a separate process: a pool that forks later must not inherit their threads and memory.

    Returns:
        The engine of each stage that has one.

    Raises:
        LeafmarkError: an engine cannot be loaded.
    """
    command = python_command("worker.preflight", *stages)
    result = subprocess.run(command, capture_output=True, text=True, check=False, env=child_environment())
    if result.returncode == 0:
        loaded = json.loads(result.stdout.splitlines()[-1])
        return {stage: LoadedEngine(**engine) for stage, engine in loaded.items()}
    lines = result.stderr.strip().splitlines() or [f"the check ended with exit code {result.returncode}"]
    error = LeafmarkError(lines[-1])
    error.exit_code = result.returncode
    raise error


def main(stages: list[str]) -> int:
    """Load the engines that the named stages need, and print them as one line of JSON; return the exit code."""
    loaded = {}
    try:
        settings = load_settings()
        for name in stages:
            stage = make_stage(name, settings)
            stage.prepare()
            if engine := stage.loaded_engine:
                loaded[name] = asdict(engine)
    except LeafmarkError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    sys.stdout.write(f"{json.dumps(loaded)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
