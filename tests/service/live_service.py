"""Callers of a running service, and a look at its processes."""

import http.client
import socket
import time
from contextlib import contextmanager, suppress
from threading import Event, Thread

import psutil

from churn_value.service.client import Client, ServiceRefused
from churn_value.service.serve import LOCAL, readiness

IDS = ("0001", "0002", "客户 3")
ITEMS = [{"customer_id": one} for one in IDS]
BODY = b'{"items": [{"customer_id": "0001"}, {"customer_id": "0002"}], "explain": false}'
HEADERS = {"Content-Type": "application/json"}


def port_of(url):
    return int(url.rsplit(":", 1)[1])


class Load:
    """Callers that ask until they are told to stop; what each answer was."""

    def __init__(self, url, callers=2, *, retries=0, while_ready=False):
        self.stop, self.while_ready = Event(), while_ready
        self.answers, self.failures = [], []
        self.threads = [Thread(target=self._ask, args=(url, retries)) for _ in range(callers)]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        for thread in self.threads:
            thread.join(60)

    def _ask(self, url, retries):
        port = port_of(url)
        with Client(url, timeout_s=60, retries=retries) as client:
            while not self.stop.is_set() and not (self.while_ready and readiness(port)[0] == 503):
                try:
                    response = client.score(ITEMS, explain=False)
                except (ServiceRefused, OSError, http.client.HTTPException) as error:
                    self.failures.append(repr(error))
                    continue
                told = {result["customer_id"]: result["churn"]["probability"] for result in response["results"]}
                self.answers.append((response["model"]["bundle"], told, response["model"]["version"]))


def asked(port, body=BODY):
    """Status, names of headers and content of one answer, on a connection of its own."""
    connection = http.client.HTTPConnection(LOCAL, port, timeout=60)
    connection.request("POST", "/v1/score", body, HEADERS)
    response = connection.getresponse()
    content = response.read()
    connection.close()
    return response.status, {name.lower() for name, _ in response.getheaders()}, content


def times(port, count):
    """Seconds of as many answers, one after the other."""
    found = []
    for _ in range(count):
        began = time.perf_counter()
        assert asked(port)[0] == 200
        found.append(time.perf_counter() - began)
    return found


def workers_of(process):
    """Worker processes of a supervisor."""
    found = []
    for child in psutil.Process(process.pid).children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            if "_bentoml_impl.worker.service" in child.cmdline():
                found.append(child)
    return found


@contextmanager
def sockets(port, count, sent):
    """Connections on which something was sent, held open."""
    held = []
    for _ in range(count):
        held.append(socket.create_connection((LOCAL, port), timeout=30))
        held[-1].sendall(sent)
    try:
        yield held
    finally:
        for one in held:
            one.close()


def chunked(port, size):
    """Status of a body sent in chunks; None when the connection was cut before it could be read."""
    connection = http.client.HTTPConnection(LOCAL, port, timeout=60)
    connection.putrequest("POST", "/v1/score")
    connection.putheader("Content-Type", "application/json")
    connection.putheader("Transfer-Encoding", "chunked")
    connection.endheaders()
    piece = b" " * 65_536
    with suppress(OSError):
        for _ in range(size // len(piece)):
            connection.send(b"10000\r\n" + piece + b"\r\n")
    try:
        return connection.getresponse().status
    except OSError:
        return None
    finally:
        connection.close()
