"""Ending without losing a request: readiness turns false first, the socket closes later, what is inside is answered.

Whoever spreads requests over several instances learns from ``/readyz`` that this one is leaving, and has `drain_s`
seconds to look before the socket closes. uvicorn then answers what it has accepted and ends.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from types import FrameType


def drain_on_sigterm(begin: Callable[[], None], drain_s: float) -> None:
    """Put ourselves in front of the server's own handler of SIGTERM; called on its event loop, in the main thread.

    Parameters
    ----------
    begin
        What turns readiness false.
    drain_s
        Time from then until the server's own handler runs [s]. A second SIGTERM runs it at once.
    """
    loop = asyncio.get_running_loop()
    servers_own = signal.getsignal(signal.SIGTERM)
    if not callable(servers_own):
        return
    begun = False

    def end(number: int, frame: FrameType | None) -> None:
        nonlocal begun
        if begun:
            servers_own(number, frame)
            return
        begun = True
        begin()
        loop.call_soon_threadsafe(loop.call_later, drain_s, servers_own, number, None)

    signal.signal(signal.SIGTERM, end)
