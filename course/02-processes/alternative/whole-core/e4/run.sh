#!/bin/sh
exec docker run --detach --publish 127.0.0.1::8000 --cpu-shares 512 --cpus 1 "$@" reports:1
