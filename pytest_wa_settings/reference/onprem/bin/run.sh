#!/bin/sh
# The image's entry: a path is a command of its own, as in the published compose files; all else is the reference's.
case "$1" in
    /*) exec "$@" ;;
    *) exec python3 -m pytest_wa_settings.reference "$@" ;;
esac
