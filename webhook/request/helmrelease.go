package request

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"io"

	"k8s.io/apimachinery/pkg/runtime/schema"
)

// maxRelease limits how many bytes of a Helm release are decompressed. A longer release has to
// be valid up to there.
const maxRelease = 4 << 20

// isHelmRelease reports whether a Secret contains a release in Helm's encoding: JSON that
// begins with the release's name, compressed with gzip and encoded in base64, under the key
// release.
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
	// Helm writes no comment into the header, and nothing after the release.
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
