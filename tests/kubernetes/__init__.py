"""Node's side of the Kubernetes tests: the schemas of the objects, and who holds ours to them."""
