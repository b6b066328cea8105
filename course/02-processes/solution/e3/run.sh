#!/bin/sh
# Starts reports: 35 MB at rest, 60 more while it makes a report, and some room.
exec docker run --detach --publish 127.0.0.1::8000 --memory 160m --memory-swap 160m "$@" reports:1
