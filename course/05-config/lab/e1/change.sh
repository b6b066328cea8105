# Runs when the rate changes; $rate is the new one, $ns the namespace.
kubectl exec -n "$ns" deployment/pricing -- sh -c "echo $rate > /app/rate"
