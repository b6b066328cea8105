#!/bin/sh
exec docker run --detach --publish 127.0.0.1::8000 --read-only --tmpfs /tmp "$@" "${IMAGE:-reports:1}"
