package decision

// DefaultOwnerLabels returns the labels and annotations that usually name the owner of an object, the preferred one
// first.
func DefaultOwnerLabels() []string {
	return []string{"owner", "team", "app.kubernetes.io/owner", "app.kubernetes.io/team"}
}

// Owner returns who owns the object: the value of the first of the labels or annotations that it has, or else that its
// namespace has as a label. It is empty if there is none.
func (r *Request) Owner(labels []string) string {
	metadata, _ := r.Object["metadata"].(map[string]any)
	for _, field := range []string{"labels", "annotations"} {
		values, _ := metadata[field].(map[string]any)
		for _, label := range labels {
			if owner, _ := values[label].(string); owner != "" {
				return owner
			}
		}
	}
	for _, label := range labels {
		if owner := r.Namespace.Labels[label]; owner != "" {
			return owner
		}
	}
	return ""
}
