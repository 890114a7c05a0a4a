"""How a child process notices that its supervisor is gone.

The supervisor holds the writing end of a pipe and never writes; however it ends, the kernel closes
that end, and every child reads the end of the file. The child then stops as on SIGTERM: gracefully.
"""

import os
import signal
import threading


def hold_lifeline(fd: int) -> threading.Thread:
    """Stop this process gracefully once the other end of the pipe is closed."""

    def wait() -> None:
        try:
            while os.read(fd, 64):
                pass
        except OSError:
            return
        os.kill(os.getpid(), signal.SIGTERM)

    thread = threading.Thread(target=wait, name="lifeline", daemon=True)
    thread.start()
    return thread
