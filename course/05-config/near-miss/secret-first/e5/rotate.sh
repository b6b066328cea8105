#!/bin/sh
# Gives till a new password: sh rotate.sh NEW-PASSWORD     ($ns is the namespace)
set -e
sql() { kubectl -n "$ns" exec -i deploy/db -- psql -q -v ON_ERROR_STOP=1 -U owner shop; }
secret() {
    kubectl -n "$ns" create secret generic till-database --dry-run=client -o yaml \
        --from-literal=url="postgresql://$1:$2@db:5432/shop" | kubectl -n "$ns" apply -f -
}

secret till "$1"
kubectl -n "$ns" rollout restart deployment/till
kubectl -n "$ns" rollout status deployment/till --timeout=20s || true
echo "ALTER ROLE till PASSWORD '$1'" | sql
kubectl -n "$ns" rollout status deployment/till --timeout=60s
