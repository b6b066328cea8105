#!/bin/sh
trap 'exit 0' TERM
echo "orders ${APP_VERSION:-1} starts"
uvicorn main:app --host 0.0.0.0 --port 8000 &
wait $!
