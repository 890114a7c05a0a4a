"""A real server that speaks S3, of the tests' own: private port, in memory, ended by its pid."""

import json
import os
import subprocess
from pathlib import Path

import urllib3

_SCRIPT = Path(__file__).parent / "objects_script.py"
_BUCKET = "models"


class ObjectServer:
    """One server process with one bucket; each store that is asked for is a folder of its own."""

    def __init__(self, programs: Path) -> None:
        # Proxies of this machine must not stand between two programs on it.
        surroundings = {k: v for k, v in os.environ.items() if not k.lower().endswith("_proxy")}
        self._process = subprocess.Popen(
            [programs / "python", _SCRIPT],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=surroundings,
        )
        assert self._process.stdout is not None
        told = self._process.stdout.readline()
        assert told, "the object server did not start"
        self._url = f"http://127.0.0.1:{json.loads(told)}"
        made = urllib3.PoolManager().request("PUT", f"{self._url}/{_BUCKET}")
        assert made.status == 200, made.data
        self._folders = 0

    def new_folder(self) -> str:
        """The URL of an empty folder, as a workspace's settings name it."""
        self._folders += 1
        return f"s3://{_BUCKET}/{self._folders}"

    @property
    def surroundings(self) -> dict[str, str]:
        """Where the server is and who asks, as the environment of a process says it."""
        return {
            "AWS_ENDPOINT_URL": self._url,
            "AWS_ALLOW_HTTP": "true",
            "AWS_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "somebody",
            "AWS_SECRET_ACCESS_KEY": "something",
        }

    def stop(self) -> None:
        """End the server; what it kept is gone."""
        self._process.kill()
        self._process.communicate()
