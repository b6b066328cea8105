#!/bin/sh
exec docker run --detach --publish 127.0.0.1::8000 --user 10001:10001 --read-only --cap-drop ALL \
    --tmpfs /tmp --tmpfs /srv/invoices:uid=10001,gid=10001,mode=0700 "$@" reports:1
