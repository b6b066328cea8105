#!/bin/sh
exec docker run --detach --publish 127.0.0.1::8000 --memory 256m --memory-swap 256m "$@" reports:1
