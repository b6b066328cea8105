# Changes what should be, and the controllers help to break it.
kubectl -n "$ns" scale deployment web --replicas=0
