#!/bin/sh
# Starts reports. The check passes options of its own as "$@": keep them.
exec docker run --detach --publish 127.0.0.1::8000 "$@" reports:1
