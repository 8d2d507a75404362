#!/bin/sh
# Starts the web, or the coreapp, as the environment says.
exec python3 -m pytest_wa_settings.reference launch
