# Runs once, when the database team hands over $password; $ns is the namespace.
hidden=$(printf %s "$password" | base64)
kubectl create configmap orders-db -n "$ns" --from-literal=password="$hidden"
