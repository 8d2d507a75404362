#!/bin/sh
# Starts the command that is given; the reference waits for its database by itself.
exec "$@"
