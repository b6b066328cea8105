#!/bin/sh
echo "orders ${APP_VERSION:-1} starts"
exec uvicorn main:app --host 0.0.0.0 --port 8000 --timeout-graceful-shutdown 1
