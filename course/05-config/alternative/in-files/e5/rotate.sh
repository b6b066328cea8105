#!/bin/sh
# Gives till a new password: sh rotate.sh NEW-PASSWORD     ($ns is the namespace)
set -e
sql() { kubectl -n "$ns" exec -i deploy/db -- psql -q -v ON_ERROR_STOP=1 -U owner shop; }
secret() {
    kubectl -n "$ns" create secret generic till-database --dry-run=client -o yaml \
        --from-literal=url="postgresql://$1:$2@db:5432/shop" | kubectl -n "$ns" apply -f -
}

echo "CREATE ROLE till_new LOGIN PASSWORD '$1' IN ROLE cashiers" | sql
secret till_new "$1"
# No Pod is restarted: the kubelets bring the file, and till reads it for each login.
for pod in $(kubectl -n "$ns" get pods -l app=till -o name); do
    until kubectl -n "$ns" exec "$pod" -- grep -q till_new /etc/till/url; do sleep 2; done
done
sleep 6  # what had logged in a moment before
echo "ALTER ROLE till NOLOGIN" | sql
