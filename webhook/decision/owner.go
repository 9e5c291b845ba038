package decision

// DefaultOwnerLabels returns the labels and annotations that usually name the owner of an object, the preferred one
// first.
func DefaultOwnerLabels() []string {
	return []string{"owner", "team"}
}

// Owner returns who owns the object: the value of the first of the names that is a label of it, or else an annotation
// of it, or else a label or an annotation of its namespace. It is empty if there is none.
func (r *Request) Owner(names []string, namespace *Namespace) string {
	metadata, _ := r.Object["metadata"].(map[string]any)
	for _, field := range []string{"labels", "annotations"} {
		values, _ := metadata[field].(map[string]any)
		for _, name := range names {
			if owner, _ := values[name].(string); owner != "" {
				return owner
			}
		}
	}
	for _, values := range []map[string]string{namespace.Labels, namespace.Annotations} {
		for _, name := range names {
			if owner := values[name]; owner != "" {
				return owner
			}
		}
	}
	return ""
}
