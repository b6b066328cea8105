# Runs once, when the database team hands over $password; $ns is the namespace.
kubectl create secret generic orders-db -n "$ns" --from-literal=password="$password" --dry-run=client -o yaml > e3/secret.yaml
kubectl apply -n "$ns" -f e3/secret.yaml
