#!/bin/sh
exec docker run --detach --publish 127.0.0.1::8000 --cpu-shares 4096 --cpus 0.2 "$@" reports:1
