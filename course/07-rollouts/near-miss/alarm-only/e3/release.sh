#!/bin/sh
set -e
kubectl -n "$ns" set image deployment/orders orders="$1"
kubectl -n "$ns" rollout status deployment/orders
echo "released $1"
