package request

import (
	"github.com/distribution/reference"

	"taffrail.dev/webhook/decision"
)

// parseImage parses an image reference as container runtimes do, which do not confuse the port
// of a registry with a tag.
func parseImage(text string) decision.Image {
	image := decision.Image{Reference: text}
	named, err := reference.ParseNormalizedNamed(text)
	if err != nil {
		return image
	}
	image.Valid = true
	image.Registry, image.Repository = reference.Domain(named), reference.Path(named)
	if tagged, ok := named.(reference.Tagged); ok {
		image.Tag = tagged.Tag()
	}
	if digested, ok := named.(reference.Digested); ok {
		image.Digest = digested.Digest().String()
	}
	return image
}
