kubectl -n "$ns" label deployment orders tier=web
