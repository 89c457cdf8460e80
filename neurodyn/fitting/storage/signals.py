"""Ending a long run in good order when the system asks for it."""

import contextlib
import signal
import threading
from collections.abc import Iterator


class Stop:
    """Whether a signal has asked to stop, and which."""

    def __init__(self) -> None:
        self.signal: signal.Signals | None = None


@contextlib.contextmanager
def stop_on_signals() -> Iterator[Stop]:
    """Within it SIGTERM and the first SIGINT only leave a note; a second SIGINT interrupts at once.

    Outside of the main thread, where Python has no signal handlers, the note stays empty.
    """
    stop = Stop()

    def handle(number, frame):
        del frame
        if stop.signal == signal.SIGINT and number == signal.SIGINT:
            raise KeyboardInterrupt
        stop.signal = signal.Signals(number)

    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
