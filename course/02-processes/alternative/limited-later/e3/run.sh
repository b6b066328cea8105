#!/bin/sh
set -eu
id=$(docker create --publish 127.0.0.1::8000 "$@" reports:1)
docker update --memory 200m --memory-swap 200m "$id" >/dev/null
docker start "$id"
