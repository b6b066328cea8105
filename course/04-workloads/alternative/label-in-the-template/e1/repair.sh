kubectl -n "$ns" patch deployment orders --patch '{"spec": {"template": {"metadata": {"labels": {"tier": "web"}}}}}'
kubectl -n "$ns" rollout status deployment/orders --timeout=50s
