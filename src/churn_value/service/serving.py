"""What one worker holds: the champion, the feature store, the keys, the queue, and the thread that keeps them fresh."""

from __future__ import annotations

import logging
from threading import Event, Thread

from churn_value.service.admission import Admission
from churn_value.service.auth import KeyStore
from churn_value.service.by_hand import TiersByHand
from churn_value.service.champion import Champion, Served
from churn_value.service.events.store import EventStore
from churn_value.service.log.score_log import ScoreLog
from churn_value.service.metrics import Meters
from churn_value.service.options import Options
from churn_value.service.store import FeatureStore
from churn_value.service.trial import Trials
from churn_value.settings import Settings

log = logging.getLogger("churn_value.service")


class Serving:
    """State of a worker. Reading it takes no lock: each part is replaced as one reference.

    Parameters
    ----------
    options
        Limits, and the company served.
    settings
        Where bundles and scored tables are.
    """

    def __init__(self, options: Options, settings: Settings) -> None:
        self.options = options
        self._trials = Trials()
        self.champion = Champion(settings.exported(options.name), self._trials.run)
        self.store = FeatureStore(settings.scored_features(options.name), options.cache_bytes)
        self.events = EventStore(settings.events(options.name))
        self.by_hand = TiersByHand(settings.tier_overrides(options.name))
        self.score_log = ScoreLog(settings.score_log(options.name))
        self.keys = KeyStore(options.keys_file)
        self.admission = Admission(options.threads, options.waiting, options.deadline_s)
        self.meters = Meters()
        self._stop = Event()
        self._draining = Event()
        self._follower: Thread | None = None
        self._last_faults: tuple[str, ...] = ()

    def refresh(self) -> None:
        """Look once at the pointer, the feature table and the keys."""
        before = self.champion.current, self.champion.fault
        for part in (self.keys, self.champion, self.store, self.events, self.by_hand):
            part.refresh()
        if self.events.is_open and self.champion.current is not None:
            _ = self.champion.current.event_features  # made here once, so that no request waits for it
        self._measure(*before)
        if self.faults() != self._last_faults:
            self._last_faults = self.faults()
            log.warning('{"event": "state", "faults": "%s"}', ",".join(self._last_faults) or "none")

    def _measure(self, served: Served | None, fault: str | None) -> None:
        now = self.champion.current
        if now is not served:
            self.meters.swaps.labels("swapped").inc()
        elif self.champion.fault is not None and self.champion.fault != fault:
            self.meters.swaps.labels("refused").inc()
        self.meters.log_lost.set(self.score_log.lost)
        version = now.version if now else None
        self.meters.state(version, self.faults(), self.store.written_at_s, ready=not self.blockers())

    def start(self) -> None:
        """Load what is there, then look again every `poll_s` seconds until `stop`."""
        self.refresh()
        self.score_log.start()
        self._follower = Thread(target=self._follow, name="follower", daemon=True)
        self._follower.start()

    def drain(self) -> None:
        """Be no longer ready; everything else goes on."""
        self._draining.set()

    def stop(self) -> None:
        """End the follower; what is loaded stays usable, but the worker is no longer ready."""
        self._stop.set()
        if self._follower is not None:
            self._follower.join()
        self._trials.close()
        self.score_log.stop()

    def _follow(self) -> None:
        while not self._stop.wait(self.options.poll_s):
            self.refresh()
            if self.champion.place is not None:
                self._trials.prepare(self.champion.place)

    def blockers(self) -> tuple[str, ...]:
        """Codes of why this worker is not ready; empty when it is."""
        found = []
        if self.champion.current is None:
            found.append("NO_MODEL")
        if self.keys.fault:
            found.append(self.keys.fault)
        if self._stop.is_set() or self._draining.is_set():
            found.append("STOPPING")
        if self._follower is not None and not self._follower.is_alive() and not self._stop.is_set():
            found.append("FOLLOWER_DEAD")
        return tuple(found)

    def faults(self) -> tuple[str, ...]:
        """Codes of everything an operator should look at, blockers first."""
        others = (self.champion.fault, self.store.fault, self.events.fault, self.by_hand.fault, self.score_log.fault)
        return (*self.blockers(), *(fault for fault in others if fault))
