"""Start the service: ``python -m churn_value.service.serve --name completejourney --port 3000``.

The process becomes BentoML's supervisor with every setting explicit: loopback unless told otherwise, telemetry off, one
OpenMP thread per worker (LightGBM is slower with more on single rows, and hangs after a fork with more). `running` does
the same in a child process, for the demo and for tests.
"""

from __future__ import annotations

import argparse
import http.client
import ipaddress
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import churn_value
from churn_value.errors import ChurnValueError, ConfigError, ModelError
from churn_value.service.auth import is_loopback, read_keys
from churn_value.service.options import Options
from churn_value.settings import Settings

LOCAL = "127.0.0.1"
PORT = 3000
SERVICE = "churn_value.service.app:ChurnValue"
DRAIN_S = 10
STOP_S = 20.0
READY_S = 90.0
LOG_TAIL_BYTES = 4_000


def check_bind(host: str, keys_file: Path | None) -> str:
    """Address to bind.

    Parameters
    ----------
    host
        An IP address, or ``localhost``.
    keys_file
        File of keys, or None.

    Raises
    ------
    ConfigError
        When `host` is not an address, is reachable from other machines while no keys are configured, or the file of
        keys cannot be read.
    """
    address = LOCAL if host == "localhost" else host
    try:
        ipaddress.ip_address(address)
    except ValueError:
        raise ConfigError("the host must be an IP address", where="--host", received=host) from None
    if keys_file is not None:
        read_keys(keys_file)
    elif not is_loopback(address):
        raise ConfigError(
            "other machines may reach the service only when it knows its callers",
            code="PUBLIC_BIND_WITHOUT_KEYS",
            where="--host",
            received=host,
            remedy="give --keys FILE (python -m churn_value.service.auth makes a key), or bind 127.0.0.1",
        )
    return address


def command(host: str, port: int) -> list[str]:
    """Command line of BentoML's supervisor."""
    stop = ("--timeout-graceful-shutdown", str(DRAIN_S))
    return [sys.executable, "-m", "bentoml", "serve", SERVICE, "--host", host, "--port", str(port), *stop]


def environment(options: Options, settings: Settings, port: int) -> dict[str, str]:
    """Environment of the service: this process's, with every setting the workers read.

    BentoML keeps its metrics files under its home and empties them on start, so each port has a home of its own.
    """
    source = Path(churn_value.__file__).parents[1]
    path = os.pathsep.join(filter(None, (str(source), os.environ.get("PYTHONPATH"))))
    home = settings.place(options.name) / "service" / str(port)
    home.mkdir(parents=True, exist_ok=True)
    return {
        **os.environ,
        **options.environment(),
        "CHURN_VALUE_ARTIFACTS": str(settings.artifacts.resolve()),
        "CHURN_VALUE_MODELS": str(settings.models.resolve()),
        "BENTOML_DO_NOT_TRACK": "True",
        "BENTOML_HOME": str(home.resolve()),
        "OMP_NUM_THREADS": "1",
        "OMP_WAIT_POLICY": "passive",
        "PYTHONPATH": path,
        "PYTHONUNBUFFERED": "1",
    }


def serve(options: Options, *, host: str = LOCAL, port: int = PORT) -> None:
    """Become the service: this process is replaced and does not return.

    Raises
    ------
    ConfigError
        See `check_bind`.
    """
    address = check_bind(host, options.keys_file)
    check_port(address, port)
    os.execve(sys.executable, command(address, port), environment(options, Settings.from_environment(), port))  # noqa: S606 - our own interpreter


def check_port(address: str, port: int) -> None:
    """Refuse a port that cannot be bound, before a supervisor would.

    Raises
    ------
    ConfigError
        ``PORT_UNAVAILABLE``.
    """
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except (OSError, OverflowError) as error:
            raise ConfigError(
                "the port must be free",
                code="PORT_UNAVAILABLE",
                where="--port",
                received=f"{port}: {error}",
                remedy="stop what listens there, or give another --port",
            ) from None


def free_port() -> int:
    """A port of the loopback address that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind((LOCAL, 0))
        number: int = probe.getsockname()[1]
        return number


def readiness(port: int, timeout_s: float = 2.0) -> tuple[int, Mapping[str, object]]:
    """Status and content of ``/readyz``; status 0 while nobody answers."""
    connection = http.client.HTTPConnection(LOCAL, port, timeout=timeout_s)
    try:
        connection.request("GET", "/readyz")
        response = connection.getresponse()
        return response.status, json.loads(response.read())
    except (OSError, http.client.HTTPException, ValueError):
        return 0, {}
    finally:
        connection.close()


@contextmanager
def started(
    name: str,
    *,
    port: int | None = None,
    options: Options | None = None,
    settings: Settings | None = None,
    ready_s: float = READY_S,
) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """The service in a child process while the context lasts.

    Parameters
    ----------
    name
        Company whose champion is served.
    port
        Port on the loopback address; None takes a free one.
    options, settings
        Limits and folders; None: those of the environment.
    ready_s
        Longest wait for ``/readyz`` [s].

    Yields
    ------
    tuple of str and Popen
        Base URL, as in ``http://127.0.0.1:3000``, and the supervisor's process.

    Raises
    ------
    ModelError
        ``SERVICE_NOT_READY`` when it ends or is not ready in time; the message has the end of its log.
    """
    settings = settings or Settings.from_environment()
    options = replace(options or Options.from_environment(), name=name)
    port = port or free_port()
    check_port(LOCAL, port)
    variables = environment(options, settings, port)
    log = settings.place(name) / "service" / f"{port}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603 - our own interpreter and fixed arguments
            command(check_bind(LOCAL, options.keys_file), port),
            env=variables,
            stdout=output,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
    try:
        _wait_ready(process, port, ready_s, log)
        yield f"http://{LOCAL}:{port}", process
    finally:
        stop(process)


@contextmanager
def running(
    name: str,
    *,
    port: int | None = None,
    options: Options | None = None,
    settings: Settings | None = None,
) -> Iterator[str]:
    """Base URL of the service, as in ``http://127.0.0.1:3000``, while the context lasts; see `started`."""
    with started(name, port=port, options=options, settings=settings) as (url, _):
        yield url


def _wait_ready(process: subprocess.Popen[bytes], port: int, ready_s: float, log: Path) -> None:
    ends = time.monotonic() + ready_s
    status, content = readiness(port)
    while time.monotonic() < ends and process.poll() is None:
        status, content = readiness(port)
        if status == http.client.OK:
            return
        time.sleep(0.1)
    tail = log.read_bytes()[-LOG_TAIL_BYTES:].decode("utf-8", "replace")
    raise ModelError(
        f"the service must be ready within {ready_s:.0f} s",
        code="SERVICE_NOT_READY",
        where=str(log),
        received=f"status {status}, faults {content.get('faults')}, log:\n{tail}",
    )


def stop(process: subprocess.Popen[bytes]) -> None:
    """End the service as an operator would; by force if it has not ended within `STOP_S`."""
    if process.poll() is None:
        process.terminate()
    try:
        process.wait(STOP_S)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve the champion of one company."""
    defaults = Options.from_environment()
    parser = argparse.ArgumentParser(prog="python -m churn_value.service.serve", description=main.__doc__)
    parser.add_argument("--name", default=defaults.name, help="folder of models/exported (default: %(default)s)")
    parser.add_argument("--host", default=LOCAL, help="address to bind (default: %(default)s)")
    parser.add_argument("--port", type=int, default=PORT, help="default: %(default)s")
    parser.add_argument("--workers", type=int, default=defaults.workers, help="processes (default: %(default)s)")
    parser.add_argument("--keys", type=Path, default=defaults.keys_file, help="file of hashed API keys")
    given = parser.parse_args(arguments)
    options = replace(defaults, name=given.name, workers=given.workers, keys_file=given.keys)
    serve(options, host=given.host, port=given.port)


if __name__ == "__main__":
    try:
        main()
    except ChurnValueError as error:
        sys.stderr.write(f"{error.code} {error}\n")
        sys.exit(error.exit_status)
