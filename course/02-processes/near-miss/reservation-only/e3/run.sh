#!/bin/sh
exec docker run --detach --publish 127.0.0.1::8000 --memory-reservation 160m "$@" reports:1
