# Breaks web for good. $ns is the namespace, as in the notebook.
kubectl -n "$ns" get pods
