#!/usr/bin/env bash
# A Docker engine with a base image and a PostgreSQL image for the tests here, on a Debian machine that has neither and can pull nothing.
#   engine.sh up FOLDER     installs what is missing, starts the engine unless one runs, makes the base image
#   engine.sh down FOLDER   ends the engine, if `up` started it
set -euo pipefail

# Built from Debian's own packages: they stand in for the public images that users get.
BASE=local/bookworm-py:base POSTGRES=local/postgres:stand-in

up() {
    local missing=()
    command -v dockerd >/dev/null || missing+=(docker.io)
    command -v iptables >/dev/null || missing+=(iptables)
    command -v debootstrap >/dev/null || missing+=(debootstrap)
    command -v docker-compose >/dev/null || missing+=(docker-compose)
    if ((${#missing[@]})); then
        apt-get update -qq
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
    fi
    docker info >/dev/null 2>&1 || start "$1"
    docker image inspect "$BASE" >/dev/null 2>&1 || import "$1/rootfs"
    docker image inspect "$POSTGRES" >/dev/null 2>&1 || build_postgres
}

start() {
    # What a killed engine left would keep the next one from starting.
    rm -f /var/run/docker.pid /run/docker/containerd/containerd.pid
    setsid dockerd >"$1/dockerd.log" 2>&1 </dev/null &
    echo $! >"$1/dockerd.pid"
    for _ in {1..150}; do
        docker info >/dev/null 2>&1 && return
        kill -0 "$(<"$1/dockerd.pid")" 2>/dev/null || break
        sleep 0.2
    done
    tail -n 5 "$1/dockerd.log" >&2
    printf 'the Docker engine does not start\n' >&2
    return 1
}

mirror() {
    local found
    found=$(sed -n 's/^URIs: *//p' /etc/apt/sources.list.d/*.sources 2>/dev/null | head -n 1)
    printf '%s' "${found:-$(awk '$1 == "deb" { print $2; exit }' /etc/apt/sources.list)}"
}

build_postgres() {
    docker build --quiet --tag "$POSTGRES" --build-arg BASE_IMAGE="$BASE" --build-arg MIRROR="$(mirror)" \
        "$(dirname "${BASH_SOURCE[0]}")/postgres" >/dev/null
}

import() {
    debootstrap --variant=minbase --include=python3-minimal,python3-venv,ca-certificates \
        bookworm "$1" "$(mirror)" >"$1.log" || { tail -n 5 "$1.log" >&2 && return 1; }
    rm -rf "$1"/var/cache/apt/archives/*.deb "$1"/var/lib/apt/lists/*
    tar -C "$1" -c . | docker import - "$BASE" >/dev/null
    rm -rf "$1"
}

down() {
    local pid
    [[ -e $1/dockerd.pid ]] || return 0
    pid=$(<"$1/dockerd.pid")
    # Containers first: the engine would wait ten seconds for each.
    docker ps -aq | xargs -r docker rm -f >/dev/null
    kill "$pid" 2>/dev/null || return 0
    for _ in {1..100}; do
        kill -0 "$pid" 2>/dev/null || return 0
        sleep 0.1
    done
    kill -KILL "$pid"
}

"$1" "$2"
