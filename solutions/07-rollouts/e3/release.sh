#!/bin/sh
# Releases an image: sh release.sh orders:2     ($ns is the namespace)
# The pipeline goes on if this ends with 0, and calls somebody if it does not.
kubectl -n "$ns" set image deployment/orders orders="$1"
if ! kubectl -n "$ns" rollout status deployment/orders; then
    kubectl -n "$ns" rollout undo deployment/orders
    kubectl -n "$ns" rollout status deployment/orders
    echo "$1 did not get ready; the version before it is back" >&2
    exit 1
fi
echo "released $1"
