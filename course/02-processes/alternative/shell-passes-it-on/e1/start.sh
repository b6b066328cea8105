#!/bin/sh
echo "orders ${APP_VERSION:-1} starts"
uvicorn main:app --host 0.0.0.0 --port 8000 &
trap 'kill -TERM $!' TERM
wait $!   # ends when the trap has run
wait $!   # ends when uvicorn has
