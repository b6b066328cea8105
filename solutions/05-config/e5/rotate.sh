#!/bin/sh
# Gives till a new password: sh rotate.sh NEW-PASSWORD     ($ns is the namespace)
set -e
sql() { kubectl -n "$ns" exec -i deploy/db -- psql -q -v ON_ERROR_STOP=1 -U owner shop; }
old_pods=$(kubectl -n "$ns" get pods -l app=till -o name)

# A second way in, beside the first.
echo "CREATE ROLE till_2 LOGIN PASSWORD '$1' IN ROLE cashiers" | sql

# Everybody moves over.
kubectl -n "$ns" create secret generic till-database --dry-run=client -o yaml \
    --from-literal=url="postgresql://till_2:$1@db:5432/shop" | kubectl -n "$ns" apply -f -
kubectl -n "$ns" rollout restart deployment/till
kubectl -n "$ns" rollout status deployment/till --timeout=60s

# Only when the last of the old Pods is gone, the first way in is closed.
kubectl -n "$ns" wait --for=delete $old_pods --timeout=60s
echo "ALTER ROLE till NOLOGIN" | sql
