#!/bin/sh
# Gives till a new password: sh rotate.sh NEW-PASSWORD     ($ns is the namespace)
set -e
sql() { kubectl -n "$ns" exec -i deploy/db -- psql -q -v ON_ERROR_STOP=1 -U owner shop; }
secret() {
    kubectl -n "$ns" create secret generic till-database --dry-run=client -o yaml \
        --from-literal=url="postgresql://$1:$2@db:5432/shop" | kubectl -n "$ns" apply -f -
}

echo "ALTER ROLE till PASSWORD '$1'" | sql
secret till "$1"
for pod in $(kubectl -n "$ns" get pods -l app=till -o name); do
    until kubectl -n "$ns" exec "$pod" -- grep -q "$1" /etc/till/url; do sleep 2; done
done
