# Runs when the rate changes; $rate is the new one, $ns the namespace.
for pod in $(kubectl get pods -n "$ns" -l app=pricing -o name); do
  kubectl exec -n "$ns" "$pod" -- sh -c "echo $rate > /app/rate"
done
