#!/bin/sh
# Says which release this is, then starts the service.
echo "orders ${APP_VERSION:-1} starts"
uvicorn main:app --host 0.0.0.0 --port 8000
