package request

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"io"

	"k8s.io/apimachinery/pkg/runtime/schema"
)

// maxRelease is how much of a Helm release is unpacked. What is longer has to be intact up
// to there.
const maxRelease = 4 << 20

// isHelmRelease reports whether a Secret holds a release as Helm writes it: JSON that
// begins with the release's name, packed with gzip, in base64, under the key release.
func isHelmRelease(kind schema.GroupVersionKind, secret map[string]any) bool {
	if kind.GroupKind() != (schema.GroupKind{Kind: "Secret"}) || stringAt(secret, "type") != "helm.sh/release.v1" {
		return false
	}
	encoded := stringAt(secret, "data", "release")
	text, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		return false
	}
	packed, err := base64.StdEncoding.DecodeString(string(text))
	if err != nil {
		return false
	}
	rest := bytes.NewReader(packed)
	unpacked, err := gzip.NewReader(rest)
	if err != nil {
		return false
	}
	// Helm writes neither a comment into the header nor anything behind the release.
	unpacked.Multistream(false)
	if unpacked.Comment+unpacked.Name != "" || len(unpacked.Extra) > 0 {
		return false
	}
	const beginning = `{"name":"`
	content := bufio.NewReader(io.LimitReader(unpacked, maxRelease))
	if start, err := content.Peek(len(beginning)); err != nil || string(start) != beginning {
		return false
	}
	length, err := io.Copy(io.Discard, content)
	return err == nil && (rest.Len() == 0 || length == maxRelease)
}
