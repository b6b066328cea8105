#!/bin/sh
exec docker run --detach --publish 127.0.0.1::8000 --cpu-shares 512 --cpuset-cpus 0 "$@" reports:1
