"""What does the daemon tell systemd: a NOTIFY_SOCKET of the test's own, read by a thread."""

import secrets
import socket
import threading


class NotifySocket:
    """An abstract socket. It is read all the time: the kernel queues ten datagrams, and the daemon never waits."""

    def __init__(self) -> None:
        self.name = f"@pinakad-test-{secrets.token_hex(8)}"
        self._messages: list[str] = []
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind("\0" + self.name[1:])
        self._reader = threading.Thread(target=self._read, name="notify", daemon=True)
        self._reader.start()

    @property
    def messages(self) -> list[str]:
        """All that was said so far."""
        return list(self._messages)

    @property
    def statuses(self) -> list[str]:
        """The texts of STATUS, in order."""
        return [text.removeprefix("STATUS=") for text in self.messages if text.startswith("STATUS=")]

    def count(self, message: str) -> int:
        """Tell how often a message was sent."""
        return self.messages.count(message)

    def forget(self) -> None:
        """Count from now on."""
        self._messages.clear()

    def close(self) -> None:
        """Stop reading."""
        self._socket.shutdown(socket.SHUT_RD)
        self._reader.join()
        self._socket.close()

    def _read(self) -> None:
        while data := self._socket.recv(65536):
            self._messages.append(data.decode("ascii"))
