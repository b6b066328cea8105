kubectl -n "$ns" patch deployment orders --patch '{"spec": {"template": {"metadata": {"labels": {"tier": "web"}}}}}'
