#!/bin/sh
exec docker run --detach --publish 127.0.0.1::8000 --memory 64m --memory-swap 64m "$@" reports:1
