package yamldoc

import "strings"

// Segments splits the path of a finding, as policies write it, into names and indices:
// spec.template.spec.containers[0].image, data[tls.crt], metadata.labels[app.kubernetes.io/name].
// The content of brackets is one segment, including any dots. The empty path has no segments.
func Segments(path string) []string {
	var segments []string
	for path != "" {
		if inside, found := strings.CutPrefix(path, "["); found {
			if name, rest, closed := strings.Cut(inside, "]"); closed {
				segments, path = append(segments, name), rest
				continue
			}
		}
		path = strings.TrimPrefix(path, ".")
		end := len(path)
		// A bracket that is not closed is part of the name.
		if i := strings.IndexAny(path[min(1, len(path)):], ".["); i >= 0 {
			end = i + 1
		}
		if end > 0 {
			segments = append(segments, path[:end])
		}
		path = path[end:]
	}
	return segments
}
