#!/bin/sh
kubectl -n "$ns" set image deployment/orders orders="$1"
kubectl -n "$ns" rollout status deployment/orders || kubectl -n "$ns" rollout undo deployment/orders
echo "released $1"
