#!/bin/sh
exec docker run --detach --publish 127.0.0.1::8000 --cap-drop ALL "$@" "${IMAGE:-reports:1}"
