"""StatefulSets: identity, claims and the order in which their Pods come and go."""
