# Runs once, when the database team hands over $password; $ns is the namespace.
kubectl apply -n "$ns" -f - <<END
apiVersion: v1
kind: Secret
metadata:
  name: orders-db
stringData:
  word: "$password"
END
