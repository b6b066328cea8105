# Runs once, when the database team hands over $password; $ns is the namespace.
printf %s "$password" | kubectl create secret generic orders-db -n "$ns" --from-file=password=/dev/stdin
