#!/bin/sh
set -eu
echo "orders ${APP_VERSION:-1} starts"
exec "$@"
