#!/bin/sh
# As the public image: makes the server's files at the first start, for POSTGRES_USER, _PASSWORD and _DB; then runs it.
set -e
user=${POSTGRES_USER:-postgres}
database=${POSTGRES_DB:-$user}
programs=$(ls -d /usr/lib/postgresql/*/bin)
if [ "$(id -u)" = 0 ]; then
    chown postgres:postgres "$PGDATA"
    exec setpriv --reuid postgres --regid postgres --clear-groups sh "$0" "$@"
fi
if [ ! -s "$PGDATA/PG_VERSION" ]; then
    printf '%s' "$POSTGRES_PASSWORD" >/tmp/password
    "$programs/initdb" -D "$PGDATA" -U "$user" --pwfile=/tmp/password -A scram-sha-256 --no-sync >/dev/null
    rm /tmp/password
    echo "host all all all scram-sha-256" >>"$PGDATA/pg_hba.conf"
    if [ "$database" != postgres ]; then
        echo "CREATE DATABASE \"$database\"" | "$programs/postgres" --single -D "$PGDATA" postgres >/dev/null
    fi
fi
exec "$programs/postgres" -D "$PGDATA" -c listen_addresses='*' -c unix_socket_directories=/tmp "$@"
