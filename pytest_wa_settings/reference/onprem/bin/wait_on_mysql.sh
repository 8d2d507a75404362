#!/bin/sh
# Starts the command that is given; the reference refuses MySQL by itself, in one line.
exec "$@"
