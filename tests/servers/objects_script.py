"""Run by the environment `objects`: serve S3 on a free port, say which, end with the input."""

import json
import sys

from moto.server import ThreadedMotoServer

server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
print(json.dumps(server.get_host_and_port()[1]), flush=True)
sys.stdin.read()
server.stop()
