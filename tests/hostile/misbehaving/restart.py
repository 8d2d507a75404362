"""The restart command of a misbehaving client: knocks at a port and waits for the answer."""

import socket
import sys

with socket.create_connection(("127.0.0.1", int(sys.argv[1])), timeout=30) as connection:
    connection.recv(64)
