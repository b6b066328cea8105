#!/bin/sh
# Starts reports. When others want the CPU it gets half a default share; when nobody does, what it needs.
exec docker run --detach --publish 127.0.0.1::8000 --cpu-shares 512 "$@" reports:1
