# Repairs the Service orders. The check runs this file with sh, once, on a freshly broken system.
# $ns is the namespace, as in the notebook.
kubectl -n "$ns" get service orders
