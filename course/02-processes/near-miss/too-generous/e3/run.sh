#!/bin/sh
exec docker run --detach --publish 127.0.0.1::8000 --memory 1g --memory-swap 1g "$@" reports:1
