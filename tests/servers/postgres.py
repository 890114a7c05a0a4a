"""A real PostgreSQL server of the tests' own: private port, temporary folder, ended by its pid.

It keeps no promise of durability (`fsync=off`), which no test needs, and asks for a password, so
that a test can look for it where it must not be.
"""

import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
from pathlib import Path

import psycopg
from psycopg import sql

from tests.servers.until import until

_FOLDERS = sorted(
    Path("/usr/lib/postgresql").glob("*/bin"), key=lambda each: float(each.parent.name)
)


def binaries() -> Path | None:
    """The folder of the newest installed server, if there is one."""
    found = shutil.which("initdb")
    if found and shutil.which("postgres"):
        return Path(found).parent
    return _FOLDERS[-1] if _FOLDERS else None


class PostgresServer:
    """One server process; may be killed and started again with what it had."""

    def __init__(self, programs: Path) -> None:
        self._programs = programs
        self._folder = Path(tempfile.mkdtemp(prefix="mainstay-postgres-"))
        self._user = "postgres" if os.geteuid() == 0 else None
        if self._user is not None:
            # initdb refuses root, so everything belongs to, and runs as, somebody else.
            shutil.chown(self._folder, self._user)
        self.password = "pw" + secrets.token_hex(8)
        # Held as long as the server lives, also between two lives of it: nobody else is given the
        # port, while the server, which asks for it by its number, may share it.
        self._held = socket.socket()
        self._held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._held.bind(("127.0.0.1", 0))
        self.port = self._held.getsockname()[1]
        self._process: subprocess.Popen[bytes] | None = None
        self._databases = 0
        secret = self._folder / "secret"
        secret.write_text(self.password)
        options = ["--auth=scram-sha-256", f"--pwfile={secret}", "--username=mainstay"]
        subprocess.run(
            [programs / "initdb", "-D", self._folder / "data", "-E", "UTF8", "--no-sync", *options],
            check=True,
            user=self._user,
            group=self._user,
            capture_output=True,
            cwd=self._folder,
        )

    def start(self) -> None:
        """Start the server and wait until it lets somebody in."""
        settings = {
            "port": self.port,
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": self._folder,
            "fsync": "off",
            "shared_buffers": "16MB",
            "max_connections": 60,
        }
        chosen = [f"--{name}={value}" for name, value in settings.items()]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._programs / "postgres", "-D", self._folder / "data", *chosen],
                user=self._user,
                group=self._user,
                stdout=log,
                stderr=log,
                cwd=self._folder,
            )
        until(self._answers, what=f"PostgreSQL answers on port {self.port}")

    def kill(self) -> None:
        """Let the server die at once, with whatever its clients were doing."""
        self._end(signal.SIGQUIT)

    def remove(self) -> None:
        """Stop the server and remove its folder."""
        self._end(signal.SIGINT)
        self._held.close()
        shutil.rmtree(self._folder)

    def new_database(self) -> str:
        """The URL of a new, empty database."""
        self._databases += 1
        name = f"workspace_{self._databases}"
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        return self.url(name)

    def url(self, database: str) -> str:
        """The URL of a database on this server."""
        return f"postgresql://mainstay:{self.password}@127.0.0.1:{self.port}/{database}"

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, (self._folder / "log").read_text()[-2000:]
        try:
            psycopg.connect(self.url("postgres"), connect_timeout=5).close()
        except psycopg.OperationalError:
            return False
        return True

    def _end(self, how: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(timeout=120)
            self._process = None
