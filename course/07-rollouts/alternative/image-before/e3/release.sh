#!/bin/sh
# Releases an image: sh release.sh orders:2     ($ns is the namespace)
before=$(kubectl -n "$ns" get deployment orders -o jsonpath='{.spec.template.spec.containers[0].image}')
kubectl -n "$ns" set image deployment/orders orders="$1"
if kubectl -n "$ns" rollout status deployment/orders --timeout=25s; then
    echo "released $1"
else
    kubectl -n "$ns" set image deployment/orders orders="$before"
    kubectl -n "$ns" rollout status deployment/orders --timeout=25s
    exit 1
fi
