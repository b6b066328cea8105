"""Where the system under the learner comes from: embedded, later kind and kubeconfig."""
