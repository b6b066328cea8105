#!/bin/sh
# Starts reports. The check passes $IMAGE, and options of its own as "$@": keep both.
exec docker run --detach --publish 127.0.0.1::8000 "$@" "${IMAGE:-reports:1}"
