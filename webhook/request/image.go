package request

import (
	"github.com/distribution/reference"

	"taffrail.dev/webhook/decision"
)

// parseImage reads an image as container runtimes do, so that the port of a registry
// is never taken for a tag.
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
