"""DaemonSets: which nodes they run on, and how their Pods are replaced."""
